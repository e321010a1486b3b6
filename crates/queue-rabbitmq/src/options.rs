//! Where the broker is and how to use it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use url::Url;

/// Longest virtual host that AMQP can carry, in bytes.
const MAX_VHOST_BYTES: usize = 255;

/// Everything the adapter needs to know.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitOptions {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// With what.
    pub password: String,
    /// Virtual host.
    pub vhost: String,
    /// How many queues orders are spread over. The same for all processes.
    pub queues: u16,
    /// Most unacknowledged messages of one queue at this consumer; the consumer's total is this times [`Self::queues`].
    /// (The broker knows no limit over several quorum queues.)
    pub prefetch: u16,
    /// Longest wait for the broker to confirm a publication.
    pub confirm_timeout: Duration,
    /// Interval of heartbeats, whole seconds; a connection that misses two is given up.
    pub heartbeat: Duration,
    /// What the connections are called on the broker.
    pub connection_name: String,
}

/// Why a text is not the URL of a broker. No message holds any part of the text, for the sake of the password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidUrl {
    /// No URL at all.
    #[error("is not a URL, expected amqp://user:password@host:port/vhost")]
    NotAUrl,
    /// `amqps`.
    #[error("is an amqps:// URL: TLS to the broker is not supported, put a TLS proxy in between")]
    Tls,
    /// Another scheme.
    #[error("is not an amqp:// URL, expected amqp://user:password@host:port/vhost")]
    Scheme,
    /// `amqp:///vhost`.
    #[error("names no host, expected amqp://user:password@host:port/vhost")]
    NoHost,
    /// `amqp://host/a/b`.
    #[error("has more than one path segment: a slash in the virtual host is written %2F")]
    Path,
    /// `amqp://host?x=y`.
    #[error("has parameters after the path, expected none")]
    Parameters,
    /// Something in it cannot be decoded, or not be sent.
    #[error(
        "has a user, password or virtual host that is not percent-encoded UTF-8 without control characters, or is too long"
    )]
    Encoding,
}

impl RabbitOptions {
    /// Reads a URL; what it does not say has a usual value: port 5672, guest, virtual host `/`, 8 queues, 64 unacknowledged
    /// messages a queue, 10 s for confirms, 10 s for heartbeats.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(url).map_err(|_| InvalidUrl::NotAUrl)?;
        match url.scheme() {
            "amqp" => {}
            "amqps" => return Err(InvalidUrl::Tls),
            _ => return Err(InvalidUrl::Scheme),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::Parameters);
        }
        let host = url.host_str().ok_or(InvalidUrl::NoHost)?;
        // A resolver wants an IPv6 address without its brackets.
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
            port: url.port().unwrap_or(5672),
            user,
            password,
            vhost,
            queues: 8,
            prefetch: 64,
            confirm_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            connection_name: "orders".to_owned(),
        })
    }

    /// Whole seconds, at least one: zero would turn heartbeats off, and with them the detection of a dead peer.
    pub(crate) fn heartbeat_s(&self) -> u16 {
        u16::try_from(self.heartbeat.as_secs())
            .unwrap_or(u16::MAX)
            .max(1)
    }

    /// At least one queue.
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
            .field("vhost", &self.vhost)
            .field("queues", &self.queues)
            .field("prefetch", &self.prefetch)
            .field("confirm_timeout", &self.confirm_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("connection_name", &self.connection_name)
            .finish()
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, InvalidUrl> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = (bytes.next().and_then(hex), bytes.next().and_then(hex));
        let (Some(high), Some(low)) = digits else {
            return Err(InvalidUrl::Encoding);
        };
        decoded.push(high * 16 + low);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| InvalidUrl::Encoding)?;
    // The login separates user and password by a zero byte; and all of these appear in log lines but the password.
    if decoded.chars().any(char::is_control) {
        return Err(InvalidUrl::Encoding);
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_a_url_is_read_and_decoded() {
        let options =
            RabbitOptions::parse("amqp://us%40er:p%2Fa%3Ass%C3%BC@broker:5673/v%2Fh").unwrap();
        assert_eq!(
            (options.user.as_str(), options.password.as_str()),
            ("us@er", "p/a:ssü")
        );
        assert_eq!(
            (options.host.as_str(), options.port, options.vhost.as_str()),
            ("broker", 5673, "v/h")
        );
    }

    #[test]
    fn what_a_url_leaves_out_has_the_usual_value() {
        for url in ["amqp://h", "amqp://h/", "amqp://h:5672/%2f"] {
            let options = RabbitOptions::parse(url).unwrap();
            assert_eq!(
                (options.port, options.vhost.as_str(), options.user.as_str()),
                (5672, "/", "guest"),
                "{url}"
            );
        }
        let options = RabbitOptions::parse("amqp://user@[::1]/x").unwrap();
        assert_eq!(
            (options.host.as_str(), options.password.as_str()),
            ("::1", "")
        );
    }

    #[test]
    fn wrong_urls_are_refused_without_showing_them() {
        let long = format!("amqp://u:hunter2@h/{}", "v".repeat(256));
        for (url, expected) in [
            ("hunter2", InvalidUrl::NotAUrl),
            ("amqp://u:hunter2@h:port", InvalidUrl::NotAUrl),
            ("amqps://u:hunter2@h", InvalidUrl::Tls),
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
    fn the_password_is_not_shown() {
        let options = RabbitOptions::parse("amqp://user:hunter2@h").unwrap();
        let shown = format!("{options:?}");
        assert!(
            shown.contains("user") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
