//! Time, passed in.

use std::time::Duration;

use async_trait::async_trait;

use crate::timestamp::Timestamp;

/// This process's clock: for waiting and for measuring how long something took. Moments that are compared with rows come
/// from the store instead.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Returns after `span`.
    async fn sleep(&self, span: Duration);
}
