//! One transaction on one pooled connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use domain::ports::{StoreError, UnitOfWork};
use domain::stored::UnreadableRows;
use domain::timestamp::Timestamp;

use crate::changes::ChangeLog;
use crate::checkout::Checkout;
use crate::rows::{MomentRow, from_pg};
use crate::statement::Bind;

/// A transaction that has begun. Its drop, at whatever moment, releases its locks at once: see [`Checkout`].
pub(crate) struct PgUnitOfWork {
    pub(crate) checkout: Checkout,
    /// What it has changed.
    pub(crate) changes: ChangeLog,
    /// Whether a statement failed, or wrote what it should not have. After a failure PostgreSQL answers a COMMIT with a
    /// rollback, and calls it a success.
    failed: bool,
    /// Whether waits for locks are limited.
    has_limited_waits: bool,
    /// Where rows are counted that cannot be read.
    pub(crate) unreadable: Arc<UnreadableRows>,
}

impl PgUnitOfWork {
    /// A unit of work on a connection on which a transaction has just begun.
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

    /// Runs a statement that answers with a number of rows.
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
                if self.has_limited_waits && self.checkout.has_waited_for_a_lock_in_vain() =>
            {
                Err(StoreError::Conflict(reason))
            }
            result => result,
        }
    }

    /// Commits.
    pub(crate) async fn end(mut self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Failed(
                "a unit of work cannot be committed after a call that failed".into(),
            ));
        }
        let changed = self.changes.take();
        self.write_changes(&changed).await?;
        self.checkout.commit().await
    }

    /// Checks how many rows a statement wrote. With another number the rows were not as the use case had locked them, and
    /// nothing of the unit of work can be committed.
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
        let rows: Vec<MomentRow> = self
            .load("SELECT clock_timestamp() AS moment", Vec::new())
            .await?;
        rows.first()
            .map(|row| from_pg(row.moment))
            .ok_or_else(|| StoreError::Failed("the server did not tell the time".into()))
    }

    async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError> {
        // 0 would mean no limit.
        let longest = format!("{}ms", longest.as_millis().max(1));
        self.execute(
            "SELECT set_config('lock_timeout', $1, true)",
            vec![Bind::Text(longest)],
        )
        .await?;
        self.has_limited_waits = true;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.end().await
    }
}
