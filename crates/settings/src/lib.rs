//! The settings of every program: their sources, their types and their validation.
//!
//! Layers, in order of increasing precedence: the built-in `config/default.toml`, the file given as `--config FILE`, `.env`
//! in the working directory, the environment. Tables are merged setting by setting; a list replaces the list of the lower
//! layer. The process environment is read, never changed.
//!
//! A few variables have short names (`PORT`, `WORKER_PORT`, `DB_USER`, `DB_PASSWORD`, `DB_HOST`, `DB_PORT`,
//! `DB_NAME`, `RABBITMQ_URL`) and take precedence over the general form `AGGREGATOR__SECTION__NAME` in the same layer. An
//! empty variable counts as not set.
//!
//! All validation is done here, except for the paths in XML documents, the names of time zones and the patterns of times, which
//! only the reader of a feed can check: it does so before the first request.

mod access;
mod environment;
mod error;
mod fields;
mod layers;
mod renamed;
mod sections;
mod servers;
mod vendors;

use std::mem;
use std::path::Path;

use api_keys::ApiKey;
use domain::identifiers::VendorId;
use serde::Deserialize;
use vendors::VendorTable;

pub use access::{RateLimitSettings, TlsSettings};
pub use error::SettingsError;
pub use secrecy::{ExposeSecret, SecretString};
pub use sections::{
    ApiSettings, EmbeddedSettings, LogFormat, TelemetrySettings, TracesSettings, WorkerSettings,
};
pub use servers::{BrokerTlsSettings, DatabaseSettings, RabbitmqSettings, SslMode};
pub use vendors::{
    AccessKeySettings, BucketSettings, DecodeSettings, FtpsSettings, FtpsTls, HeaderSetting,
    HttpAuthSettings, HttpSettings, RedirectHostSetting, SecretSource, SftpLoginSettings,
    SftpSettings, SourceSettings, VendorSettings,
};

/// The built-in `config/default.toml`, which documents every setting.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// The settings of every program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct Settings {
    /// The HTTP API.
    pub api: ApiSettings,
    /// Keys of the clients of the HTTP API; if empty, the API listens on loopback only.
    #[serde(default, deserialize_with = "fields::list::<access::Keys, _>")]
    pub api_keys: Vec<ApiKey>,
    /// Settlement, relay, sweeper and syncs.
    pub worker: WorkerSettings,
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// The store of the embedded deployment.
    pub embedded: EmbeddedSettings,
    /// The message broker.
    pub rabbitmq: RabbitmqSettings,
    /// Logging.
    pub telemetry: TelemetrySettings,
    /// The vendors as they are written, until they are validated.
    #[serde(rename = "vendors")]
    vendor_tables: Vec<VendorTable>,
    /// Vendors with a feed.
    #[serde(skip)]
    pub vendors: Vec<VendorSettings>,
    /// Vendors without a feed, whose stock is entered manually.
    #[serde(deserialize_with = "fields::list::<fields::VendorIds, _>")]
    pub manual_vendors: Vec<VendorId>,
}

impl Settings {
    /// Reads all layers, with `.env` of the working directory, and validates every setting.
    ///
    /// # Errors
    /// [`SettingsError`] for the first invalid setting; its message is one line and contains no secret.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::load_with(file, Path::new(".env"))
    }

    /// Like [`load`](Self::load), with another file in place of `.env`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(file: Option<&Path>, dotenv: &Path) -> Result<Self, SettingsError> {
        let dotenv = environment::read_dotenv(dotenv)?;
        let process = environment::read_process(std::env::vars_os())?;
        Self::load_from(file, &dotenv, &process)
    }

    fn load_from(
        file: Option<&Path>,
        dotenv: &environment::Variables,
        process: &environment::Variables,
    ) -> Result<Self, SettingsError> {
        let layers = layers::Layers::read(file, dotenv, process)?;
        let mut settings: Self = layers.deserialize()?;
        settings
            .check_vendors()
            .and_then(|()| settings.check_together())
            .map_err(|(name, problem)| layers.error_at(&name, problem))?;
        Ok(settings)
    }

    /// The ids of all configured vendors: those with a feed, then those without.
    #[must_use]
    pub fn vendor_ids(&self) -> Vec<VendorId> {
        let with_feed = self.vendors.iter().map(|vendor| &vendor.id);
        with_feed.chain(&self.manual_vendors).cloned().collect()
    }

    /// Validates the settings of each vendor. The error is as that of [`check_together`](Self::check_together).
    fn check_vendors(&mut self) -> Result<(), (String, String)> {
        for (index, table) in mem::take(&mut self.vendor_tables).into_iter().enumerate() {
            let vendor = table.check().map_err(|(name, problem)| {
                let dot = if name.is_empty() { "" } else { "." };
                (format!("vendors[{index}]{dot}{name}"), problem)
            })?;
            self.vendors.push(vendor);
        }
        Ok(())
    }

    /// Validates settings against each other. The error is the path of the setting to change and the problem.
    fn check_together(&self) -> Result<(), (String, String)> {
        let ids = self.vendor_ids();
        for (index, id) in ids.iter().enumerate() {
            if ids.iter().take(index).any(|earlier| earlier == id) {
                let name = match index.checked_sub(self.vendors.len()) {
                    None => format!("vendors[{index}].id"),
                    Some(index) => format!("manual_vendors[{index}]"),
                };
                let problem = format!(
                    "is {:?}, the id of another vendor, expected a unique id",
                    id.as_str()
                );
                return Err((name, problem));
            }
        }
        for (index, vendor) in self.vendors.iter().enumerate() {
            let earlier = self.vendors.iter().take(index);
            let same = |other: &&VendorSettings| other.stock_source() == vendor.stock_source();
            if let Some(other) = earlier.into_iter().find(same) {
                let problem = format!(
                    "is also the source of vendor {:?}, whose stock would be sold twice, expected another URL or another \
                     format.items, format.sheet, decode.entry or account in source.auth",
                    other.id.as_str()
                );
                return Err((format!("vendors[{index}].url"), problem));
            }
            if let Some(max_age) = vendor.max_age.filter(|max_age| *max_age <= vendor.lag) {
                let problem = format!(
                    "is {max_age:?}, expected more than the vendor's lag, which is {:?}: its counts are always at least that old",
                    vendor.lag
                );
                return Err((format!("vendors[{index}].max_age"), problem));
            }
        }
        let push_vendors: Vec<&VendorId> = (self.vendors.iter())
            .filter(|vendor| matches!(vendor.source, SourceSettings::Push { .. }))
            .map(|vendor| &vendor.id)
            .collect();
        if let Some(conflict) = access::conflict(&self.api_keys, &push_vendors) {
            return Err(conflict);
        }
        self.database.check_tls()?;
        self.rabbitmq.check_tls()?;
        if self.worker.relay_lease <= self.rabbitmq.confirm_timeout {
            let problem = format!(
                "is {:?}, expected more than rabbitmq.confirm_timeout, which is {:?}: another relay would publish \
                 entries again while their confirm is pending",
                self.worker.relay_lease, self.rabbitmq.confirm_timeout
            );
            return Err(("worker.relay_lease".to_owned(), problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
