//! `[vendors.source]`: where the report of a vendor is.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{Problem, problem};
use crate::fields;

/// Where a vendor's report is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSettings {
    /// At a URL with the scheme `http` or `https`, without user and password.
    Http {
        /// The URL.
        url: Url,
    },
    /// In a local directory.
    File {
        /// The URL that states the path.
        url: Url,
        /// The path. Its last component may contain `*`: the newest file that matches is read.
        path: PathBuf,
    },
}

impl SourceSettings {
    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        match self {
            Self::Http { url } | Self::File { url, .. } => url,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum SourceType {
    Http,
    File,
}

/// The table as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub(super) struct SourceTable {
    #[serde(rename = "type", deserialize_with = "source_type")]
    kind: SourceType,
    #[serde(deserialize_with = "fields::secret_string")]
    url: String,
}

impl SourceTable {
    pub(super) fn check(self) -> Result<SourceSettings, Problem> {
        let source = match self.kind {
            SourceType::Http => parse_http_url(&self.url).map(|url| SourceSettings::Http { url }),
            SourceType::File => {
                parse_file_url(&self.url).map(|(url, path)| SourceSettings::File { url, path })
            }
        };
        source.map_err(|text| problem("source.url", text))
    }
}

fn source_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SourceType, D::Error> {
    fields::one_of(
        deserializer,
        &[("http", SourceType::Http), ("file", SourceType::File)],
    )
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
            "contains a user or a password, expected neither: the API shows this URL to operators"
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
