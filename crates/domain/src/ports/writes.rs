//! Whether writes work: what use cases report of theirs, and a write of no use case that finds out.

use async_trait::async_trait;

use super::StoreError;

/// Follows the writes of one kind, for readiness.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait WriteObserver: Send + Sync {
    /// A write begins. MUST return at once.
    fn begin(&self) -> Box<dyn WriteAttempt>;
}

/// One write that is under way. Dropped without an outcome, it was given up and says nothing of the store.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait WriteAttempt: Send {
    /// The write is committed.
    fn succeeded(self: Box<Self>);

    /// The write failed.
    fn failed(self: Box<Self>, error: &StoreError);
}

/// Follows nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoopWriteObserver;

impl WriteObserver for NoopWriteObserver {
    fn begin(&self) -> Box<dyn WriteAttempt> {
        Box::new(Self)
    }
}

impl WriteAttempt for NoopWriteObserver {
    fn succeeded(self: Box<Self>) {}

    fn failed(self: Box<Self>, _error: &StoreError) {}
}

/// Finds out whether the store can be written to, for a process that gets no requests because its last write failed.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait WriteProbe: Send + Sync {
    /// Writes about as much as a few orders take, and removes it. MUST succeed only if the write was durable, and MUST NOT
    /// leave anything behind that grows with the number of calls.
    async fn probe_write(&self) -> Result<(), StoreError>;
}
