//! One transaction on the writing connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::connection::SimpleConnection as _;
use diesel::sqlite::Sqlite;
use diesel::{QueryableByName, SqliteConnection};
use domain::ports::{Changed, StoreError, UnitOfWork};
use domain::timestamp::Timestamp;
use storage_sql::{Bind, UnreadableRows};
use tokio::sync::OwnedMutexGuard;

use crate::error::{refused, store_error};
use crate::order_numbers::OrderNumbers;
use crate::store::Shared;
use crate::{changes, statement};

/// Whether a commit waits until the transaction is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Full,
    /// The transaction is written to the log and reaches the disk with the next one that waits. A crash of the process keeps
    /// it; a crash of the machine before that may undo it.
    Relaxed,
}

impl Durability {
    /// Begins a transaction that takes the write lock immediately: a transaction that reads first could fail to upgrade
    /// because another one has written meanwhile.
    fn begin(self) -> &'static str {
        match self {
            Self::Full => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Self::Relaxed => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        }
    }
}

/// A running transaction. Dropping it at any point rolls it back before the next one begins: the rollback is posted
/// before the write lock is released, and the thread keeps the order.
pub(crate) struct SqliteUnitOfWork {
    shared: Arc<Shared>,
    /// The changes of this transaction, for the change log.
    pub(crate) changed: Changed,
    /// Set when a call failed or its future was dropped: its partial changes must not be committed.
    failed: bool,
    ended: bool,
    _write_guard: OwnedMutexGuard<()>,
}

impl SqliteUnitOfWork {
    /// Begins a transaction.
    pub(crate) async fn begin(
        shared: Arc<Shared>,
        write_guard: OwnedMutexGuard<()>,
        durability: Durability,
    ) -> Result<Self, StoreError> {
        // Created before the transaction begins, so that a `begin` whose future is dropped is rolled back as well.
        let mut work = Self {
            shared,
            changed: Changed::default(),
            failed: false,
            ended: false,
            _write_guard: write_guard,
        };
        work.call(move |connection, _| command(connection, durability.begin()))
            .await?;
        Ok(work)
    }

    /// Returns the sequence of order ids.
    pub(crate) fn order_numbers(&self) -> OrderNumbers {
        self.shared.order_numbers.clone()
    }

    /// Returns the counter of unreadable rows.
    pub(crate) fn unreadable(&self) -> Arc<UnreadableRows> {
        Arc::clone(&self.shared.unreadable)
    }

    /// Reads the store's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Runs one repository call on the connection. `now` reads the store's clock at each call.
    pub(crate) async fn call<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut SqliteConnection, &dyn Fn() -> Timestamp) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(refused("a unit of work cannot be used after a failed call"));
        }
        self.failed = true;
        let clock = Arc::clone(&self.shared.clock);
        let writer = self.shared.writer()?;
        let result = writer
            .run(move |connection| job(connection, &|| clock.now()))
            .await;
        self.failed = result.is_err();
        result
    }

    /// Runs one statement that returns rows.
    pub(crate) async fn load<R>(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: QueryableByName<Sqlite> + Send + 'static,
    {
        self.call(move |connection, _| statement::load(connection, sql, binds))
            .await
    }

    /// Runs one statement that returns the number of affected rows.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        binds: Vec<Bind>,
    ) -> Result<u64, StoreError> {
        self.call(move |connection, _| statement::execute(connection, sql, binds))
            .await
            .map(|rows| rows as u64)
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
                // Fails if no transaction was begun or SQLite has already rolled back: nothing is left to undo then.
                let _ = connection.batch_execute("ROLLBACK");
            });
        }
    }
}

#[async_trait]
impl UnitOfWork for SqliteUnitOfWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(self.now())
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

#[cfg(test)]
mod tests {
    use clock_tokio::SystemClock;
    use domain::ports::Store as _;
    use storage_sql::NumberRow;

    use super::*;
    use crate::options::SqliteOptions;
    use crate::store::SqliteStore;

    /// Returns SQLite's level `synchronous`: 2 if commits wait for the disk, 1 if only checkpoints do.
    async fn synchronous(work: &mut SqliteUnitOfWork) -> i64 {
        const SQL: &str = "SELECT synchronous AS number FROM pragma_synchronous";
        let found: Vec<NumberRow> = work.load(SQL, Vec::new()).await.unwrap();
        found[0].number
    }

    #[tokio::test]
    async fn only_commits_of_relaxed_units_of_work_do_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("store.db"));
        let store = SqliteStore::open(&options, Arc::new(SystemClock)).unwrap();
        for (durability, level) in [
            (Durability::Full, 2),
            (Durability::Relaxed, 1),
            (Durability::Full, 2),
        ] {
            let mut work = store.begin_work(durability).await.unwrap();
            assert_eq!(synchronous(&mut work).await, level);
            Box::new(work).commit().await.unwrap();
        }
        drop(store.begin_relaxed().await.unwrap());
        let mut work = store.begin_work(Durability::Full).await.unwrap();
        assert_eq!(synchronous(&mut work).await, 2);
    }
}
