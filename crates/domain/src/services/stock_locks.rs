//! Locks the stock of products, in transactions that may be retried.

use std::time::Duration;

use crate::identifiers::ProductId;
use crate::ports::{LockedStock, StoreError, UnitOfWork};

/// Maximum wait for one lock: rows that the transaction has already locked block settlement meanwhile.
pub(super) const MAX_LOCK_WAIT: Duration = Duration::from_secs(1);

/// Maximum number of products that one transaction locks.
pub(super) const MAX_CHUNK: usize = 1_024;

/// The treatment of products whose rows another transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    /// Wait for them, within the limit of the transaction.
    Wait,
    /// Leave them out.
    Skip,
}

impl Locking {
    /// Returns the mode of the next attempt, and lets all later ones skip held products: a chunk waits once.
    pub(super) fn next(&mut self) -> Self {
        std::mem::replace(self, Self::Skip)
    }

    /// Locks the stock of these products.
    pub(super) async fn lock(
        self,
        work: &mut dyn UnitOfWork,
        product_ids: &[ProductId],
    ) -> Result<LockedStock, StoreError> {
        match self {
            Self::Skip => work.try_lock_stock(product_ids).await,
            Self::Wait => Ok(LockedStock {
                locked: work.lock_stock(product_ids).await?,
                held: Vec::new(),
            }),
        }
    }
}
