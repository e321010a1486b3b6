//! `[vendors.source]`: where the report of a vendor is.

mod auth;
mod bucket;
mod ftps;
mod http;
mod http_auth;
mod pages;
mod push;
mod remote_url;
mod secret;
mod sftp;

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::identifiers::VendorId;
use feed_options::AfterRead;
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

pub use self::bucket::{AccessKeySettings, BucketSettings};
pub use self::ftps::{FtpsSettings, FtpsTls};
pub use self::http::{HeaderSetting, HttpSettings, RedirectHostSetting};
pub use self::http_auth::HttpAuthSettings;
pub use self::secret::SecretSource;
pub use self::sftp::{SftpLoginSettings, SftpSettings};

use self::auth::AuthTable;
use self::ftps::FtpsParts;
use self::http::{HeaderTable, HttpParts};
use self::pages::PagesTable;
use super::format::FormatType;
use super::{Problem, problem};
use crate::fields;

/// Where a vendor's report is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSettings {
    /// At a URL with the scheme `http` or `https`.
    Http(Box<HttpSettings>),
    /// In a local directory.
    File {
        /// The URL that states the path.
        url: Url,
        /// The path. Its last component may contain `*`: the newest file that matches is read, or the oldest of
        /// deltas that do not stay.
        path: PathBuf,
    },
    /// On an SFTP server.
    Sftp(SftpSettings),
    /// On an FTP server with TLS.
    Ftps(FtpsSettings),
    /// In a bucket of an S3-compatible service.
    Bucket(BucketSettings),
    /// The vendor sends it to the API.
    Push {
        /// `push:` and the vendor's id.
        url: Url,
    },
}

impl SourceSettings {
    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        match self {
            Self::Http(http) => &http.url,
            Self::File { url, .. } | Self::Push { url } => url,
            Self::Sftp(sftp) => &sftp.url,
            Self::Ftps(ftps) => &ftps.url,
            Self::Bucket(bucket) => &bucket.url,
        }
    }

    /// The account that the requests log in to: the user or the client. `None` without one, and for a bucket, whose content
    /// does not depend on it.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Http(http) => http.auth.as_ref().and_then(HttpAuthSettings::account),
            Self::Sftp(sftp) => Some(&sftp.user),
            Self::Ftps(ftps) => Some(&ftps.user),
            Self::File { .. } | Self::Bucket(_) | Self::Push { .. } => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceType {
    Http,
    File,
    Sftp,
    Ftps,
    Bucket,
    Push,
}

const TYPES: [(&str, SourceType); 6] = [
    ("http", SourceType::Http),
    ("file", SourceType::File),
    ("sftp", SourceType::Sftp),
    ("ftps", SourceType::Ftps),
    ("bucket", SourceType::Bucket),
    ("push", SourceType::Push),
];

impl SourceType {
    fn name(self) -> &'static str {
        let found = TYPES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The table as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub(super) struct SourceTable {
    #[serde(rename = "type", deserialize_with = "source_type")]
    kind: SourceType,
    #[serde(default, deserialize_with = "fields::optional_secret_string")]
    url: Option<String>,
    headers: Option<BTreeMap<String, HeaderTable>>,
    auth: Option<Box<AuthTable>>,
    pages: Option<PagesTable>,
    #[serde(default, deserialize_with = "fields::optional_boolean")]
    conditional: Option<bool>,
    #[serde(default, deserialize_with = "redirect_hosts")]
    redirect_hosts: Option<Vec<RedirectHostSetting>>,
    #[serde(default, deserialize_with = "allow_addresses")]
    allow_addresses: Option<Vec<IpNet>>,
    #[serde(default, deserialize_with = "optional_path")]
    ca_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "fields::optional_string")]
    host_key: Option<String>,
    #[serde(default, deserialize_with = "ftps::ftps_tls")]
    tls: Option<FtpsTls>,
    #[serde(default, deserialize_with = "fields::optional_string")]
    time_zone: Option<String>,
    #[serde(default, deserialize_with = "fields::optional_secret_string")]
    endpoint: Option<String>,
    #[serde(default, deserialize_with = "fields::optional_string")]
    region: Option<String>,
    #[serde(default, deserialize_with = "after")]
    after: Option<AfterRead>,
}

impl SourceTable {
    /// The treatment of a file once its report was applied.
    pub(super) fn after(&self) -> AfterRead {
        self.after.clone().unwrap_or_default()
    }

    /// Validates the table; `format` is the format of the report.
    pub(super) fn check(
        self,
        vendor_id: &VendorId,
        format: FormatType,
    ) -> Result<SourceSettings, Problem> {
        self.check_type()?;
        if self.kind == SourceType::Push {
            return push::source(vendor_id, self.url.as_deref());
        }
        let url = self.url.as_deref();
        let url = url.ok_or_else(|| problem("source", "url is missing"))?;
        let auth = self.auth.map(|auth| *auth);
        let allow_addresses = self.allow_addresses.unwrap_or_default();
        Ok(match self.kind {
            SourceType::Http => {
                let parts = HttpParts {
                    headers: self.headers.unwrap_or_default(),
                    auth,
                    pages: self.pages,
                    conditional: self.conditional.unwrap_or(true),
                    redirect_hosts: self.redirect_hosts.unwrap_or_default(),
                    allow_addresses,
                    ca_file: self.ca_file,
                };
                SourceSettings::Http(Box::new(HttpSettings::check(url, parts, format)?))
            }
            SourceType::File => {
                let parsed = parse_file_url(url);
                let (url, path) = parsed.map_err(|text| problem("source.url", text))?;
                SourceSettings::File { url, path }
            }
            SourceType::Sftp => SourceSettings::Sftp(SftpSettings::check(
                url,
                self.host_key,
                auth,
                allow_addresses,
            )?),
            SourceType::Ftps => {
                let parts = FtpsParts {
                    tls: self.tls,
                    ca_file: self.ca_file,
                    time_zone: self.time_zone,
                    auth,
                    allow_addresses,
                };
                SourceSettings::Ftps(FtpsSettings::check(url, parts)?)
            }
            SourceType::Bucket => {
                let endpoint = self.endpoint.as_deref();
                let bucket = BucketSettings::check(url, endpoint, self.region, auth)?;
                let bucket = BucketSettings {
                    allow_addresses,
                    ..bucket
                };
                SourceSettings::Bucket(bucket)
            }
            SourceType::Push => push::source(vendor_id, None)?,
        })
    }

