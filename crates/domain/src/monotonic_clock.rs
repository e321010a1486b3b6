//! The clock of a store that has no server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::Clock;
use crate::timestamp::Timestamp;

const STEP: Duration = Duration::from_micros(1);

/// A clock whose every reading is later than the one before, even if the system clock stops or goes backwards: all
/// timestamps of one store are distinct.
pub struct MonotonicClock {
    clock: Arc<dyn Clock>,
    last: Mutex<Timestamp>,
}

impl MonotonicClock {
    /// A monotonic clock on top of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: Mutex::new(Timestamp::from_micros(i64::MIN)),
        }
    }

    /// Returns an instant that is later than all instants returned before.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = self.clock.now().max(last.plus(STEP));
        *last
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct StoppedClock;

    #[async_trait]
    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(7)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn readings_rise_while_the_system_clock_is_stopped() {
        let clock = MonotonicClock::new(Arc::new(StoppedClock));
        let read: Vec<i64> = (0..3).map(|_| clock.now().as_micros()).collect();
        assert_eq!(read, [7, 8, 9]);
    }
}
