//! Notifications of changes in the store, to all processes.

use std::time::Duration;

use async_trait::async_trait;

/// The subject of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The outbox has new entries, of accepted or requeued orders: relays listen, and change feeds with subscribers.
    Outbox,
    /// Orders or stock have changed in any other way: change feeds listen, for subscribers and for requests that wait.
    Changes,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 2] = [Self::Outbox, Self::Changes];
}

/// Sends notifications.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Notifier: Send + Sync {
    /// Wakes the listeners of a topic in all processes. MUST return immediately. A notification may be lost, because
    /// listeners also poll, and several may be merged into one.
    fn notify(&self, topic: Topic);
}

/// A notifier that wakes no listener.
#[derive(Debug, Clone, Copy)]
pub struct NoopNotifier;

impl Notifier for NoopNotifier {
    fn notify(&self, _topic: Topic) {}
}

/// Waits for notifications of one topic.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Listener: Send {
    /// Returns after a notification, or after `timeout`. A notification since the last return MUST end the wait immediately:
    /// one that arrives between two calls is not lost.
    async fn wait(&mut self, timeout: Duration);
}