    /// Refuses settings of another type.
    fn check_type(&self) -> Result<(), Problem> {
        use SourceType::{Bucket, File, Ftps, Http, Sftp};
        const REMOTE: &[SourceType] = &[Http, Sftp, Ftps, Bucket];
        const FILES: &[SourceType] = &[File, Sftp, Ftps, Bucket];
        let settings: [(&str, bool, &[SourceType]); 13] = [
            ("headers", self.headers.is_some(), &[Http]),
            ("auth", self.auth.is_some(), REMOTE),
            ("pages", self.pages.is_some(), &[Http]),
            ("conditional", self.conditional.is_some(), &[Http]),
            ("redirect_hosts", self.redirect_hosts.is_some(), &[Http]),
            ("allow_addresses", self.allow_addresses.is_some(), REMOTE),
            ("ca_file", self.ca_file.is_some(), &[Http, Ftps]),
            ("host_key", self.host_key.is_some(), &[Sftp]),
            ("tls", self.tls.is_some(), &[Ftps]),
            ("time_zone", self.time_zone.is_some(), &[Ftps]),
            ("endpoint", self.endpoint.is_some(), &[Bucket]),
            ("region", self.region.is_some(), &[Bucket]),
            ("after", self.after.is_some(), FILES),
        ];
        for (name, is_set, types) in settings {
            if is_set && !types.contains(&self.kind) {
                let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
                let text = format!(
                    "is a setting of the type {}, but source.type is {:?}",
                    names.join(" and "),
                    self.kind.name()
                );
                return Err(problem(format!("source.{name}"), text));
            }
        }
        Ok(())
    }
}

fn source_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SourceType, D::Error> {
    fields::one_of(deserializer, &TYPES)
}

fn redirect_hosts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<RedirectHostSetting>>, D::Error> {
    fields::list::<http::RedirectHosts, _>(deserializer).map(Some)
}

fn allow_addresses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<IpNet>>, D::Error> {
    fields::list::<http::Networks, _>(deserializer).map(Some)
}

fn after<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AfterRead>, D::Error> {
    let text = fields::optional_string(deserializer)?.unwrap_or_default();
    let action = match text.as_str() {
        "leave" => Some(AfterRead::Leave),
        "delete" => Some(AfterRead::Delete),
        other => {
            let directory = other
                .strip_prefix("move:")
                .filter(|name| is_directory(name));
            directory.map(|name| AfterRead::Move(name.to_owned()))
        }
    };
    action.map(Some).ok_or_else(|| {
        let found = fields::quoted(&text);
        D::Error::custom(format!(
            "is {found}, expected \"leave\", \"delete\" or \"move:\" and the name of a directory in that of the files, such as \
             \"move:done\""
        ))
    })
}

/// Whether a text is the name of a directory in another one.
fn is_directory(name: &str) -> bool {
    let is_special = |char: char| char.is_control() || matches!(char, '/' | '\\' | '*');
    !matches!(name, "" | "." | "..") && name.trim() == name && !name.contains(is_special)
}

fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    fields::path(deserializer).map(Some)
}

/// Reads the short form of an HTTP source.
pub(super) fn optional_http_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Url>, D::Error> {
    let text = fields::optional_text(deserializer)?.unwrap_or_default();
    parse_http_url(&text).map(Some).map_err(D::Error::custom)
}

fn parse_http_url(text: &str) -> Result<Url, String> {
    const EXPECTED: &str = "a URL that starts with http:// or https://";
    let url = Url::parse(text).map_err(|_| not_a_url(EXPECTED))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "contains a user or a password, expected neither: source.auth states credentials"
                .to_owned(),
        );
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("is {}, expected {EXPECTED}", fields::quoted(text)));
    }
    Ok(url)
}

/// A string that is not a URL may still contain a password.
fn not_a_url(expected: &str) -> String {
    format!("is not a URL, expected {expected}")
}

fn parse_file_url(text: &str) -> Result<(Url, PathBuf), String> {
    const EXPECTED: &str =
        "a URL that starts with file:/// and names a file, such as file:///srv/feeds/stock_*.csv";
    let url = Url::parse(text).map_err(|_| not_a_url(EXPECTED))?;
    let is_absolute = text
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("file:///"));
    let names_a_file = !url.path().ends_with('/');
    let path = url.to_file_path().ok();
    let Some(path) = path.filter(|_| is_absolute && names_a_file) else {
        // The URL of another scheme may contain a password.
        return Err(if url.scheme() == "file" {
            format!("is {}, expected {EXPECTED}", fields::quoted(text))
        } else {
            format!("starts with {}:, expected {EXPECTED}", url.scheme())
        });
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(
            "contains ? or #, expected %3F or %23 for such a character of a name".to_owned(),
        );
    }
    let directory = path.parent().map(|parent| parent.to_string_lossy());
    if directory.is_some_and(|directory| directory.contains('*')) {
        return Err(format!(
            "is {}, expected * in the name of the file only",
            fields::quoted(text)
        ));
    }
    Ok((url, path))
}
