//! The queue in this process and a vendor's feed, with injected failures.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::guard::Guard;
use domain::identifiers::{OrderId, VendorId};
use domain::ports::{
    Backlog, FeedError, Fetched, FetchedReport, OrderQueue, QueueError, QueuedOrder, VendorFeed,
};
use domain::report::Report;
use domain::run::ReportSize;
use domain::timestamp::Timestamp;
use domain::validators::Validators;
use queue_in_process::InProcessQueue;

use crate::faults::{Failure, Faults, Role};

#[derive(Clone)]
pub(crate) struct FaultyQueue {
    pub(crate) inner: InProcessQueue,
    pub(crate) faults: Arc<Faults>,
}

impl FaultyQueue {
    async fn check(&self, name: &'static str) -> Result<(), QueueError> {
        let failure = self.faults.next_failure(Role::Queue, name).await;
        failure.map_or(Ok(()), |failure| Err(failure.of_queue()))
    }
}

#[async_trait]
impl OrderQueue for FaultyQueue {
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        match self.faults.next_failure(Role::Publish, "publish").await {
            None => self.inner.publish(orders).await,
            Some(Failure::Unconfirmed) => self.inner.publish(&orders[..orders.len() / 2]).await,
            Some(failure) => {
                if failure == Failure::ReplyLost {
                    self.inner.publish(orders).await?;
                }
                Err(failure.of_queue())
            }
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        self.check("backlog").await?;
        self.inner.backlog().await
    }

    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError> {
        self.check("prune_dead_messages").await?;
        self.inner.prune_dead_messages(keep).await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        self.check("probe").await?;
        self.inner.probe().await
    }
}

pub(crate) struct FaultyFeed {
    pub(crate) vendor_id: VendorId,
    pub(crate) result: Result<Report, FeedError>,
    /// The vendor's clock.
    pub(crate) now: Timestamp,
    pub(crate) guard: Guard,
    /// The validators of the report, if the source supports conditions.
    pub(crate) validators: Option<Validators>,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl VendorFeed for FaultyFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    fn guard(&self) -> Guard {
        self.guard
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        match self.faults.next_failure(Role::Feed, "fetch").await {
            None => self.result.clone().map(|report| FetchedReport {
                report,
                times: ResponseTimes {
                    // By the test clock, which does not advance during the request.
                    date: Some(self.now),
                    ..ResponseTimes::default()
                },
                size: ReportSize::default(),
                file: None,
                read_file: None,
            }),
            Some(failure) => Err(failure.of_feed()),
        }
    }

    fn is_conditional(&self) -> bool {
        self.validators.is_some()
    }

    async fn fetch_changed<'k>(&self, known: Option<&'k Validators>) -> Result<Fetched, FeedError> {
        let report = self.fetch().await?;
        if known.is_some() && known == self.validators.as_ref() {
            return Ok(Fetched::NotModified(report.times));
        }
        Ok(Fetched::Report(Box::new(report), self.validators.clone()))
    }
}
