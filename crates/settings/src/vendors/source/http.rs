//! `[vendors.source]` with the type `http`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use feed_options::PageOptions;
use ipnet::IpNet;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use super::super::format::FormatType;
use super::super::{Problem, problem};
use super::auth::AuthTable;
use super::http_auth::{HttpAuthSettings, is_token};
use super::pages::{PagesTable, refuse_secret_param};
use super::secret::SecretSource;
use super::{optional_path, parse_http_url};
use crate::fields::{self, List, quoted};

/// A report at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The URL, with the scheme `http` or `https`, without user and password.
    pub url: Url,
    /// Additional headers, by name.
    pub headers: Vec<(String, HeaderSetting)>,
    /// How requests are authenticated.
    pub auth: Option<HttpAuthSettings>,
    /// How the pages of the report are requested. `None`: the report is one response.
    pub pages: Option<PageOptions>,
    /// Whether a full report that is one response is requested only if it has changed.
    pub conditional: bool,
    /// Hosts, in addition to that of the URL, to which redirects and links to pages may lead.
    pub redirect_hosts: Vec<RedirectHostSetting>,
    /// Networks in which a host may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
    /// File of certificates in PEM that are trusted in addition to those of the system.
    pub ca_file: Option<PathBuf>,
}

impl HttpSettings {
    pub(in crate::vendors) fn new(url: Url) -> Self {
        Self {
            url,
            headers: Vec::new(),
            auth: None,
            pages: None,
            conditional: true,
            redirect_hosts: Vec::new(),
            allow_addresses: Vec::new(),
            ca_file: None,
        }
    }
}

/// The value of an additional header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderSetting {
    /// The value.
    Plain(String),
    /// A value that only the host of the URL receives.
    Secret(SecretSource),
}

/// A host to which redirects and links to pages may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectHostSetting {
    /// The host.
    pub host: Host,
    /// The port. `None`: the default port of the scheme.
    pub port: Option<u16>,
}

/// Headers that a vendor's settings cannot state, and what does in their place.
const REFUSED_HEADERS: [(&str, &str); 19] = [
    ("authorization", "source.auth"),
    ("proxy-authorization", "source.auth"),
    ("cookie", "source.auth"),
    ("host", "source.url"),
    ("accept-encoding", ""),
    ("connection", ""),
    ("content-encoding", ""),
    ("content-length", ""),
    ("content-type", ""),
    ("expect", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("keep-alive", ""),
    ("range", ""),
    ("te", ""),
    ("trailer", ""),
    ("transfer-encoding", ""),
    ("upgrade", ""),
];

/// Parts of the names of headers with a secret.
const SECRET_NAMES: [&str; 9] = [
    "auth",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "signature",
    "token",
    "passwd",
];

/// The parts of the table `[vendors.source]` that are those of an HTTP source.
pub(super) struct HttpParts {
    pub(super) headers: BTreeMap<String, HeaderTable>,
    pub(super) auth: Option<AuthTable>,
    pub(super) pages: Option<PagesTable>,
    pub(super) conditional: bool,
    pub(super) redirect_hosts: Vec<RedirectHostSetting>,
    pub(super) allow_addresses: Vec<IpNet>,
    pub(super) ca_file: Option<PathBuf>,
}

impl HttpSettings {
    pub(super) fn check(url: &str, parts: HttpParts, format: FormatType) -> Result<Self, Problem> {
        let url = parse_http_url(url).map_err(|text| problem("source.url", text))?;
        let auth = parts.auth.map(HttpAuthSettings::check).transpose()?;
        let mut headers: Vec<(String, HeaderSetting)> = Vec::new();
        for (name, table) in parts.headers {
            if headers
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(&name))
            {
                let text = "is there in another case, expected one of the two";
                return Err(problem(format!("source.headers.{name}"), text));
            }
            let value = table.check(&name, auth.as_ref())?;
            headers.push((name, value));
        }
        let pages = parts.pages.map(|pages| pages.check(format)).transpose()?;
        if let (Some(pages), Some(HttpAuthSettings::Query { name, .. })) = (&pages, &auth) {
            refuse_secret_param(pages, name)?;
        }
        Ok(Self {
            url,
            headers,
            auth,
            pages,
            conditional: parts.conditional,
            redirect_hosts: parts.redirect_hosts,
            allow_addresses: parts.allow_addresses,
            ca_file: parts.ca_file,
        })
    }
}

