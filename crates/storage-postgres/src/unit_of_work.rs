//! One transaction on one pooled connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use domain::ports::{StoreError, UnitOfWork};
use domain::timestamp::Timestamp;
use storage_sql::{Bind, UnreadableRows};

use crate::changes::ChangeLog;
use crate::checkout::Checkout;

/// Query for the store's clock.
pub(crate) const STORE_TIME: &str = "SELECT clock_timestamp() AS instant";

/// A running transaction. Dropping it at any point releases its locks immediately: see [`Checkout`].
pub(crate) struct PgUnitOfWork {
    pub(crate) checkout: Checkout,
    /// The changes of this transaction, for the change log.
    pub(crate) changes: ChangeLog,
    /// Set when a statement failed or affected an unexpected number of rows. After a failed statement PostgreSQL
    /// responds to a COMMIT with a rollback and reports success.
    failed: bool,
    /// Whether lock waits are limited.
    has_limited_waits: bool,
    /// Counts unreadable rows.
    pub(crate) unreadable: Arc<UnreadableRows>,
}

impl PgUnitOfWork {
    /// Creates a unit of work on a connection with a transaction that was just begun.
    pub(crate) fn begun(checkout: Checkout, unreadable: Arc<UnreadableRows>) -> Self {
        Self {
            checkout,
            changes: ChangeLog::default(),
            failed: false,
            has_limited_waits: false,
            unreadable,
        }
    }

    /// Runs a statement that returns rows.
    pub(crate) async fn load<R>(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Pg> + Send + 'static,
    {
        let loaded = self.checkout.load(sql, binds).await;
        self.checked(loaded)
    }

    /// Runs a statement that returns the number of affected rows.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<usize, StoreError> {
        let executed = self.checkout.execute(sql, binds).await;
        self.checked(executed)
    }

    fn checked<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.failed |= result.is_err();
        match result {
            Err(StoreError::Unavailable(reason))
                if self.has_limited_waits && self.checkout.lock_timed_out() =>
            {
                Err(StoreError::Conflict(reason))
            }
            result => result,
        }
    }

    /// Writes the change log and commits.
    pub(crate) async fn end(mut self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Failed(
                "a unit of work cannot be committed after a failed call".into(),
            ));
        }
        let changed = self.changes.take();
        self.write_changes(&changed).await?;
        self.checkout.commit().await
    }

    /// Checks how many rows a statement affected. Another number means that the rows were not as the use case had
    /// locked them, so the unit of work must not be committed.
    pub(crate) fn expect_rows(
        &mut self,
        what: &'static str,
        written: usize,
        expected: usize,
    ) -> Result<(), StoreError> {
        if written == expected {
            return Ok(());
        }
        self.failed = true;
        Err(StoreError::Failed(
            format!("{what}: {written} rows written, {expected} expected").into(),
        ))
    }
}

#[async_trait]
impl UnitOfWork for PgUnitOfWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        storage_sql::instant(self.load(STORE_TIME, Vec::new()).await?)
    }

    async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError> {
        // 0 would disable the limit.
        let longest = format!("{}ms", longest.as_millis().max(1));
        self.execute(
            "SELECT set_config('lock_timeout', $1, true)",
            vec![longest.as_str().into()],
        )
        .await?;
        self.has_limited_waits = true;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.end().await
    }
}
