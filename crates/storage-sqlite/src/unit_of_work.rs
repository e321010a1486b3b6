//! One transaction on the connection that writes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use domain::ports::{Changed, StoreError, UnitOfWork};
use domain::stored::UnreadableRows;
use domain::timestamp::Timestamp;
use tokio::sync::OwnedMutexGuard;

use crate::changes;
use crate::error::{refused, store_error};
use crate::order_numbers::OrderNumbers;
use crate::store::Shared;

/// A transaction that has begun. Its drop, at whatever moment, undoes it before the next one begins: what undoes it is
/// posted before the turn is given on, and the thread keeps the order.
pub(crate) struct SqliteUnitOfWork {
    shared: Arc<Shared>,
    /// What it has changed, for the log.
    pub(crate) changed: Changed,
    /// Whether a call failed, or was given up half way: what it left must not be committed.
    failed: bool,
    ended: bool,
    _turn: OwnedMutexGuard<()>,
}

impl SqliteUnitOfWork {
    /// Begins a transaction that may write from the start: one that first reads and then wants to write could find that
    /// another one has written meanwhile.
    pub(crate) async fn begin(
        shared: Arc<Shared>,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Self, StoreError> {
        // Before the transaction begins, so that a begin that is given up is undone as well.
        let mut work = Self {
            shared,
            changed: Changed::default(),
            failed: false,
            ended: false,
            _turn: turn,
        };
        work.call(|connection, _| command(connection, "BEGIN IMMEDIATE"))
            .await?;
        Ok(work)
    }

    /// Where the numbers of new orders come from.
    pub(crate) fn order_numbers(&self) -> OrderNumbers {
        self.shared.order_numbers.clone()
    }

    /// Where rows are counted that cannot be read.
    pub(crate) fn unreadable(&self) -> Arc<UnreadableRows> {
        Arc::clone(&self.shared.unreadable)
    }

    /// Runs one call of a repository on the connection. `now` tells the store's time at that moment, another one at each
    /// reading.
    pub(crate) async fn call<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut SqliteConnection, &dyn Fn() -> Timestamp) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(refused(
                "a unit of work cannot be used after a call that failed",
            ));
        }
        self.failed = true;
        let clock = Arc::clone(&self.shared.clock);
        let writer = self.shared.writer()?;
        let answer = writer
            .run(move |connection| job(connection, &|| clock.now()))
            .await;
        self.failed = answer.is_err();
        answer
    }
}

fn command(connection: &mut SqliteConnection, sql: &str) -> Result<(), StoreError> {
    connection.batch_execute(sql).map_err(store_error)
}

impl Drop for SqliteUnitOfWork {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(writer) = &self.shared.writer {
            writer.post(|connection| {
                // It fails if nothing had begun, or SQLite has rolled back by itself: then nothing is left to undo.
                let _ = connection.batch_execute("ROLLBACK");
            });
        }
    }
}

#[async_trait]
impl UnitOfWork for SqliteUnitOfWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(self.shared.clock.now())
    }

    async fn limit_lock_waits(&mut self, _longest: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let changed = std::mem::take(&mut self.changed);
        self.call(|connection, now| {
            if !changed.is_empty() {
                changes::write(connection, changed, now())?;
            }
            command(connection, "COMMIT")
        })
        .await?;
        self.ended = true;
        Ok(())
    }
}
