//! `[vendors.source]` with the type `ftps`.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserializer;
use url::Url;

use super::super::{Problem, problem};
use super::auth::{AuthTable, AuthType};
use super::remote_url::{self, login_path};
use super::secret::SecretSource;
use crate::fields;

/// A report on an FTP server with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpsSettings {
    /// The URL, without user and password.
    pub url: Url,
    /// Host name or address of the server.
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
    /// The path of the file, absolute or relative to the directory of the login. Its last component may contain `*`.
    pub path: String,
    /// How TLS begins.
    pub tls: FtpsTls,
    /// File of the accepted certificates. `None`: the authorities of the system.
    pub ca_file: Option<PathBuf>,
    /// Time zone of the modification times that the server states. `None`: UTC.
    pub time_zone: Option<String>,
    /// Name of the user.
    pub user: String,
    /// Password of the user.
    pub password: SecretSource,
    /// Networks in which the server may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
}

/// How TLS begins on the control connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FtpsTls {
    /// With the command `AUTH TLS`.
    #[default]
    Explicit,
    /// With the connection.
    Implicit,
}

/// The settings of this type as they are written.
pub(super) struct FtpsParts {
    pub(super) tls: Option<FtpsTls>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) time_zone: Option<String>,
    pub(super) auth: Option<AuthTable>,
    pub(super) allow_addresses: Vec<IpNet>,
}

impl FtpsSettings {
    pub(super) fn check(url: &str, parts: FtpsParts) -> Result<Self, Problem> {
        let example = "ftps://feeds.example/out/stock_*.csv";
        let remote =
            remote_url::parse(url, "ftps", example).map_err(|text| problem("source.url", text))?;
        let auth = parts
            .auth
            .ok_or_else(|| problem("source", "auth is missing"))?;
        auth.check(&[AuthType::Password])?;
        let (user, password) = auth.password()?;
        let tls = parts.tls.unwrap_or_default();
        let default_port = match tls {
            FtpsTls::Explicit => 21,
            FtpsTls::Implicit => 990,
        };
        Ok(Self {
            host: remote.host,
            port: remote.port.unwrap_or(default_port),
            path: login_path(&remote.path),
            url: remote.url,
            tls,
            ca_file: parts.ca_file,
            time_zone: parts.time_zone,
            user,
            password,
            allow_addresses: parts.allow_addresses,
        })
    }
}

pub(super) fn ftps_tls<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<FtpsTls>, D::Error> {
    let choices = [
        ("explicit", FtpsTls::Explicit),
        ("implicit", FtpsTls::Implicit),
    ];
    fields::one_of(deserializer, &choices).map(Some)
}
