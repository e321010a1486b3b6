//! Leases by session-level advisory locks.
//!
//! Each lease has its own connection: a process that is killed loses the lock as soon as the server detects that the
//! connection is closed.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Lease, Leases, StoreError};
use storage_sql::{FlagRow, flag};

use crate::options::PgOptions;
use crate::session::{PgSession, accepts_writes, connect};

/// A server that does not respond within this time may have granted the lock to another process.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Grants leases in one database.
#[derive(Debug, Clone)]
pub struct PgLeases {
    options: PgOptions,
}

impl PgLeases {
    /// Creates leases in the database of these options; each lease opens a connection.
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
        // Advisory locks are per database, so equal names in other databases do not conflict. A standby grants its own.
        const SQL: &str = concat!(
            "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AND ",
            accepts_writes!(),
            " AS flag"
        );
        let mut session = connect(&self.options, &self.options.database).await?;
        let taken: Vec<FlagRow> = session.load(SQL, vec![name.into()]).await?;
        Ok(flag(&taken).then(|| Box::new(PgLease { session }) as Box<dyn Lease>))
    }
}

#[async_trait]
impl Lease for PgLease {
    async fn is_held(&mut self) -> bool {
        // The lock is held as long as the connection is open, so a response proves that the lock is held.
        let ping = tokio::time::timeout(PING_TIMEOUT, self.session.accepts_writes());
        matches!(ping.await, Ok(Ok(true)))
    }
}
