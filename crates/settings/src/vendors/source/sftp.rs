//! `[vendors.source]` with the type `sftp`.

use ipnet::IpNet;
use url::Url;

use super::super::{Problem, problem};
use super::auth::{AuthTable, AuthType, required};
use super::remote_url::{self, login_path};
use super::secret::SecretSource;
use crate::fields;

/// A report on an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SftpSettings {
    /// The URL, without user and password.
    pub url: Url,
    /// Host name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// The path of the file, absolute or relative to the directory of the login. Its last component may contain `*`.
    pub path: String,
    /// SHA-256 fingerprint of the server's key: `SHA256:` and 43 characters.
    pub host_key: String,
    /// Name of the user.
    pub user: String,
    /// How the user logs in.
    pub login: SftpLoginSettings,
    /// Networks in which the server may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
}

/// How a user logs in to an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SftpLoginSettings {
    /// With a password.
    Password(SecretSource),
    /// With a private key.
    Key {
        /// The file of the key.
        key: SecretSource,
        /// The passphrase of the file.
        passphrase: Option<SecretSource>,
    },
}

impl SftpSettings {
    pub(super) fn check(
        url: &str,
        host_key: Option<String>,
        auth: Option<AuthTable>,
        allow_addresses: Vec<IpNet>,
    ) -> Result<Self, Problem> {
        let example = "sftp://feeds.example/out/stock_*.csv";
        let remote =
            remote_url::parse(url, "sftp", example).map_err(|text| problem("source.url", text))?;
        let host_key = host_key.ok_or_else(|| {
            let text = "host_key is missing, expected the fingerprint of the server's key, such as SHA256:… of ssh-keygen -l";
            problem("source", text)
        })?;
        let auth = auth.ok_or_else(|| problem("source", "auth is missing"))?;
        let kind = auth.check(&[AuthType::Password, AuthType::Key])?;
        let (user, login) = if kind == AuthType::Key {
            let key = required("key_file", auth.key_file)?;
            let passphrase =
                SecretSource::parse("passphrase", auth.passphrase_env, auth.passphrase_file)?;
            let key = SecretSource::in_file("key_file", key);
            let login = SftpLoginSettings::Key { key, passphrase };
            (required("user", auth.user)?, login)
        } else {
            let (user, password) = auth.password()?;
            (user, SftpLoginSettings::Password(password))
        };
        Ok(Self {
            host: remote.host,
            port: remote.port.unwrap_or(22),
            path: login_path(&remote.path),
            url: remote.url,
            host_key: fingerprint(&host_key)?,
            user,
            login,
            allow_addresses,
        })
    }
}

/// Checks a fingerprint, and removes the padding that some programs write.
fn fingerprint(text: &str) -> Result<String, Problem> {
    let hash = text
        .strip_prefix("SHA256:")
        .map(|hash| hash.trim_end_matches('='));
    let is_base64 = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/');
    match hash {
        Some(hash) if hash.len() == 43 && hash.chars().all(is_base64) => {
            Ok(format!("SHA256:{hash}"))
        }
        _ => {
            let text = format!(
                "is {}, expected SHA256: and 43 characters of Base64, as ssh-keygen -l prints them",
                fields::quoted(text)
            );
            Err(problem("source.host_key", text))
        }
    }
}
