//! Address and settings of the broker connection.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use thiserror::Error;
use tls_config::{ClientTls, ClientTlsOptions, Verification};
use url::Url;

/// Longest virtual host that AMQP can carry, in bytes.
const MAX_VHOST_BYTES: usize = 255;

/// Settings of the adapter.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitOptions {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password of the user.
    pub password: String,
    /// TLS; if `None`, the connection is not encrypted.
    pub tls: Option<ClientTls>,
    /// Virtual host.
    pub vhost: String,
    /// Number of queues over which orders are spread. The same in all processes.
    pub queues: u16,
    /// Maximum unacknowledged messages per queue and consumer; the total of a consumer is this times [`Self::queues`].
    /// (`RabbitMQ` does not support a limit over several quorum queues.)
    pub prefetch: u16,
    /// Timeout of a publisher confirm.
    pub confirm_timeout: Duration,
    /// Heartbeat interval in whole seconds; the connection is closed after two missed heartbeats.
    pub heartbeat: Duration,
    /// Name of the connections on the broker.
    pub connection_name: String,
}

/// Why a text is not a broker URL. No message contains any part of the text, because it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidUrl {
    /// Not a URL.
    #[error("is not a URL, expected amqp://user:password@host:port/vhost")]
    NotAUrl,
    /// The scheme is neither `amqp` nor `amqps`.
    #[error(
        "is neither an amqp:// nor an amqps:// URL, expected amqp://user:password@host:port/vhost"
    )]
    Scheme,
    /// No host: `amqp:///vhost`.
    #[error("has no host, expected amqp://user:password@host:port/vhost")]
    NoHost,
    /// More than one path segment: `amqp://host/a/b`.
    #[error("has more than one path segment: a slash in the virtual host is written %2F")]
    Path,
    /// A query or fragment: `amqp://host?x=y`.
    #[error("has parameters after the path, expected none")]
    Parameters,
    /// A part cannot be decoded, or is not allowed in AMQP.
    #[error(
        "has a user, password or virtual host that is not percent-encoded UTF-8 without control characters, or is too long"
    )]
    Encoding,
}

impl RabbitOptions {
    /// Parses a URL. `amqps://` is TLS that verifies the broker's certificate with the system's trust store.
    ///
    /// Defaults: port 5672, or 5671 with TLS; user and password `guest`, virtual host `/`, 8 queues, 64 unacknowledged
    /// messages per queue, a confirm timeout of 10 s and heartbeats of 10 s.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(url).map_err(|_| InvalidUrl::NotAUrl)?;
        let (default_port, tls) = match url.scheme() {
            "amqp" => (5672, None),
            "amqps" => (5671, Some(default_tls())),
            _ => return Err(InvalidUrl::Scheme),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::Parameters);
        }
        let host = url.host_str().ok_or(InvalidUrl::NoHost)?;
        // Address resolution needs an IPv6 address without brackets.
        let host = decode(host.trim_start_matches('[').trim_end_matches(']'))?;
        if host.is_empty() {
            return Err(InvalidUrl::NoHost);
        }
        let vhost = match url.path().strip_prefix('/').unwrap_or_default() {
            "" => "/".to_owned(),
            path if path.contains('/') => return Err(InvalidUrl::Path),
            path => decode(path)?,
        };
        if vhost.len() > MAX_VHOST_BYTES {
            return Err(InvalidUrl::Encoding);
        }
        let (user, password) = match (url.username(), url.password()) {
            ("", None) => ("guest".to_owned(), "guest".to_owned()),
            (user, password) => (decode(user)?, decode(password.unwrap_or_default())?),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            user,
            password,
            tls,
            vhost,
            queues: 8,
            prefetch: 64,
            confirm_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            connection_name: "orders".to_owned(),
        })
    }

    /// Whole seconds, at least one: zero would disable heartbeats, and with them the detection of a dead peer.
    pub(crate) fn heartbeat_s(&self) -> u16 {
        u16::try_from(self.heartbeat.as_secs())
            .unwrap_or(u16::MAX)
            .max(1)
    }

    /// Number of queues, at least one.
    pub(crate) fn shards(&self) -> u16 {
        self.queues.max(1)
    }
}

impl fmt::Debug for RabbitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &format_args!("***"))
            .field("tls", &self.tls)
            .field("vhost", &self.vhost)
            .field("queues", &self.queues)
            .field("prefetch", &self.prefetch)
            .field("confirm_timeout", &self.confirm_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("connection_name", &self.connection_name)
            .finish()
    }
}

fn default_tls() -> ClientTls {
    ClientTls::new(ClientTlsOptions {
        verification: Verification::Full,
        root_certificates: None,
        identity: None,
    })
}

/// Decodes percent-encoding, of which each `%` must be a part.
fn decode(text: &str) -> Result<String, InvalidUrl> {
    let is_encoded = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        // The PLAIN login separates user and password by a zero byte, and all values except the password appear in log
        // lines.
        Ok(decoded)
            if !decoded.contains(char::is_control) && text.split('%').skip(1).all(is_encoded) =>
        {
            Ok(decoded.into_owned())
        }
        _ => Err(InvalidUrl::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_url_are_parsed_and_decoded() {
        let options =
            RabbitOptions::parse("amqp://us%40er:p%2Fa%3Ass%C3%BC@broker:5673/v%2Fh").unwrap();
        assert_eq!([options.user, options.password], ["us@er", "p/a:ssü"]);
        assert_eq!([options.host, options.vhost], ["broker", "v/h"]);
        assert_eq!(options.port, 5673);
    }

    #[test]
    fn missing_parts_of_a_url_have_defaults() {
        for url in ["amqp://h", "amqp://h/", "amqp://h:5672/%2f"] {
            let options = RabbitOptions::parse(url).unwrap();
            assert_eq!(
                (options.port, options.vhost.as_str(), options.user.as_str()),
                (5672, "/", "guest"),
                "{url}"
            );
        }
        let options = RabbitOptions::parse("amqps://h").unwrap();
        assert_eq!((options.port, options.tls.is_some()), (5671, true));
        let options = RabbitOptions::parse("amqp://user@[::1]/x").unwrap();
        assert_eq!([options.host, options.password], ["::1", ""]);
    }

    #[test]
    fn invalid_urls_are_rejected_and_the_error_does_not_contain_them() {
        let long = format!("amqp://u:hunter2@h/{}", "v".repeat(256));
        for (url, expected) in [
            ("hunter2", InvalidUrl::NotAUrl),
            ("amqp://u:hunter2@h:port", InvalidUrl::NotAUrl),
            ("http://u:hunter2@h", InvalidUrl::Scheme),
            ("amqp:///hunter2", InvalidUrl::NoHost),
            ("amqp://u:hunter2@h/a/b", InvalidUrl::Path),
            ("amqp://u:hunter2@h?heartbeat=1", InvalidUrl::Parameters),
            ("amqp://u:hunter2%ff@h", InvalidUrl::Encoding),
            ("amqp://u:hunter2%0@h", InvalidUrl::Encoding),
            ("amqp://u:hunter2%00@h", InvalidUrl::Encoding),
            (&long, InvalidUrl::Encoding),
        ] {
            let error = RabbitOptions::parse(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_password() {
        let options = RabbitOptions::parse("amqp://user:hunter2@h").unwrap();
        let shown = format!("{options:?}");
        let hides = !shown.contains("hunter2");
        assert!(shown.contains("user") && hides, "{shown}");
    }
}