/// The value of a header as it is written.
#[derive(Debug, Clone)]
pub(super) enum HeaderTable {
    Plain(String),
    Table(SecretTable),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct SecretTable {
    #[serde(deserialize_with = "fields::optional_secret_string")]
    value_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    value_file: Option<PathBuf>,
}

impl HeaderTable {
    fn check(self, name: &str, auth: Option<&HttpAuthSettings>) -> Result<HeaderSetting, Problem> {
        let setting = format!("source.headers.{}", log_text::one_line(name));
        let lower = name.to_ascii_lowercase();
        if !is_token(name) {
            return Err(problem(setting, "is not the name of a header"));
        }
        if let Some((_, instead)) = REFUSED_HEADERS.iter().find(|(name, _)| *name == lower) {
            let text = match *instead {
                "source.auth" => {
                    "is a header of credentials, which source.auth states, for example { type = \"bearer\", token_env = \"ACME_TOKEN\" }"
                        .to_owned()
                }
                "" => "is a header that the program sets itself (credentials are in source.auth)".to_owned(),
                instead => format!("is a header that {instead} states (credentials are in source.auth)"),
            };
            return Err(problem(setting, text));
        }
        if let Some(HttpAuthSettings::Header { name: other, .. }) = auth
            && other.eq_ignore_ascii_case(name)
        {
            let text = "is also source.auth.name, expected one of the two";
            return Err(problem(setting, text));
        }
        match self {
            Self::Table(table) => {
                let secret = SecretSource::of_header(name, table.value_env, table.value_file)?;
                Ok(HeaderSetting::Secret(secret))
            }
            Self::Plain(_) if SECRET_NAMES.iter().any(|part| lower.contains(part)) => {
                let text = "has the name of a secret in plain text, expected { value_env = \"NAME_OF_VARIABLE\" } or \
                            { value_file = \"/path\" }";
                Err(problem(setting, text))
            }
            Self::Plain(value) => {
                let is_valid = |char: char| char.is_ascii_graphic() || char == ' ';
                if value.trim() != value || !value.chars().all(is_valid) {
                    let text = format!(
                        "is {}, expected printable ASCII characters without white space at the ends",
                        quoted(&value)
                    );
                    return Err(problem(setting, text));
                }
                Ok(HeaderSetting::Plain(value))
            }
        }
    }
}

impl<'de> Deserialize<'de> for HeaderTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor;

        impl<'de> Visitor<'de> for TableVisitor {
            type Value = HeaderTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a table with value_env or value_file")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HeaderTable, E> {
                Ok(HeaderTable::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<HeaderTable, A::Error> {
                SecretTable::deserialize(MapAccessDeserializer::new(table)).map(HeaderTable::Table)
            }
        }

        deserializer.deserialize_any(TableVisitor)
    }
}

/// Hosts with an optional port.
pub(super) struct RedirectHosts;

impl List for RedirectHosts {
    type Item = RedirectHostSetting;

    const EXPECTED: &'static str = "a list of hosts";

    fn parse<E: Error>(text: &str) -> Result<RedirectHostSetting, E> {
        let invalid = || {
            E::custom(format!(
                "is {}, expected a host with or without a port, such as cdn.example or cdn.example:8443",
                quoted(text)
            ))
        };
        let has_port = text
            .rsplit_once(':')
            .is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let (host, port) = match text.rsplit_once(':').filter(|_| has_port) {
            Some((host, port)) => {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|&port| port > 0 && is_number);
                (host, Some(port.ok_or_else(invalid)?))
            }
            None => (text, None),
        };
        // `*` would parse as a domain name that matches no host.
        let host = Host::parse(host).ok().filter(|_| !host.contains('*'));
        Ok(RedirectHostSetting {
            host: host.ok_or_else(invalid)?,
            port,
        })
    }
}

/// Networks.
pub(super) struct Networks;

impl List for Networks {
    type Item = IpNet;

    const EXPECTED: &'static str = "a list of networks";

    fn parse<E: Error>(text: &str) -> Result<IpNet, E> {
        let network = text.parse::<IpNet>().ok();
        // A network with bits behind its prefix is a mistake.
        let network = network.filter(|network| network.trunc() == *network);
        network.ok_or_else(|| {
            E::custom(format!(
                "is {}, expected a network such as 10.1.0.0/16, 192.168.1.7/32 or fd00::/8",
                quoted(text)
            ))
        })
    }
}
