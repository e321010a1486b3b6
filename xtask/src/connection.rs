//! Where the settings say that the servers are.

use anyhow::{Context, Result};
use settings::{DatabaseSettings, RabbitmqSettings, Settings};
use storage_postgres::PgOptions;
use url::Url;

const DEFAULT_AMQP_PORT: u16 = 5672;

/// How the store is reached.
pub(crate) fn pg_options(database: &DatabaseSettings) -> PgOptions {
    PgOptions {
        host: database.host.clone(),
        port: database.port,
        user: database.user.clone(),
        password: database
            .password
            .as_ref()
            .map(|secret| secret.reveal().to_owned()),
        database: database.name.clone(),
        application_name: "xtask".to_owned(),
        pool_size: database.pool_size,
        pool_wait: database.pool_wait,
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
    }
}

/// The parts of the broker's URL, decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) vhost: String,
}

impl Broker {
    pub(crate) fn of(rabbitmq: &RabbitmqSettings) -> Result<Self> {
        Self::parse(rabbitmq.url.reveal())
    }

    /// Reads a URL as RabbitMQ's URI specification has it: without user it is guest, without path the vhost is `/`.
    fn parse(url: &str) -> Result<Self> {
        // No message shows the URL: a password is in it.
        let url = Url::parse(url).ok().context("rabbitmq.url is not a URL")?;
        let host = url.host_str().context("rabbitmq.url names no host")?;
        let or_guest = |text: &str| {
            let text = decoded(text);
            if text.is_empty() {
                "guest".to_owned()
            } else {
                text
            }
        };
        let path = decoded(url.path().trim_start_matches('/'));
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(DEFAULT_AMQP_PORT),
            user: or_guest(url.username()),
            password: or_guest(url.password().unwrap_or_default()),
            vhost: if path.is_empty() {
                "/".to_owned()
            } else {
                path
            },
        })
    }
}

/// Undoes percent-encoding; a `%` that encodes nothing stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let encoded = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(encoded.unwrap_or(first));
        rest = if encoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a host is this machine, and so a server can be started on it.
pub(crate) fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The environment that makes a program use the same servers as these settings.
pub(crate) fn environment(settings: &Settings) -> Vec<(&'static str, String)> {
    let database = &settings.database;
    let mut variables = vec![
        ("DB_HOST", database.host.clone()),
        ("DB_PORT", database.port.to_string()),
        ("DB_USER", database.user.clone()),
        ("DB_NAME", database.name.clone()),
        ("RABBITMQ_URL", settings.rabbitmq.url.reveal().to_owned()),
    ];
    if let Some(password) = &database.password {
        variables.push(("DB_PASSWORD", password.reveal().to_owned()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part_of_the_url() {
        let broker = Broker::parse("amqp://us%40er:p%2fw@[::1]:5673/%2fshop").unwrap();
        assert_eq!((broker.host.as_str(), broker.port), ("::1", 5673));
        assert_eq!(
            (broker.user.as_str(), broker.password.as_str()),
            ("us@er", "p/w")
        );
        assert_eq!(broker.vhost, "/shop");
    }

    #[test]
    fn fills_in_what_the_url_leaves_out() {
        let broker = Broker::parse("amqp://rabbit.example").unwrap();
        assert_eq!(
            (broker.user.as_str(), broker.password.as_str()),
            ("guest", "guest")
        );
        assert_eq!((broker.port, broker.vhost.as_str()), (5672, "/"));
        assert!(Broker::parse("rabbit").is_err());
    }

    #[test]
    fn a_percent_sign_that_encodes_nothing_stays() {
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%41"), "%zzA");
    }

    #[test]
    fn only_loopback_is_local() {
        assert!(is_local("localhost") && is_local("127.0.0.1") && is_local("::1"));
        assert!(!is_local("db.example") && !is_local("10.0.0.1"));
    }
}
