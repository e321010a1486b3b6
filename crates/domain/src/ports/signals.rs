//! Waking whoever waits for something new in the store, in all processes.

use std::time::Duration;

use async_trait::async_trait;

/// What there is news of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The outbox has new entries: for the relays.
    Outbox,
    /// Orders or stock have changed: for those who wait for that.
    Changes,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 2] = [Self::Outbox, Self::Changes];
}

/// Says that there is news.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Notifier: Send + Sync {
    /// Wakes the listeners to a topic, in all processes. MUST return at once, may be lost (listeners also look by
    /// themselves), and many calls may become one.
    fn notify(&self, topic: Topic);
}

/// Nobody is woken.
#[derive(Debug, Clone, Copy)]
pub struct NoopNotifier;

impl Notifier for NoopNotifier {
    fn notify(&self, _topic: Topic) {}
}

/// Waits for news of one topic.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Listener: Send {
    /// Returns after a notification, or after `timeout`. A notification since the last return MUST end the wait at
    /// once: one that arrives while nobody waits is not lost.
    async fn wait(&mut self, timeout: Duration);
}
