//! The store's own time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ports::Clock;
use domain::timestamp::Timestamp;

const STEP: Duration = Duration::from_micros(1);

/// Rises with each reading, also when the clock beneath stands still or goes back: two moments of this store are never
/// the same.
pub(crate) struct StoreClock {
    clock: Arc<dyn Clock>,
    last: Mutex<Timestamp>,
}

impl StoreClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: Mutex::new(Timestamp::from_micros(i64::MIN)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
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
        let clock = StoreClock::new(Arc::new(Standing));
        let read: Vec<i64> = (0..3).map(|_| clock.now().as_micros()).collect();
        assert_eq!(read, [7, 8, 9]);
    }
}
