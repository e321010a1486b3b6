//! Address of the database, and timeouts.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use tls_config::ClientTls;
use tokio_postgres::config::SslMode;

/// Settings of the database connections. `Debug` does not print the password.
#[derive(Clone)]
pub struct PgOptions {
    /// Host name or address, or several separated by commas, of which the first that accepts writes is used.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// Password of the role, if it needs one.
    pub password: Option<String>,
    /// Database name.
    pub database: String,
    /// TLS; if `None`, connections are not encrypted. Ignored for socket files.
    pub tls: Option<ClientTls>,
    /// Name shown in `pg_stat_activity`.
    pub application_name: String,
    /// Maximum connections of the pool.
    pub pool_size: usize,
    /// Time that a use case waits for a free connection.
    pub pool_timeout: Duration,
    /// The server cancels a statement that runs longer.
    pub statement_timeout: Duration,
    /// The server cancels a statement that waits longer for a lock.
    pub lock_timeout: Duration,
    /// Time that a use case waits for a commit before its outcome counts as unknown. The server has no limit for
    /// commits.
    pub commit_timeout: Duration,
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

/// Timeout of establishing a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The server ends a transaction that is idle for longer, so that a hung process does not hold locks.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_mins(1);

/// Interval at which the server checks, while it executes a statement, whether the client is still connected.
const CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Time within which an unreachable host is detected by both sides: by the sender when its data is not acknowledged, by
/// the receiver when three keepalive probes get no response.
pub(crate) const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
pub(crate) const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(3);
pub(crate) const KEEPALIVES_COUNT: u32 = 3;

/// Selects a setting that the server shows as a time with a variable unit, in milliseconds.
macro_rules! shown_ms {
    ($name:literal) => {
        concat!(
            "(extract(epoch FROM current_setting('",
            $name,
            "')::interval) * 1000)::bigint AS ",
            $name
        )
    };
}

impl PgOptions {
    /// The settings that every session must have, with their values as they are read back.
    ///
    /// Every statement of a use case should use an index. A plan prepared while tables are small or not analysed yet
    /// would use sequential scans and be kept while the tables grow, so these are disabled. As the plan does not depend
    /// on the values, it is made once per connection and not for each call; and no statement runs long enough for jit
    /// compilation to pay off.
    pub(crate) fn settings(&self) -> [(&'static str, String); 7] {
        let ms = |duration: Duration| duration.as_millis().to_string();
        [
            ("enable_seqscan", "off".to_owned()),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            ("jit", "off".to_owned()),
            ("statement_timeout", ms(self.statement_timeout)),
            ("lock_timeout", ms(self.lock_timeout)),
            (
                "idle_in_transaction_session_timeout",
                ms(IDLE_IN_TRANSACTION_TIMEOUT),
            ),
            (
                "client_connection_check_interval",
                ms(CLIENT_CHECK_INTERVAL),
            ),
        ]
    }

    /// SQL that applies the settings and reads them back, in one message. They are set in the session because a pooler
    /// drops those of the startup message.
    ///
    /// Commits are durable whatever the server's default is; a default stronger than `on` is kept.
    pub(crate) fn settings_sql(&self) -> String {
        const READ_BACK: &str = concat!(
            "SELECT pg_is_in_recovery() AS in_recovery, ",
            "current_setting('transaction_read_only') AS transaction_read_only, ",
            "current_setting('fsync') AS fsync, ",
            "current_setting('enable_seqscan') AS enable_seqscan, ",
            "current_setting('plan_cache_mode') AS plan_cache_mode, ",
            "current_setting('jit') AS jit, ",
            shown_ms!("statement_timeout"),
            ", ",
            shown_ms!("lock_timeout"),
            ", ",
            shown_ms!("idle_in_transaction_session_timeout"),
            ", ",
            shown_ms!("client_connection_check_interval"),
        );
        let mut sql = String::new();
        for (name, value) in self.settings() {
            // Writing to a String cannot fail.
            let _ = write!(sql, "SET {name} = {value}; ");
        }
        let _ = write!(
            sql,
            "SET tcp_user_timeout = {}; SET tcp_keepalives_idle = {}; \
             SET tcp_keepalives_interval = {}; SET tcp_keepalives_count = {KEEPALIVES_COUNT}; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'; {READ_BACK}",
            UNACKNOWLEDGED_TIMEOUT.as_millis(),
            KEEPALIVES_IDLE.as_secs(),
            KEEPALIVES_INTERVAL.as_secs(),
        );
        sql
    }

    /// Returns the configuration of the startup message.
    pub(crate) fn startup(&self, database: &str) -> tokio_postgres::Config {
        let mut config = self.login();
        config
            .dbname(database)
            .application_name(&self.application_name);
        config
    }

    /// Returns the login configuration without the settings of the store's own sessions, for tools that bypass the
    /// store. TLS is not the driver's task: [`open_stream`](crate::open_stream) begins it.
    #[must_use]
    pub fn login(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(&self.database)
            .ssl_mode(SslMode::Disable);
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
    fn debug_output_does_not_contain_the_password() {
        let options = PgOptions {
            host: "h".to_owned(),
            port: 1,
            user: "o'brien".to_owned(),
            password: Some(r"pa\ss' dbname=other".to_owned()),
            database: "d".to_owned(),
            tls: None,
            application_name: "test".to_owned(),
            pool_size: 1,
            pool_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            commit_timeout: Duration::from_secs(1),
        };
        let config = options.startup(&options.database);
        assert_eq!(config.get_user(), Some("o'brien"));
        assert_eq!(config.get_password(), Some(&br"pa\ss' dbname=other"[..]));
        assert_eq!(config.get_dbname(), Some("d"));
        assert!(!format!("{options:?}").contains("pa"));
    }
}
