//! Monitoring of writes, for readiness: the outcomes of the use cases' writes, and a probe that tries a write.

use async_trait::async_trait;

use super::StoreError;

/// Observes the writes of one kind, for readiness.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait WriteObserver: Send + Sync {
    /// A write begins. MUST return immediately.
    fn begin(&self) -> Box<dyn WriteAttempt>;
}

/// A write in progress. Dropping it without an outcome means that the write was abandoned, which says nothing about the
/// store.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait WriteAttempt: Send {
    /// The write was committed. MUST return immediately.
    fn succeeded(self: Box<Self>);

    /// The write failed. MUST return immediately.
    fn failed(self: Box<Self>, error: &StoreError);
}

/// An observer that ignores all writes.
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

/// Checks whether the store accepts writes, for a process that gets no requests because its last write failed.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait WriteProbe: Send + Sync {
    /// Writes about as much data as a few orders need, and removes it. MUST succeed only if the write was durable, and MUST
    /// NOT leave data behind that grows with the number of calls.
    async fn probe_write(&self) -> Result<(), StoreError>;
}
