//! The transactional store and its unit of work.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use super::{
    ChangeRepository, DeadLetterRepository, OrderRepository, OutboxRepository, PauseRepository,
    StockRepository, SyncRepository, VendorRenameRepository, VendorSetRepository,
};
use crate::timestamp::Timestamp;

/// Why a call to the store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be reached, or has no connection free within the time allowed. Worth a retry, later.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A commit was sent and no outcome came back in time: it may have happened, or may still happen. A use case that bears
    /// being repeated can be retried later; anything else must report that the outcome is unknown.
    #[error("the outcome of a commit is not known: {0}")]
    CommitUnknown(String),
    /// Another transaction was in the way (a deadlock, a serialization failure). Worth a retry of the whole use case, at
    /// once.
    #[error("the store gave up on a conflict with another transaction: {0}")]
    Conflict(String),
    /// A row holds what no version of this program writes. A retry will find it again.
    #[error("table {table}, row {row}: the value of {column} cannot be read")]
    Corrupt {
        /// In which table.
        table: &'static str,
        /// In which column.
        column: &'static str,
        /// The row's key.
        row: String,
    },
    /// Anything else. A retry will fail again.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same use case may succeed later with no other change. After [`CommitUnknown`](Self::CommitUnknown) it may
    /// find that it was done already.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::CommitUnknown(_) | Self::Conflict(_)
        )
    }

    /// Whether the use case may have been done although it failed.
    #[must_use]
    pub fn is_commit_unknown(&self) -> bool {
        matches!(self, Self::CommitUnknown(_))
    }

    /// Whether the whole use case is worth repeating at once.
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
    /// MUST wait for a free connection only for a bounded time, and answer [`StoreError::Unavailable`] beyond it.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// One transaction: the repositories see its writes, nobody else does before [`commit`](Self::commit).
///
/// Dropping it without commit, in whatever state and also in the middle of a call, MUST undo everything and release
/// its locks at once. After a failed call it can only be dropped.
///
/// One that changes orders or stock, through any of the repositories, MUST leave what it changed in the change log with its
/// commit, as one entry unless it is too much for one (see [`Changed`](super::Changed)).
///
/// # Lock order
///
/// Every use case locks in this order and no other, so that no deadlock is possible: the records of vendor sets, then
/// vendors' sync rows by id, then orders by id, then stock by product id, then vendor stock by (product id, vendor id). The methods of the repositories that lock
/// several rows MUST take them in that order themselves, whatever the order of their arguments.
#[async_trait]
pub trait UnitOfWork:
    OrderRepository
    + StockRepository
    + OutboxRepository
    + SyncRepository
    + PauseRepository
    + VendorSetRepository
    + VendorRenameRepository
    + ChangeRepository
    + DeadLetterRepository
    + Send
{
    /// The store's own clock, now: the one clock by which shipments and reports are compared. MUST NOT be the
    /// transaction's start.
    async fn store_time(&mut self) -> Result<Timestamp, StoreError>;

    /// Bounds each wait for a lock from now on. A call that would wait longer MUST fail with [`StoreError::Conflict`].
    /// A store that has one transaction at a time waits only in [`begin`](Store::begin).
    async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError>;

    /// Makes everything durable and visible, then releases the locks.
    ///
    /// MUST return [`StoreError::CommitUnknown`] after a bounded wait if the store does not report the outcome, or reports
    /// that the transaction is not as durable as it was asked to be; every other error means that nothing was written.
    /// MUST NOT cancel a commit that was sent. A caller that repeats the use case after `CommitUnknown` must bear that it
    /// happened.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
