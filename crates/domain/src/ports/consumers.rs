//! The registry of the consumers of a queue, over all processes.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// Records the consumers that are alive.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ConsumerRegistry: Send + Sync {
    /// Records that the consumers `own` are alive, removes those that were not renewed within `lifetime`, and returns the
    /// names of all that remain, in byte order. MUST measure time by the store's clock.
    async fn renew(&self, own: &[String], lifetime: Duration) -> Result<Vec<String>, StoreError>;
}
