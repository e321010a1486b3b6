//! The clock of the test.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::Clock;
use domain::timestamp::Timestamp;

/// A clock that only the test moves.
pub(super) struct TestClock(AtomicI64);

impl TestClock {
    pub(super) fn at(micros: i64) -> Self {
        Self(AtomicI64::new(micros))
    }

    pub(super) fn micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros())
    }

    async fn sleep(&self, _: Duration) {}
}
