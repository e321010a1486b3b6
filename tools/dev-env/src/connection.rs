//! Connection options of the servers in the settings.

use anyhow::{Context as _, Result};
use settings::{DatabaseSettings, ExposeSecret as _, RabbitmqSettings, Settings};
use storage_postgres::PgOptions;
use tls_config::ClientTls;
use tokio_postgres::{Client, NoTls};

/// Returns the connection options of the database.
#[must_use]
pub fn pg_options(database: &DatabaseSettings) -> PgOptions {
    wiring::postgres(database, "order-aggregator-dev-env")
}

/// Opens a connection to the database, outside a pool. Requires a tokio runtime.
pub async fn connect(options: &PgOptions) -> Result<Client> {
    let stream = storage_postgres::open_stream(options)
        .await
        .context("cannot reach PostgreSQL")?;
    let connected = options.login().connect_raw(stream, NoTls).await;
    let (client, connection) = connected.context("cannot log in to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

/// Decoded parts of the broker's URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password of the user.
    pub password: String,
    /// Virtual host.
    pub vhost: String,
    /// TLS; if `None`, the connection is not encrypted.
    pub tls: Option<ClientTls>,
}

impl Broker {
    /// Decodes the URL of the settings.
    pub fn of(rabbitmq: &RabbitmqSettings) -> Result<Self> {
        let options = wiring::rabbitmq(rabbitmq, "order-aggregator-dev-env")?;
        Ok(Self {
            host: options.host,
            port: options.port,
            user: options.user,
            password: options.password,
            vhost: options.vhost,
            tls: options.tls,
        })
    }
}

/// Returns whether a host is this machine, so that a server can be started on it.
#[must_use]
pub fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Returns the environment variables with which a program uses the servers of these settings.
#[must_use]
pub fn environment(settings: &Settings) -> Vec<(&'static str, String)> {
    let database = &settings.database;
    let mut variables = vec![
        ("DB_HOST", database.host.clone()),
        ("DB_PORT", database.port.to_string()),
        ("DB_USER", database.user.clone()),
        ("DB_NAME", database.name.clone()),
        (
            "RABBITMQ_URL",
            settings.rabbitmq.url.expose_secret().to_owned(),
        ),
    ];
    if let Some(password) = &database.password {
        variables.push(("DB_PASSWORD", password.expose_secret().to_owned()));
    }
    variables.push((
        "AGGREGATOR__DATABASE__SSLMODE",
        database.sslmode.to_string(),
    ));
    let tls = &settings.rabbitmq.tls;
    for (variable, file) in [
        ("AGGREGATOR__DATABASE__SSLROOTCERT", &database.sslrootcert),
        ("AGGREGATOR__DATABASE__SSLCERT", &database.sslcert),
        ("AGGREGATOR__DATABASE__SSLKEY", &database.sslkey),
        (
            "AGGREGATOR__RABBITMQ__TLS__ROOT_CERTIFICATES",
            &tls.root_certificates,
        ),
        ("AGGREGATOR__RABBITMQ__TLS__CERTIFICATE", &tls.certificate),
        ("AGGREGATOR__RABBITMQ__TLS__KEY", &tls.key),
    ] {
        variables.extend(
            file.as_ref()
                .map(|file| (variable, file.display().to_string())),
        );
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        assert!(is_local("localhost") && is_local("127.0.0.1") && is_local("::1"));
        assert!(!is_local("db.example") && !is_local("10.0.0.1"));
    }
}
