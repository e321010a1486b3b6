//! Where the database is, and how long to wait for it.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use tokio_postgres::config::SslMode;

/// How to reach the database. `Debug` does not show the password.
#[derive(Clone)]
pub struct PgOptions {
    /// Host name or address, or several with commas between, of which the first that takes writes is used.
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
    pub pool_timeout: Duration,
    /// The server ends a statement that takes longer.
    pub statement_timeout: Duration,
    /// The server ends a statement that waits longer for a lock.
    pub lock_timeout: Duration,
    /// How long a use case waits for a commit before its outcome counts as unknown. The server has no limit for it.
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

/// Longest time to establish a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that its process left idle for longer is ended by the server, so that a hung process holds no locks.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_mins(1);

/// How often the server looks, while it works for a client, whether the client is still there.
const CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// A host that is gone without a word is noticed within this, by both sides: by the one that has sent something when it
/// is not acknowledged, by the other one when three probes are not answered.
pub(crate) const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
pub(crate) const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(3);
pub(crate) const KEEPALIVES_COUNT: u32 = 3;

/// A setting of which the server shows a time with a unit of its choice, read in milliseconds.
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
    /// The settings without which no session is used, each as it is read back.
    ///
    /// Every statement of a use case is meant to run along an index. Prepared while tables are small or not analysed yet,
    /// its plan would read them from end to end and be kept while they grow; so that is taken off the table. As the
    /// plan does not depend on the values either, it is made once a connection and not for each call; and no statement
    /// runs for so long that compiling it (jit) could pay.
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

    /// What puts the settings in force and reads them back, in one message. They are set in the session because a pooler
    /// drops those of the startup message.
    ///
    /// What is committed is durable whatever the server's default is; a stronger default than `on` is left alone.
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

    /// What the startup message of a session says.
    pub(crate) fn startup(&self, database: &str) -> tokio_postgres::Config {
        let mut config = self.login();
        config
            .dbname(database)
            .application_name(&self.application_name)
            .ssl_mode(SslMode::Disable);
        config
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
    fn the_password_is_not_shown() {
        let options = PgOptions {
            host: "h".to_owned(),
            port: 1,
            user: "o'brien".to_owned(),
            password: Some(r"pa\ss' dbname=other".to_owned()),
            database: "d".to_owned(),
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
