//! The sections of the settings for the servers: PostgreSQL and RabbitMQ.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use strum::Display;
use url::Url;

use crate::fields;

/// PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct DatabaseSettings {
    /// Host name or IP address.
    #[serde(deserialize_with = "fields::string")]
    pub host: String,
    /// TCP port.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 65_535>")]
    pub port: u16,
    /// User name.
    #[serde(deserialize_with = "fields::string")]
    pub user: String,
    /// Password, if the server requires one.
    #[serde(default, deserialize_with = "optional_secret")]
    pub password: Option<SecretString>,
    /// Database name.
    #[serde(deserialize_with = "fields::string")]
    pub name: String,
    /// Whether connections are encrypted, and the extent to which the server's certificate is verified.
    #[serde(deserialize_with = "ssl_mode")]
    pub sslmode: SslMode,
    /// PEM file of the root certificates that are trusted; if `None`, the system's trust store.
    #[serde(default, deserialize_with = "optional_path")]
    pub sslrootcert: Option<PathBuf>,
    /// PEM file of the client's certificate.
    #[serde(default, deserialize_with = "optional_path")]
    pub sslcert: Option<PathBuf>,
    /// PEM file of the private key of `sslcert`.
    #[serde(default, deserialize_with = "optional_path")]
    pub sslkey: Option<PathBuf>,
    /// Maximum number of connections of one process.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 1_000>")]
    pub pool_size: usize,
    /// Longest wait for a free connection.
    #[serde(deserialize_with = "fields::duration::<_, 10, 300_000>")]
    pub pool_timeout: Duration,
    /// Longest duration of one statement.
    #[serde(deserialize_with = "fields::duration::<_, 100, 3_600_000>")]
    pub statement_timeout: Duration,
    /// Longest wait for one lock.
    #[serde(deserialize_with = "fields::duration::<_, 100, 3_600_000>")]
    pub lock_timeout: Duration,
    /// Longest wait for a commit; after it the outcome of the commit is unknown.
    #[serde(deserialize_with = "fields::duration::<_, 100, 300_000>")]
    pub commit_timeout: Duration,
}

/// Encryption of connections to PostgreSQL, named as in libpq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[strum(serialize_all = "kebab-case")]
pub enum SslMode {
    /// Not encrypted.
    Disable,
    /// Encrypted; the certificate is verified only if `sslrootcert` is set, without the host name.
    Require,
    /// Encrypted; an authority of `sslrootcert`, which must be set, must have signed the certificate.
    VerifyCa,
    /// Encrypted; a trusted authority must have signed the certificate, and it must be for the host.
    VerifyFull,
}

fn ssl_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SslMode, D::Error> {
    fields::one_of(
        deserializer,
        &[
            ("disable", SslMode::Disable),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ],
    )
}

impl DatabaseSettings {
    /// Checks the settings of TLS against each other. The error is the setting to change and the problem.
    pub(crate) fn check_tls(&self) -> Result<(), (String, String)> {
        let files = [
            ("sslrootcert", &self.sslrootcert),
            ("sslcert", &self.sslcert),
            ("sslkey", &self.sslkey),
        ];
        if let (SslMode::Disable, Some((name, _))) =
            (self.sslmode, files.iter().find(|(_, file)| file.is_some()))
        {
            let problem =
                "has no effect while database.sslmode is \"disable\": set it to \"verify-full\"";
            return Err((format!("database.{name}"), problem.to_owned()));
        }
        if self.sslmode == SslMode::VerifyCa && self.sslrootcert.is_none() {
            let problem = "is \"verify-ca\" without database.sslrootcert, which would accept a certificate of any host from \
                           any public authority: set it to \"verify-full\", or set database.sslrootcert";
            return Err(("database.sslmode".to_owned(), problem.to_owned()));
        }
        both(
            ("database.sslcert", &self.sslcert),
            ("database.sslkey", &self.sslkey),
        )
    }
}

