//! A vendor whose responses a contract decides.

use std::time::Duration;

use async_trait::async_trait;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::ports::{FeedError, FetchedReport, VendorFeed};

/// Calls `respond` for every request.
pub(crate) struct ScriptedFeed<F> {
    pub(crate) vendor_id: VendorId,
    pub(crate) respond: F,
    pub(crate) max_age: Option<Duration>,
    pub(crate) guard: Guard,
}

#[async_trait]
impl<F> VendorFeed for ScriptedFeed<F>
where
    F: Fn() -> Result<FetchedReport, FeedError> + Send + Sync,
{
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    fn guard(&self) -> Guard {
        self.guard
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        (self.respond)()
    }
}
