//! Changes as they happen: for requests that wait for their order to be settled, and for readers of events.
//!
//! One task of the process, the [`Watcher`], hears that something has changed, by whichever process, and looks once for all
//! who wait and for all who read. While nobody does, it neither listens nor reads.

mod budget;
mod feed;
mod frames;
mod past;
mod reader;
mod waits;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use domain::order::{Order, OrderStatus};
use domain::ports::{ChangeQueries, Listener, OrderQueries, StockQueries, StoreError};
use domain::position::Position;
use futures_util::stream::Stream;
use metrics::EventMetrics;
use tokio::sync::{Notify, Semaphore};

use crate::shutdown::Shutdown;
use budget::Budget;
use feed::Feed;
use reader::Reader;
use waits::Waits;
pub use watcher::Watcher;

/// Readers that read the log at a time.
const MAX_CATCHING_UP: usize = 4;

/// What the watcher and the readers work with.
pub struct LivePorts {
    /// Reads orders.
    pub orders: Arc<dyn OrderQueries>,
    /// Reads stock.
    pub stock: Arc<dyn StockQueries>,
    /// Reads what has changed.
    pub changes: Arc<dyn ChangeQueries>,
    /// Makes a listener to changes.
    pub listeners: Arc<dyn Fn() -> Box<dyn Listener> + Send + Sync>,
}

/// How much readers of events may take.
#[derive(Debug, Clone, Copy)]
pub struct LiveSettings {
    /// Most readers at a time.
    pub max_readers: usize,
    /// Most bytes of events that are kept for readers that are behind or come back, for all of them together.
    pub max_bytes: usize,
    /// Most bytes that all of them together are sent in a second.
    pub bytes_per_second: usize,
}

/// Where requests wait for changes. Cloning shares it.
#[derive(Clone)]
pub struct Live {
    ports: Arc<LivePorts>,
    /// Somebody has begun to wait or to read.
    interest: Arc<Notify>,
    waits: Arc<Waits>,
    feed: Arc<Feed>,
    budget: Arc<Budget>,
    catching_up: Arc<Semaphore>,
}

impl Live {
    /// What requests wait at, and what ends their waiting while it runs.
    #[must_use]
    pub fn open(ports: LivePorts, settings: LiveSettings) -> (Self, Watcher) {
        let live = Self {
            ports: Arc::new(ports),
            interest: Arc::default(),
            waits: Arc::default(),
            feed: Arc::new(Feed::new(settings.max_readers, settings.max_bytes)),
            budget: Arc::new(Budget::new(settings.bytes_per_second)),
            catching_up: Arc::new(Semaphore::new(MAX_CATCHING_UP)),
        };
        (live.clone(), Watcher::new(live))
    }

    /// Waits until an order is settled, and returns it as it is then; nothing if that takes too long, or the process ends
    /// before it.
    pub(crate) async fn settled(
        &self,
        order: &Order,
        within: Duration,
        shutdown: &Shutdown,
    ) -> Option<Order> {
        if order.state.status() != OrderStatus::Pending {
            return Some(order.clone());
        }
        let wait = self.waits.add(order.id);
        // Whoever looks is asked to look at once: the order may have been settled before it was waited for.
        self.interest.notify_one();
        tokio::select! {
            settled = wait.settled() => settled,
            () = tokio::time::sleep(within) => None,
            () = shutdown.announced() => None,
        }
    }

    /// What changes after a position, or from now on, until the reader is too slow or the process ends. None if there are
    /// too many readers.
    pub(crate) async fn read(
        &self,
        after: Option<Position>,
        metrics: EventMetrics,
        shutdown: &Shutdown,
    ) -> Result<Option<impl Stream<Item = Bytes> + use<>>, StoreError> {
        let Some(seat) = self.feed.sit_down() else {
            return Ok(None);
        };
        let after = match after {
            Some(after) => after,
            None => self.ports.changes.newest_change().await?,
        };
        self.interest.notify_one();
        let reader = Reader::new(self, seat, metrics, shutdown.clone(), after);
        Ok(Some(reader.stream()))
    }

    /// Whether somebody waits or reads.
    fn is_of_interest(&self) -> bool {
        self.feed.has_readers() || !self.waits.is_empty()
    }
}