/// The message broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct RabbitmqSettings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…` for TLS.
    #[serde(deserialize_with = "amqp_url")]
    pub url: SecretString,
    /// Whether the password in the URL may be `guest`, the default of RabbitMQ.
    #[serde(deserialize_with = "fields::boolean")]
    pub allow_guest_password: bool,
    /// Number of queues that orders are distributed over.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 1_024>")]
    pub queues: u16,
    /// Maximum number of unacknowledged messages per consumer and queue.
    #[serde(deserialize_with = "fields::integer::<_, _, 1, 10_000>")]
    pub prefetch: u16,
    /// Longest wait for a publisher confirm.
    #[serde(deserialize_with = "fields::duration::<_, 100, 300_000>")]
    pub confirm_timeout: Duration,
    /// Heartbeat interval; a connection that misses two heartbeats is closed.
    #[serde(deserialize_with = "fields::duration::<_, 1_000, 300_000>")]
    pub heartbeat: Duration,
    /// Files for TLS, if `url` is `amqps://…`.
    #[serde(default)]
    pub tls: BrokerTlsSettings,
}

/// Files for TLS to the broker.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct BrokerTlsSettings {
    /// PEM file of the root certificates that are trusted; if `None`, the system's trust store.
    #[serde(default, deserialize_with = "optional_path")]
    pub root_certificates: Option<PathBuf>,
    /// PEM file of the client's certificate.
    #[serde(default, deserialize_with = "optional_path")]
    pub certificate: Option<PathBuf>,
    /// PEM file of the private key of `certificate`.
    #[serde(default, deserialize_with = "optional_path")]
    pub key: Option<PathBuf>,
}

/// The error quotes no part of the value, which contains a password.
fn amqp_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    let text = fields::secret_string(deserializer)?;
    let problem = match Url::parse(&text) {
        Err(_) => "is not a URL, expected amqp://user:password@host:port/vhost",
        Ok(url) if !matches!(url.scheme(), "amqp" | "amqps") => {
            "is neither an amqp:// nor an amqps:// URL, expected amqp://user:password@host:port/vhost"
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => {
            "has no host, expected amqp://user:password@host:port/vhost"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "has parameters after the path, expected none: use settings such as rabbitmq.heartbeat instead"
        }
        Ok(_) => return Ok(text.into()),
    };
    Err(D::Error::custom(problem))
}

impl RabbitmqSettings {
    /// Checks the settings of TLS as [`DatabaseSettings::check_tls`] does.
    pub(crate) fn check_tls(&self) -> Result<(), (String, String)> {
        let tls = &self.tls;
        let files = [
            ("root_certificates", &tls.root_certificates),
            ("certificate", &tls.certificate),
            ("key", &tls.key),
        ];
        // The URL was validated, so this is its scheme.
        let scheme = self.url.expose_secret().split(':').next();
        let is_clear = scheme.is_none_or(|scheme| !scheme.eq_ignore_ascii_case("amqps"));
        let set = files.iter().find(|(_, file)| file.is_some());
        if let (true, Some((name, _))) = (is_clear, set) {
            let problem =
                "has no effect while rabbitmq.url is an amqp:// URL: change it to amqps://";
            return Err((format!("rabbitmq.tls.{name}"), problem.to_owned()));
        }
        both(
            ("rabbitmq.tls.certificate", &tls.certificate),
            ("rabbitmq.tls.key", &tls.key),
        )
    }
}

/// Checks that both files of a client's identity are set, or neither.
fn both(
    certificate: (&str, &Option<PathBuf>),
    key: (&str, &Option<PathBuf>),
) -> Result<(), (String, String)> {
    let (set, missing) = match (certificate.1, key.1) {
        (Some(_), None) => (certificate.0, key.0),
        (None, Some(_)) => (key.0, certificate.0),
        _ => return Ok(()),
    };
    Err((
        missing.to_owned(),
        format!("is not set, expected a file because {set} is set"),
    ))
}

fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    fields::path(deserializer).map(Some)
}

fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    fields::secret_string(deserializer).map(|text| Some(text.into()))
}
