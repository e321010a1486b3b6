//! Wakes the relays of this process, and gives its tasks leases, for stores that only one process uses.
//!
//! Not for deployments of several processes: nothing leaves this one.

mod leases;

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{OutboxListener, OutboxNotifier};
use tokio::sync::watch;
use tokio::time::timeout;

pub use leases::ProcessLeases;

/// Notifies every listener made from it. Cloning shares it.
///
/// Built on a counter that each listener compares with what it saw last: a notification while nobody waits is seen by
/// the next wait, and by every listener.
#[derive(Clone)]
pub struct ProcessOutboxNotifier {
    notifications: watch::Sender<u64>,
}

/// Hears of what was notified since it was made.
pub struct ProcessOutboxListener {
    notifications: watch::Receiver<u64>,
    /// Keeps the channel open, so that a wait without a notifier times out instead of returning at once.
    _open: watch::Sender<u64>,
}

impl ProcessOutboxNotifier {
    /// One that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            notifications: watch::Sender::new(0),
        }
    }

    /// Another listener.
    #[must_use]
    pub fn listener(&self) -> ProcessOutboxListener {
        ProcessOutboxListener {
            notifications: self.notifications.subscribe(),
            _open: self.notifications.clone(),
        }
    }
}

impl Default for ProcessOutboxNotifier {
    fn default() -> Self {
        Self::new()
    }
}

impl OutboxNotifier for ProcessOutboxNotifier {
    fn notify(&self) {
        self.notifications
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[async_trait]
impl OutboxListener for ProcessOutboxListener {
    async fn wait(&mut self, limit: Duration) {
        // Not notified in time: the caller looks all the same.
        let _ = timeout(limit, self.notifications.changed()).await;
    }
}
