//! One transaction on one pooled connection.

use std::mem;
use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::Pg;
use domain::identifiers::OrderId;
use domain::ports::{LockedBatch, StoreError, Topic, UnitOfWork};
use domain::settlement::SettledBatch;
use domain::timestamp::Timestamp;
use storage_sql::{Bind, Statement, UnreadableRows};

use crate::changes::ChangeLog;
use crate::checkout::Checkout;
use crate::store::PgStore;
use crate::topics::Topics;

/// Query for the store's clock.
pub(crate) const STORE_TIME: &str = "SELECT clock_timestamp() AS instant";

/// A write whose result no other statement of the transaction needs.
struct DeferredWrite {
    statement: Statement,
    /// Names the write in an error.
    what: &'static str,
    /// Number of rows that it must affect.
    expected: usize,
}

/// A running transaction. Dropping it at any point releases its locks immediately: see [`Checkout`].
pub(crate) struct PgUnitOfWork {
    store: PgStore,
    pub(crate) checkout: Checkout,
    /// Writes that are sent together.
    deferred: Vec<DeferredWrite>,
    /// Topics to notify with the commit.
    pub(crate) topics: Topics,
    /// The changes of this transaction, for the change log.
    pub(crate) changes: ChangeLog,
    /// Set when a statement failed or affected an unexpected number of rows. After a failed statement PostgreSQL
    /// responds to a COMMIT with a rollback and reports success.
    failed: bool,
    /// Whether lock waits are limited.
    has_limited_waits: bool,
}

/// Awaits a call of the checkout, and repeats it on another connection if it was the first one and the connection had ended
/// while it was in the pool.
macro_rules! repeat_if_stale {
    ($work:ident, $call:expr) => {{
        let mut outcome = $call.await;
        let mut spares = $work.store.spares();
        while outcome.is_err() && $work.replace_stale_connection(&mut spares).await? {
            outcome = $call.await;
        }
        $work.checked(outcome)
    }};
}

impl PgUnitOfWork {
    /// Creates a unit of work on a connection of the store whose next statement begins a transaction.
    pub(crate) fn new(store: PgStore, checkout: Checkout) -> Self {
        Self {
            store,
            checkout,
            deferred: Vec::new(),
            topics: Topics::default(),
            changes: ChangeLog::default(),
            failed: false,
            has_limited_waits: false,
        }
    }

    /// Returns the counter of unreadable rows.
    pub(crate) fn unreadable(&self) -> &UnreadableRows {
        self.store.unreadable()
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
        let statement = Statement::new(sql, binds);
        repeat_if_stale!(self, self.checkout.load(&statement))
    }

    /// Sends three statements that return rows together.
    pub(crate) async fn load_three<A, B, C>(
        &mut self,
        statements: [Statement; 3],
    ) -> Result<(Vec<A>, Vec<B>, Vec<C>), StoreError>
    where
        A: QueryableByName<Pg> + Send + 'static,
        B: QueryableByName<Pg> + Send + 'static,
        C: QueryableByName<Pg> + Send + 'static,
    {
        repeat_if_stale!(self, self.checkout.load_three(&statements))
    }

    /// Runs a statement that returns the number of affected rows.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<usize, StoreError> {
        let statement = Statement::new(sql, binds);
        repeat_if_stale!(self, self.checkout.execute(&statement))
    }

    /// Defers a write, which must affect `expected` rows, to the next [`flush`](Self::flush).
    pub(crate) fn defer(
        &mut self,
        what: &'static str,
        expected: usize,
        sql: &'static str,
        binds: Vec<Bind>,
    ) {
        self.deferred.push(DeferredWrite {
            statement: Statement::new(sql, binds),
            what,
            expected,
        });
    }

    /// Sends the deferred writes together, and checks how many rows each affected. They are not repeated on another connection:
    /// a use case locks rows before it writes.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let (statements, expectations): (Vec<_>, Vec<_>) = mem::take(&mut self.deferred)
            .into_iter()
            .map(|write| (write.statement, (write.what, write.expected)))
            .unzip();
        let executed = self.checkout.execute_all(&statements).await;
        let written = self.checked(executed)?;
        for (written, (what, expected)) in written.into_iter().zip(expectations) {
            self.expect_rows(what, written, expected)?;
        }
        Ok(())
    }

    /// After a failed first statement: replaces a connection that ended while it was in the pool. Returns whether the
    /// statement can be repeated on another one.
    async fn replace_stale_connection(&mut self, spares: &mut usize) -> Result<bool, StoreError> {
        if *spares == 0 || !self.checkout.can_begin_on_another() {
            return Ok(false);
        }
        *spares -= 1;
        // Its place in the pool may be the only one.
        self.checkout.close();
        let checkout = self.store.checkout_to_write().await;
        self.checkout = self.checked(checkout)?;
        Ok(true)
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
        self.write_changes(&changed);
        self.flush().await?;
        self.checkout.commit(self.topics.command()).await
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

    async fn try_lock_batch(&mut self, order_ids: &[OrderId]) -> Result<LockedBatch, StoreError> {
        self.lock_batch(order_ids).await
    }

    async fn save_batch(&mut self, batch: &SettledBatch) -> Result<(), StoreError> {
        if !batch.orders.is_empty() {
            self.defer_settled(&batch.orders);
        }
        if !batch.stock.is_empty() {
            self.defer_stock(&batch.stock)?;
        }
        self.flush().await
    }

    fn notify_on_commit(&mut self, topic: Topic) -> bool {
        self.topics.add(topic);
        true
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.end().await
    }
}
