//! What all readers of events of a process are sent in a second. Orders come first: events take the processor from them, and
//! there is no end to what events can take, as each is sent to every reader.

use std::num::NonZeroU32;

use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

/// Readers that wait for the budget at a time. The others stand in line behind them and are not woken in vain; more than one,
/// so that no single one that is slow to go on holds the line up.
const TURNS: usize = 8;

/// The unit that is counted in: one byte is less time than can be told exactly.
const UNIT: usize = 1024;

/// Bytes that may be sent, more of them as time goes by.
pub(super) struct Budget {
    units: DefaultDirectRateLimiter,
    burst: NonZeroU32,
    turns: Semaphore,
}

/// The right to take from the budget.
pub(super) struct Turn<'a> {
    budget: &'a Budget,
    /// None if there is no line, which is never.
    _permit: Option<SemaphorePermit<'a>>,
}

impl Budget {
    /// A tenth of a second's bytes may go at once.
    pub(super) fn new(bytes_per_second: usize) -> Self {
        let most = |units: usize| {
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN)
        };
        let per_second = bytes_per_second / UNIT;
        let burst = most(per_second / 10);
        let quota = Quota::per_second(most(per_second)).allow_burst(burst);
        Self {
            units: DefaultDirectRateLimiter::direct(quota),
            burst,
            turns: Semaphore::new(TURNS),
        }
    }

    /// Takes so many bytes if they are there and nobody stands in line for them.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let Ok(_permit) = self.turns.try_acquire() else {
            return false;
        };
        let units = NonZeroU32::new(units(bytes));
        units.is_none_or(|units| matches!(self.units.check_n(units), Ok(Ok(()))))
    }

    /// Stands in line.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn {
            budget: self,
            _permit: self.turns.acquire().await.ok(),
        }
    }
}

impl Turn<'_> {
    /// Waits until so many bytes may be sent. More than may go at once are taken bit by bit.
    pub(super) async fn take(self, bytes: usize) {
        let Budget {
            units: all, burst, ..
        } = self.budget;
        let mut left = units(bytes);
        while let Some(part) = NonZeroU32::new(left.min(burst.get())) {
            match all.check_n(part) {
                Ok(Ok(())) => left -= part.get(),
                Ok(Err(refused)) => sleep(refused.wait_time_from(all.clock().now())).await,
                // Only of more than the burst.
                Err(_) => return,
            }
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use futures_util::FutureExt as _;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn what_is_beyond_the_budget_waits_for_it() {
        let budget = Budget::new(MIB);
        assert!(budget.try_take(0));
        assert!(budget.try_take(90 * UNIT));
        assert!(!budget.try_take(90 * UNIT));
        let began = Instant::now();
        budget.turn().await.take(90 * UNIT).await;
        let took = began.elapsed();
        assert!(took > Duration::from_millis(50), "{took:?}");
    }

    #[tokio::test]
    async fn more_than_may_go_at_once_goes_too() {
        let budget = Budget::new(MIB);
        assert!(!budget.try_take(MIB / 2));
        let began = Instant::now();
        budget.turn().await.take(MIB / 2).await;
        let took = began.elapsed();
        assert!(took > Duration::from_millis(300), "{took:?}");
    }

    #[tokio::test]
    async fn all_together_are_given_no_more() {
        let budget = Arc::new(Budget::new(MIB));
        let began = Instant::now();
        let readers = (0..50).map(|_| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { budget.turn().await.take(8 * UNIT).await })
        });
        for reader in readers.collect::<Vec<_>>() {
            reader.await.unwrap();
        }
        let took = began.elapsed();
        assert!(took > Duration::from_millis(250), "{took:?}");
    }

    #[tokio::test]
    async fn nobody_passes_those_who_stand_in_line() {
        let budget = Budget::new(MIB);
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            turns.push(budget.turn().await);
        }
        let mut waiting = Box::pin(budget.turn());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(!budget.try_take(1));
        turns.pop();
        assert!(!budget.try_take(1), "it is the turn of the one who waits");
        assert!(waiting.as_mut().now_or_never().is_some());
        turns.clear();
        assert!(budget.try_take(1));
    }
}
