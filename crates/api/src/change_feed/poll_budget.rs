//! The share of its time that the watcher may poll.

use std::time::Duration;

/// Polling time after which a pause is due, a little above the resolution of the timer: a shorter pause would last longer than
/// intended.
const LONGEST_DEBT: Duration = Duration::from_millis(2);

/// Limits polls to half of the time: each owes a pause as long as itself, and the time that the watcher waits for notifications
/// repays it. A poll after a quiet time is never delayed.
#[derive(Debug, Default)]
pub(super) struct PollBudget {
    owed: Duration,
}

impl PollBudget {
    /// Records a poll, and returns the pause that has to follow; zero for none.
    pub(super) fn polled(&mut self, took: Duration) -> Duration {
        self.owed += took;
        if self.owed < LONGEST_DEBT {
            return Duration::ZERO;
        }
        std::mem::take(&mut self.owed)
    }

    /// Records a wait for a notification.
    pub(super) fn waited(&mut self, took: Duration) {
        self.owed = self.owed.saturating_sub(took);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn polls_after_quiet_times_are_not_delayed() {
        let mut budget = PollBudget::default();
        for _ in 0..1_000 {
            assert_eq!(budget.polled(us(400)), us(0));
            budget.waited(us(500));
        }
    }

    #[test]
    fn a_long_poll_is_followed_by_a_pause_as_long() {
        let mut budget = PollBudget::default();
        assert_eq!(budget.polled(us(30_000)), us(30_000));
        assert_eq!(budget.polled(us(400)), us(0));
    }

    proptest! {
        #[test]
        fn polls_take_at_most_half_of_the_time(steps in prop::collection::vec((0_u64..10_000, 0_u64..3_000), 1..200)) {
            let mut budget = PollBudget::default();
            let (mut polling, mut idle) = (Duration::ZERO, Duration::ZERO);
            for (poll, wait) in steps {
                polling += us(poll);
                idle += budget.polled(us(poll));
                prop_assert!(polling < idle + LONGEST_DEBT);
                budget.waited(us(wait));
                idle += us(wait);
            }
        }
    }
}
