//! The time of a store that has no server to ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::Clock;
use crate::timestamp::Timestamp;

const STEP: Duration = Duration::from_micros(1);

/// Rises with each reading, also when the clock beneath stands still or goes back: two moments of this store are never
/// the same.
pub struct MonotonicClock {
    clock: Arc<dyn Clock>,
    last: Mutex<Timestamp>,
}

impl MonotonicClock {
    /// Reads `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: Mutex::new(Timestamp::from_micros(i64::MIN)),
        }
    }

    /// A moment after every other that this one gave.
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

    struct Standing;

    #[async_trait]
    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(7)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn time_rises_also_when_the_clock_stands() {
        let clock = MonotonicClock::new(Arc::new(Standing));
        let read: Vec<i64> = (0..3).map(|_| clock.now().as_micros()).collect();
        assert_eq!(read, [7, 8, 9]);
    }
}
