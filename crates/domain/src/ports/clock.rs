//! The clock as a dependency.

use std::time::Duration;

use async_trait::async_trait;

use crate::timestamp::Timestamp;

/// The clock of this process, for delays and for measuring durations. Instants that are compared with rows come from the
/// store's clock instead.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the current time. MUST NOT block.
    fn now(&self) -> Timestamp;

    /// Waits for `span`. MUST NOT return earlier, and MUST be safe to cancel.
    async fn sleep(&self, span: Duration);
}
