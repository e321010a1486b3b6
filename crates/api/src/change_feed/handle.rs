//! The state that the waiters, the subscribers and the watcher share.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::bandwidth::BandwidthLimiter;
use super::feed::Feed;
use super::notifications::Notifications;
use super::ports::ChangeFeedPorts;
use super::waiters::SettlementWaiters;

/// A handle to the change feed. Clones share the feed.
#[derive(Clone)]
pub(crate) struct ChangeFeedHandle {
    pub(super) ports: Arc<ChangeFeedPorts>,
    /// Wakes the watcher when a waiter is added.
    pub(super) waiter_added: Arc<Notify>,
    /// Wakes the watcher when a subscriber is added.
    pub(super) subscriber_added: Arc<Notify>,
    pub(super) waiters: Arc<SettlementWaiters>,
    pub(super) notifications: Arc<Notifications>,
    pub(super) feed: Arc<Feed>,
    pub(super) limiter: Arc<BandwidthLimiter>,
    pub(super) log_reads: Arc<Semaphore>,
}
