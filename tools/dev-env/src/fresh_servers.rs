//! A dedicated database and virtual host on the servers of the settings.

use anyhow::{Context, Result};
use queue_rabbitmq::test_vhost::TestVhost;
use settings::{ExposeSecret as _, Settings};
use storage_postgres::PgOptions;
use storage_postgres::test_database::TestDatabase;

use crate::connection::{self, Broker};
use crate::services;

/// A migrated database and a virtual host. Both are removed on drop.
pub struct FreshServers {
    database: TestDatabase,
    vhost: TestVhost,
    broker_url: String,
    settings: Settings,
}

impl FreshServers {
    /// Creates an empty database and virtual host.
    pub async fn create(settings: &Settings) -> Result<Self> {
        let node = services::own_node_name(settings)?;
        let user = Broker::of(&settings.rabbitmq)?.user;
        let vhost = TestVhost::create_on(node, &user).context("cannot create a virtual host")?;
        let database = TestDatabase::create_on(connection::pg_options(&settings.database)).await?;
        Ok(Self {
            broker_url: with_vhost(settings.rabbitmq.url.expose_secret(), vhost.name()),
            database,
            vhost,
            settings: settings.clone(),
        })
    }

    /// Returns the connection options of the database.
    #[must_use]
    pub fn options(&self) -> &PgOptions {
        self.database.options()
    }

    /// Returns the virtual host.
    #[must_use]
    pub fn vhost(&self) -> &TestVhost {
        &self.vhost
    }

    /// Returns the environment variables with which this project's programs use these servers.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let name = &self.database.options().database;
        connection::environment(&self.settings)
            .into_iter()
            .map(|(variable, value)| match variable {
                "DB_NAME" => (variable, name.clone()),
                "RABBITMQ_URL" => (variable, self.broker_url.clone()),
                _ => (variable, value),
            })
            .collect()
    }
}

/// Returns the broker's URL with another virtual host.
fn with_vhost(url: &str, vhost: &str) -> String {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..]
        .find('/')
        .map_or(url.len(), |at| after_scheme + at);
    format!("{}/{vhost}", &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_virtual_host_of_the_url_changes() {
        for (url, expected) in [
            ("amqp://u:p%2F@h:1", "amqp://u:p%2F@h:1/v"),
            ("amqp://u:p@h/", "amqp://u:p@h/v"),
            ("amqp://h/other", "amqp://h/v"),
        ] {
            assert_eq!(with_vhost(url, "v"), expected);
        }
    }
}
