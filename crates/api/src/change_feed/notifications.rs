//! Counts the notifications of changes, so that a request that starts to wait knows whether it may have missed one.

use std::sync::atomic::{AtomicU64, Ordering};

/// The notifications that the watcher received.
#[derive(Debug, Default)]
pub(super) struct Notifications {
    /// Even while the watcher does not listen.
    count: AtomicU64,
}

/// A point in the sequence of notifications; `None` if the watcher did not listen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point(Option<u64>);

/// A listening watcher. Dropping it ends listening.
pub(super) struct Listening<'a>(&'a Notifications);

impl Notifications {
    /// Called after the watcher has begun to listen.
    pub(super) fn listen(&self) -> Listening<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Listening(self)
    }

    pub(super) fn point(&self) -> Point {
        let count = self.count.load(Ordering::SeqCst);
        Point((count % 2 == 1).then_some(count))
    }

    /// Returns whether a waiter that is added now may have missed a notification since this point.
    pub(super) fn may_have_missed(&self, Point(since): Point) -> bool {
        since.is_none_or(|since| self.count.load(Ordering::SeqCst) != since)
    }
}

impl Listening<'_> {
    /// Called after each notification, before the store is polled.
    pub(super) fn received(&self) {
        self.0.count.fetch_add(2, Ordering::SeqCst);
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_current_until_a_notification_or_the_end_of_listening() {
        let notifications = Notifications::default();
        let before = notifications.point();
        assert!(notifications.may_have_missed(before));
        let listening = notifications.listen();
        assert!(notifications.may_have_missed(before));
        let first = notifications.point();
        assert!(!notifications.may_have_missed(first));
        listening.received();
        assert!(notifications.may_have_missed(first));
        let second = notifications.point();
        assert!(!notifications.may_have_missed(second));
        drop(listening);
        assert!(notifications.may_have_missed(second));
        let _again = notifications.listen();
        assert!(notifications.may_have_missed(second));
    }
}
