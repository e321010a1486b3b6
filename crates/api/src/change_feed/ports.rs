//! The ports and limits of the change feed.

use std::sync::Arc;

use domain::ports::{ChangeQueries, Listener, OrderQueries, StockQueries, Topic};

/// The ports of the watcher and the subscribers.
pub(crate) struct ChangeFeedPorts {
    /// Reads orders.
    pub(crate) orders: Arc<dyn OrderQueries>,
    /// Reads stock.
    pub(crate) stock: Arc<dyn StockQueries>,
    /// Reads the change log.
    pub(crate) changes: Arc<dyn ChangeQueries>,
    /// Creates a listener to a topic.
    pub(crate) listeners: Arc<dyn Fn(Topic) -> Box<dyn Listener> + Send + Sync>,
}

/// The limits of event subscribers.
#[derive(Debug, Clone, Copy)]
pub struct ChangeFeedSettings {
    /// Maximum number of concurrent event streams.
    pub max_event_streams: usize,
    /// Maximum number of bytes buffered for all subscribers that are behind or resume.
    pub max_bytes: usize,
    /// Maximum number of bytes sent per second, over all subscribers.
    pub bytes_per_second: usize,
}
