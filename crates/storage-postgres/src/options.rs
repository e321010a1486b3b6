//! Where the database is, and how long to wait for it.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

/// How to reach the database. `Debug` does not show the password.
#[derive(Clone)]
pub struct PgOptions {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// Its password, if it needs one.
    pub password: Option<String>,
    /// Database name.
    pub database: String,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Most connections of this process's pool.
    pub pool_size: usize,
    /// How long a use case waits for a free connection before it gives up.
    pub pool_wait: Duration,
    /// The server ends a statement that takes longer.
    pub statement_timeout: Duration,
    /// The server ends a statement that waits longer for a lock.
    pub lock_timeout: Duration,
}

impl fmt::Debug for PgOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{}:{}/{}",
            self.user, self.host, self.port, self.database
        )
    }
}

/// Longest time to establish a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that its process left idle for longer is ended by the server, so that a hung process holds no locks.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_mins(1);

/// How often the server looks, while it works for a client, whether the client is still there.
const CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// A host that is gone without a word is noticed within this, by both sides: by the one that has sent something when it
/// is not acknowledged, by the other one when three probes are not answered.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVES_IDLE_S: u32 = 10;
const KEEPALIVES_INTERVAL_S: u32 = 3;
const KEEPALIVES_COUNT: u32 = 3;

impl PgOptions {
    /// The connection string in the key/value form of the PostgreSQL documentation, section 34.1.1.1.
    ///
    /// Every statement of a use case is meant to run along an index. Prepared while tables are small or not analysed yet,
    /// its plan would read them from end to end and be kept while they grow; so that is taken off the table. As the
    /// plan does not depend on the values either, it is made once a connection and not for each call; and no statement
    /// runs for so long that compiling it (jit) could pay.
    pub(crate) fn connection_string(&self, database: &str) -> String {
        let settings = format!(
            "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
             -c client_connection_check_interval={} -c tcp_user_timeout={} \
             -c tcp_keepalives_idle={KEEPALIVES_IDLE_S} \
             -c tcp_keepalives_interval={KEEPALIVES_INTERVAL_S} \
             -c tcp_keepalives_count={KEEPALIVES_COUNT}",
            self.statement_timeout.as_millis(),
            self.lock_timeout.as_millis(),
            IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
            CLIENT_CHECK_INTERVAL.as_millis(),
            UNACKNOWLEDGED_TIMEOUT.as_millis(),
        );
        let keepalives_idle = KEEPALIVES_IDLE_S.to_string();
        let keepalives_interval = KEEPALIVES_INTERVAL_S.to_string();
        let keepalives_count = KEEPALIVES_COUNT.to_string();
        let unacknowledged_s = UNACKNOWLEDGED_TIMEOUT.as_secs().to_string();
        let port = self.port.to_string();
        let connect_timeout = CONNECT_TIMEOUT.as_secs().to_string();
        let mut pairs = vec![
            ("host", self.host.as_str()),
            ("port", &port),
            ("user", &self.user),
            ("dbname", database),
            ("application_name", &self.application_name),
            ("connect_timeout", &connect_timeout),
            ("keepalives_idle", &keepalives_idle),
            ("keepalives_interval", &keepalives_interval),
            ("keepalives_retries", &keepalives_count),
            ("tcp_user_timeout", &unacknowledged_s),
            ("options", &settings),
        ];
        if let Some(password) = &self.password {
            pairs.push(("password", password));
        }
        let mut text = String::new();
        for (key, value) in pairs {
            let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
            // Writing to a String cannot fail.
            let _ = write!(text, "{key}='{escaped}' ");
        }
        text
    }

    /// How to log in, with nothing that the store's own sessions are told: for tools that look past it.
    #[must_use]
    pub fn login(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(&self.database);
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_characters_are_escaped_and_the_password_is_not_shown() {
        let options = PgOptions {
            host: "h".to_owned(),
            port: 1,
            user: "o'brien".to_owned(),
            password: Some(r"pa\ss' dbname=other".to_owned()),
            database: "d".to_owned(),
            application_name: "test".to_owned(),
            pool_size: 1,
            pool_wait: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
        };
        let config: tokio_postgres::Config = options
            .connection_string(&options.database)
            .parse()
            .unwrap();
        assert_eq!(config.get_user(), Some("o'brien"));
        assert_eq!(config.get_password(), Some(&br"pa\ss' dbname=other"[..]));
        assert_eq!(config.get_dbname(), Some("d"));
        assert!(!format!("{options:?}").contains("pa"));
    }
}
