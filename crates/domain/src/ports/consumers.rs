//! The consumers of a queue, over all processes.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// Knows which consumers are alive.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ConsumerRegistry: Send + Sync {
    /// Records that these consumers are alive, forgets those that were not renewed for `lifetime`, and returns the names of
    /// all that are left, in byte order. MUST measure time by the store's clock.
    async fn renew(&self, own: &[String], lifetime: Duration) -> Result<Vec<String>, StoreError>;
}
