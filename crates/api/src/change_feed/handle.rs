//! The state that the waiters, the subscribers and the watcher share.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::bandwidth::BandwidthLimiter;
use super::feed::Feed;
use super::ports::ChangeFeedPorts;
use super::waiters::SettlementWaiters;

/// A handle to the change feed. Clones share the feed.
#[derive(Clone)]
pub(crate) struct ChangeFeedHandle {
    pub(super) ports: Arc<ChangeFeedPorts>,
    /// Wakes the watcher when a waiter or subscriber is added.
    pub(super) wake_up: Arc<Notify>,
    pub(super) waiters: Arc<SettlementWaiters>,
    pub(super) feed: Arc<Feed>,
    pub(super) limiter: Arc<BandwidthLimiter>,
    pub(super) log_reads: Arc<Semaphore>,
}

impl ChangeFeedHandle {
    /// Whether there are waiters or subscribers.
    pub(super) fn is_in_use(&self) -> bool {
        self.feed.has_subscribers() || !self.waiters.is_empty()
    }
}
