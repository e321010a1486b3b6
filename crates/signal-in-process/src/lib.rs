//! Wakes the listeners of this process, and gives its tasks leases, for stores that only one process uses.
//!
//! Not for deployments of several processes: nothing leaves this one.

mod leases;

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Listener, Notifier, Topic};
use tokio::sync::watch;
use tokio::time::timeout;

pub use leases::ProcessLeases;

/// Notifies every listener made from it. Cloning shares it.
///
/// Built on a counter for each topic that each listener compares with what it saw last: a notification while nobody waits
/// is seen by the next wait, and by every listener.
#[derive(Clone, Default)]
pub struct ProcessNotifier {
    outbox: watch::Sender<u64>,
    changes: watch::Sender<u64>,
}

/// Hears of what was notified since it was made.
pub struct ProcessListener {
    notifications: watch::Receiver<u64>,
    /// Keeps the channel open, so that a wait without a notifier times out instead of returning at once.
    _open: watch::Sender<u64>,
}

impl ProcessNotifier {
    /// One that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn of(&self, topic: Topic) -> &watch::Sender<u64> {
        match topic {
            Topic::Outbox => &self.outbox,
            Topic::Changes => &self.changes,
        }
    }

    /// Another listener to a topic.
    #[must_use]
    pub fn listener(&self, topic: Topic) -> ProcessListener {
        let notifications = self.of(topic);
        ProcessListener {
            notifications: notifications.subscribe(),
            _open: notifications.clone(),
        }
    }
}

impl Notifier for ProcessNotifier {
    fn notify(&self, topic: Topic) {
        self.of(topic)
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[async_trait]
impl Listener for ProcessListener {
    async fn wait(&mut self, limit: Duration) {
        // Not notified in time: the caller looks all the same.
        let _ = timeout(limit, self.notifications.changed()).await;
    }
}
