//! The change feed: notifies requests that wait for the settlement of their order, and sends events to subscribers.
//!
//! One task of the process, the [`Watcher`], is notified of changes made by any process, and polls the store once for all
//! waiters and subscribers. While there are none, it neither listens nor polls. The embedded deployment splits it
//! into one task for the waiters and one for the subscribers.

mod bandwidth;
mod feed;
mod frames;
mod handle;
mod notifications;
mod poll_budget;
mod ports;
mod subscriber;
mod waiters;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use domain::change_offset::ChangeOffset;
use domain::order::{Order, OrderStatus};
use domain::ports::StoreError;
use futures_util::stream::Stream;
use metrics::EventMetrics;
use tokio::sync::Semaphore;

use crate::shutdown::Shutdown;
use bandwidth::BandwidthLimiter;
use feed::Feed;
pub(crate) use handle::ChangeFeedHandle;
pub(crate) use notifications::Point;
pub(crate) use ports::ChangeFeedPorts;
pub use ports::ChangeFeedSettings;
use subscriber::Subscriber;
use watcher::Watcher;

/// Maximum number of subscribers that read the log at a time.
const MAX_LOG_READS: usize = 4;

impl ChangeFeedHandle {
    /// Creates the change feed, and the task that has to run for it.
    pub(crate) fn open(ports: ChangeFeedPorts, settings: ChangeFeedSettings) -> (Self, Watcher) {
        let change_feed = Self {
            ports: Arc::new(ports),
            waiter_added: Arc::default(),
            subscriber_added: Arc::default(),
            waiters: Arc::default(),
            notifications: Arc::default(),
            feed: Arc::new(Feed::new(settings.max_event_streams, settings.max_bytes)),
            limiter: Arc::new(BandwidthLimiter::new(settings.bytes_per_second)),
            log_reads: Arc::new(Semaphore::new(MAX_LOG_READS)),
        };
        (change_feed.clone(), Watcher::new(change_feed))
    }

    /// Returns the point from which [`settled`](Self::settled) misses no notification. To be called before the order is read
    /// or accepted.
    pub(crate) fn point(&self) -> Point {
        self.notifications.point()
    }

    /// Waits until an order is settled that was `PENDING` after `since`, and returns the settled order; `None` on timeout, or
    /// if the process is shutting down.
    pub(crate) async fn settled(
        &self,
        order: &Order,
        since: Point,
        within: Duration,
        shutdown: &Shutdown,
    ) -> Option<Order> {
        if order.state.status() != OrderStatus::Pending {
            return Some(order.clone());
        }
        let wait = self.waiters.add(order.id);
        // The order may have been settled before the waiter was added.
        if self.notifications.may_have_missed(since) {
            self.waiter_added.notify_one();
        }
        tokio::select! {
            settled = wait.settled() => settled,
            () = tokio::time::sleep(within) => None,
            () = shutdown.announced() => None,
        }
    }

    /// Streams the changes after a change-log offset, or from now on, until the subscriber is too slow or the process shuts
    /// down. Returns `None` if the maximum number of streams is open.
    pub(crate) async fn subscribe(
        &self,
        after: Option<ChangeOffset>,
        metrics: EventMetrics,
        shutdown: &Shutdown,
    ) -> Result<Option<impl Stream<Item = Bytes> + use<>>, StoreError> {
        let Some(subscription) = self.feed.subscribe() else {
            return Ok(None);
        };
        let after = match after {
            Some(after) => after,
            None => self.ports.changes.newest_change().await?,
        };
        self.subscriber_added.notify_one();
        let subscriber = Subscriber::new(self, subscription, metrics, shutdown.clone(), after);
        Ok(Some(subscriber.stream()))
    }
}
