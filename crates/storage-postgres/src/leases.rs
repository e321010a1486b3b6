//! One runner at a time, by an advisory lock of the session.
//!
//! The lock lives and dies with a connection of its own: a process that is killed loses it as soon as the server sees the
//! connection go.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Lease, Leases, StoreError};

use crate::options::PgOptions;
use crate::rows::FlagRow;
use crate::session::{PgSession, connect};
use crate::statement::Bind;

/// A server that does not answer within this may have given the lock to somebody else.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A standby grants advisory locks as well, of its own, so a lease counts only on a server that takes writes.
macro_rules! takes_writes {
    () => {
        "NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'"
    };
}

/// Hands out leases in one database.
#[derive(Debug, Clone)]
pub struct PgLeases {
    options: PgOptions,
}

impl PgLeases {
    /// Leases in the database of these options; connects for each.
    #[must_use]
    pub fn new(options: PgOptions) -> Self {
        Self { options }
    }
}

struct PgLease {
    session: PgSession,
}

#[async_trait]
impl Leases for PgLeases {
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        // The name's own lock, in this database alone: advisory locks are kept by database.
        const SQL: &str = concat!(
            "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AND ",
            takes_writes!(),
            " AS flag"
        );
        let mut session = connect(&self.options, &self.options.database).await?;
        let taken: Vec<FlagRow> = session.load(SQL, vec![Bind::Text(name.to_owned())]).await?;
        let taken = taken.first().is_some_and(|row| row.flag);
        Ok(taken.then(|| Box::new(PgLease { session }) as Box<dyn Lease>))
    }
}

#[async_trait]
impl Lease for PgLease {
    async fn is_held(&mut self) -> bool {
        // The lock cannot go without the connection, so a response on it proves the lock.
        const SQL: &str = concat!("SELECT ", takes_writes!(), " AS flag");
        let ping = self.session.load::<FlagRow>(SQL, Vec::new());
        let answered = tokio::time::timeout(PING_TIMEOUT, ping).await;
        matches!(answered, Ok(Ok(rows)) if rows.first().is_some_and(|row| row.flag))
    }
}
