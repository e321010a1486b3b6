//! One runner at a time, by an advisory lock of the session.
//!
//! The lock lives and dies with a connection of its own: a process that is killed loses it as soon as the server sees the
//! connection go.

use std::time::Duration;

use async_trait::async_trait;
use diesel_async::AsyncPgConnection;
use domain::ports::{Lease, Leases, StoreError};

use crate::error::store_error;
use crate::options::PgOptions;
use crate::rows::FlagRow;
use crate::statement::{self, Bind};
use crate::store::connect;

/// A server that does not answer within this may have given the lock to somebody else.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

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
    connection: AsyncPgConnection,
}

#[async_trait]
impl Leases for PgLeases {
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        // The name's own lock, in this database alone: advisory locks are kept by database.
        const SQL: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS flag";
        let mut connection = connect(self.options.connection_string(&self.options.database))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let taken: Vec<FlagRow> =
            statement::load(&mut connection, SQL, vec![Bind::Text(name.to_owned())])
                .await
                .map_err(store_error)?;
        let taken = taken.first().is_some_and(|row| row.flag);
        Ok(taken.then(|| Box::new(PgLease { connection }) as Box<dyn Lease>))
    }
}

#[async_trait]
impl Lease for PgLease {
    async fn is_held(&mut self) -> bool {
        // The lock cannot go without the connection, so an answer on it proves the lock.
        let ping =
            statement::load::<FlagRow>(&mut self.connection, "SELECT true AS flag", Vec::new());
        let answered = tokio::time::timeout(PING_TIMEOUT, ping).await;
        matches!(answered, Ok(Ok(_)))
    }
}
