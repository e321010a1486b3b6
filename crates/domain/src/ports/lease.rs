//! One runner at a time, across all processes.

use async_trait::async_trait;

use super::StoreError;

/// Hands out leases.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease of that name if nobody holds it; `None` if somebody does. MUST NOT wait for the holder. A holder
    /// that dies MUST lose it without anybody's help.
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, StoreError>;
}

/// A lease that is held; dropping it gives it back.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Lease: Send {
    /// Whether it is still held. MUST ask the store.
    async fn is_held(&mut self) -> bool;
}
