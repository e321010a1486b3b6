//! One transaction: a copy of the tables, and the lock for committing it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Changed, StoreError, UnitOfWork};
use domain::timestamp::Timestamp;
use tokio::sync::OwnedMutexGuard;

use crate::store::Shared;
use crate::tables::{Tables, refused};

/// A running transaction. Dropping it discards its changes and lets the next one begin.
pub(crate) struct MemoryUnitOfWork {
    shared: Arc<Shared>,
    /// Shares the committed tables until the first write copies them.
    tables: Arc<Tables>,
    /// Changes of this transaction, for the change log.
    pub(crate) changed: Changed,
    /// Set when a call failed: its partial changes must not be committed.
    failed: bool,
    _write_guard: OwnedMutexGuard<()>,
}

impl MemoryUnitOfWork {
    pub(crate) fn new(shared: Arc<Shared>, write_guard: OwnedMutexGuard<()>) -> Self {
        Self {
            tables: shared.committed(),
            shared,
            changed: Changed::default(),
            failed: false,
            _write_guard: write_guard,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn next_number(&self) -> i64 {
        self.shared.next_number()
    }

    /// Returns the tables of this transaction.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Changes the tables. An error prevents the commit, so that changes are committed completely or not at all.
    pub(crate) fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let written = change(Arc::make_mut(&mut self.tables));
        self.failed |= written.is_err();
        written
    }
}

#[async_trait]
impl UnitOfWork for MemoryUnitOfWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(self.now())
    }

    async fn limit_lock_waits(&mut self, _longest: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.failed {
            return Err(refused("a call of this unit of work failed"));
        }
        self.write_changes()?;
        self.shared.replace(Arc::clone(&self.tables));
        Ok(())
    }
}
