//! Leases: one holder at a time, across all processes.

use async_trait::async_trait;

use super::StoreError;

/// Grants leases.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Leases: Send + Sync {
    /// Acquires the lease with this name; `None` if it is held. MUST NOT wait for the holder. MUST release the lease of a
    /// holder that dies without any action by others.
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, StoreError>;
}

/// A held lease; dropping it releases it.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Lease: Send {
    /// Whether the lease is still held. MUST query the store.
    async fn is_held(&mut self) -> bool;
}
