//! Notifications and leases within one process, for stores that a single process uses.
//!
//! Not for deployments with several processes: other processes are not notified.

mod leases;

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Listener, Notifier, Topic};
use tokio::sync::watch;
use tokio::time::timeout;

pub use leases::ProcessLeases;

/// Notifies every listener created from it. Clones share their listeners.
///
/// Each topic has a counter that a listener compares with the last value it has seen: a notification that arrives while
/// a listener is not waiting ends its next wait.
#[derive(Clone, Default)]
pub struct ProcessNotifier {
    outbox: watch::Sender<u64>,
    changes: watch::Sender<u64>,
}

/// Receives the notifications sent since it was created.
pub struct ProcessListener {
    notifications: watch::Receiver<u64>,
    /// Keeps the channel open, so that a wait times out instead of returning immediately when the notifier is dropped.
    _open: watch::Sender<u64>,
}

impl ProcessNotifier {
    /// Creates a notifier without listeners.
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

    /// Creates a listener to a topic.
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
        // On a timeout the caller polls.
        let _ = timeout(limit, self.notifications.changed()).await;
    }
}
