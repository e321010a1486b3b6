//! The transactional store and its unit of work.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use super::{
    ChangeRepository, DeadLetterRepository, LockedStock, OperatorPauseRepository, OrderRepository,
    OutboxRepository, PauseRepository, QuarantineRepository, RunRepository, StockRepository,
    SyncRepository, Topic, VendorRenameRepository, VendorSetRepository,
};
use crate::identifiers::OrderId;
use crate::settlement::{PendingOrder, SettledBatch, products_of};
use crate::timestamp::Timestamp;

/// Why a call to the store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store cannot be reached, or no connection became free in time. A later retry may succeed.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A commit was sent and its outcome was not received in time: it may have been applied, or may still be. An idempotent
    /// use case can be retried later; any other must report that the outcome is unknown.
    #[error("the outcome of a commit is unknown: {0}")]
    CommitUnknown(String),
    /// A conflict with another transaction (a deadlock, a serialization failure, a lock timeout). Retry the whole use case
    /// immediately.
    #[error("conflict with another transaction: {0}")]
    Conflict(String),
    /// A row contains a value that no version of this program writes. A retry fails again.
    #[error("table {table}, row {row}: the value of {column} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The key of the row.
        row: String,
    },
    /// Any other failure. A retry fails again.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same use case may succeed later without any other change. After [`CommitUnknown`](Self::CommitUnknown)
    /// the retry may find that the use case was already applied.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::CommitUnknown(_) | Self::Conflict(_)
        )
    }

    /// Whether the use case may have been applied although the call failed.
    #[must_use]
    pub fn is_commit_unknown(&self) -> bool {
        matches!(self, Self::CommitUnknown(_))
    }

    /// Whether the whole use case should be retried immediately.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

/// Begins units of work.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a transaction.
    ///
    /// MUST wait for a free connection for a bounded time only, and MUST return [`StoreError::Unavailable`] after that. MAY send the
    /// begin with the first statement: an error of the begin is then an error of that call.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// Like [`begin`](Self::begin), for a transaction that can be repeated: its commit need not wait for the disk. A crash of
    /// the machine may undo the transaction as a whole, and MUST NOT undo a transaction that [`begin`](Self::begin) began.
    async fn begin_relaxed(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.begin().await
    }
}

/// A batch that was locked for settlement without waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedBatch {
    /// The orders, by id.
    pub pending: Vec<PendingOrder>,
    /// The stock of their products. May contain other products, whose orders were left out.
    pub stock: LockedStock,
}

/// One transaction: the repositories see its writes, other transactions only after [`commit`](Self::commit).
///
/// Dropping it without commit, in any state and also during a call, MUST roll back and release its locks immediately. After
/// a failed call it can only be dropped.
///
/// A commit that changes orders or stock, through any of the repositories, MUST write the changed ids to the change log, as
/// one entry unless they exceed its size (see [`Changed`](super::Changed)).
///
/// # Lock order
///
/// Every use case locks in this order, or without waiting (`try_…`), so that no deadlock is possible: the records of vendor sets, then vendors' sync rows
/// by id, then orders by id, then stock by product id, then vendor stock by (product id, vendor id). Repository methods that
/// lock several rows MUST lock them in that order, independent of the order of their arguments.
#[async_trait]
pub trait UnitOfWork:
    OrderRepository
    + StockRepository
    + OutboxRepository
    + SyncRepository
    + PauseRepository
    + OperatorPauseRepository
    + QuarantineRepository
    + RunRepository
    + VendorSetRepository
    + VendorRenameRepository
    + ChangeRepository
    + DeadLetterRepository
    + Send
{
    /// Returns the store's own clock: the one clock by which shipments and reports are compared. MUST return the current
    /// time, not the start of the transaction.
    async fn store_time(&mut self) -> Result<Timestamp, StoreError>;

    /// Limits each following wait for a lock. A call that would wait longer MUST fail with [`StoreError::Conflict`]. A store
    /// that runs one transaction at a time waits only in [`begin`](Store::begin).
    async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError>;

    /// Locks a batch for settlement: those of the orders that [`try_lock_pending`](OrderRepository::try_lock_pending) returns,
    /// and the stock of their products as [`try_lock_stock`](StockRepository::try_lock_stock) does. An adapter of a remote store
    /// SHOULD lock a small batch in one round trip.
    async fn try_lock_batch(&mut self, order_ids: &[OrderId]) -> Result<LockedBatch, StoreError> {
        let pending = self.try_lock_pending(order_ids).await?;
        if pending.is_empty() {
            return Ok(LockedBatch::default());
        }
        let stock = self.try_lock_stock(&products_of(&pending)).await?;
        Ok(LockedBatch { pending, stock })
    }

    /// Writes a settled batch, as [`save_settled`](OrderRepository::save_settled) and
    /// [`save_stock`](StockRepository::save_stock) do. An adapter of a remote store SHOULD send all writes together.
    async fn save_batch(&mut self, batch: &SettledBatch) -> Result<(), StoreError> {
        if !batch.orders.is_empty() {
            self.save_settled(&batch.orders).await?;
        }
        if !batch.stock.is_empty() {
            self.save_stock(&batch.stock).await?;
        }
        Ok(())
    }

    /// Notifies the listeners of a topic after the commit, if the adapter can do that without delaying the commit. MUST return
    /// whether it will; if not, the caller notifies them after the commit. MUST notify no listener if the unit of work is
    /// dropped. A unit of work without a call has nothing to notify of.
    fn notify_on_commit(&mut self, _topic: Topic) -> bool {
        false
    }

    /// Makes all writes durable and visible, then releases the locks.
    ///
    /// MUST return [`StoreError::CommitUnknown`] after a bounded wait if the store does not report the outcome, or reports
    /// that the transaction is less durable than requested; every other error MUST mean that nothing was written. MUST NOT
    /// cancel a commit that was sent. A caller that repeats the use case after `CommitUnknown` must tolerate that the commit
    /// was applied.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
