//! Decides which queue to release, and when.
//!
//! The broker does not report on which queues a consumer is active, so each queue outside the share is released once
//! per new share. That is enough: every consumer subscribes before it is assigned a share, so after each of the others
//! has moved behind it once, the consumer to which the queue is assigned is the active one. Releasing a queue on which
//! the consumer is only waiting changes nothing but the order of the waiting consumers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use domain::ports::Share;

use crate::inbox::random;

/// Interval of polling for a new share.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Minimum interval between two releases; up to 100 % jitter keeps consumers from moving in step.
const MIN_RELEASE_INTERVAL: Duration = Duration::from_millis(100);

/// The remaining releases of the current share.
#[derive(Debug, Default)]
pub(crate) struct Rebalancing {
    share: Option<Share>,
    left: VecDeque<u16>,
    not_before: Option<Instant>,
}

impl Rebalancing {
    /// Time at which [`Self::next`] should be called.
    pub(crate) fn wakes_at(&self) -> Instant {
        self.not_before.unwrap_or_else(Instant::now)
    }

    /// Returns the queue to release now, if any.
    pub(crate) fn next(
        &mut self,
        share: Option<Share>,
        queues: impl Iterator<Item = u16>,
        now: Instant,
    ) -> Option<u16> {
        if self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        if share != self.share {
            self.share = share;
            self.left = queues
                .filter(|queue| share.is_some_and(|share| !share.includes(*queue)))
                .collect();
        }
        let released = self.left.pop_front();
        let jitter = Duration::from_millis(random() % 100);
        let pause = if self.left.is_empty() {
            POLL_INTERVAL
        } else {
            MIN_RELEASE_INTERVAL + jitter
        };
        self.not_before = Some(now + pause);
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_outside_the_share_is_released_once_for_each_new_share() {
        let mut now = Instant::now();
        let mut rebalancing = Rebalancing::default();
        // The queues of 0 to 5 that are released over a time that is long enough for all of them.
        let mut released = |share| {
            let mut released = Vec::new();
            for _ in 0..20 {
                released.extend(rebalancing.next(share, 0..6, now));
                assert_eq!(rebalancing.next(share, 0..6, now), None, "one at a time");
                now += POLL_INTERVAL;
            }
            released
        };
        assert!(released(None).is_empty());
        assert!(released(Some(Share { index: 0, of: 1 })).is_empty());
        let second = Some(Share { index: 1, of: 2 });
        assert_eq!(released(second), [0, 2, 4]);
        assert!(released(second).is_empty());
        assert_eq!(released(Some(Share { index: 2, of: 3 })), [0, 1, 3, 4]);
    }

    #[test]
    fn shares_cover_every_queue_once_and_differ_by_at_most_one_queue() {
        for of in 1..10 {
            let size = |index| {
                let share = Share { index, of };
                (0..8).filter(|queue| share.includes(*queue)).count()
            };
            let sizes: Vec<usize> = (0..of).map(size).collect();
            assert_eq!(sizes.iter().sum::<usize>(), 8);
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(most - least <= 1, "{sizes:?}");
        }
    }
}
