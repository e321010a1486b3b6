//! The bandwidth limit of all event subscribers of a process. Events compete with orders for the processor, and their cost
//! is unbounded, because each event is sent to every subscriber.

use std::num::NonZeroU32;

use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

/// Subscribers that wait for bandwidth at a time. The others queue for a permit and are not woken needlessly. More than one,
/// so that a single slow subscriber does not block the queue.
const MAX_PERMITS: usize = 8;

/// Bytes per unit of the rate limiter: the time of a single byte is below its resolution.
const UNIT: usize = 1024;

/// A token bucket of bytes.
pub(super) struct BandwidthLimiter {
    units: DefaultDirectRateLimiter,
    burst: NonZeroU32,
    permits: Semaphore,
}

/// The right to consume bandwidth.
pub(super) struct Permit<'a> {
    limiter: &'a BandwidthLimiter,
    /// `None` only if the semaphore is closed, which does not happen.
    _permit: Option<SemaphorePermit<'a>>,
}

impl BandwidthLimiter {
    /// The burst is the bytes of a tenth of a second.
    pub(super) fn new(bytes_per_second: usize) -> Self {
        let at_least_one = |units: usize| {
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN)
        };
        let per_second = bytes_per_second / UNIT;
        let burst = at_least_one(per_second / 10);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(burst);
        Self {
            units: DefaultDirectRateLimiter::direct(quota),
            burst,
            permits: Semaphore::new(MAX_PERMITS),
        }
    }

    /// Consumes the bytes if they are available and no subscriber waits for bandwidth. Returns whether it did.
    pub(super) fn try_consume(&self, bytes: usize) -> bool {
        let Ok(_permit) = self.permits.try_acquire() else {
            return false;
        };
        let units = NonZeroU32::new(units(bytes));
        units.is_none_or(|units| matches!(self.units.check_n(units), Ok(Ok(()))))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        Permit {
            limiter: self,
            _permit: self.permits.acquire().await.ok(),
        }
    }
}

impl Permit<'_> {
    /// Waits until the bytes may be sent. More than the burst are consumed in several steps.
    pub(super) async fn consume(self, bytes: usize) {
        let BandwidthLimiter {
            units: all, burst, ..
        } = self.limiter;
        let mut left = units(bytes);
        while let Some(part) = NonZeroU32::new(left.min(burst.get())) {
            match all.check_n(part) {
                Ok(Ok(())) => left -= part.get(),
                Ok(Err(refused)) => sleep(refused.wait_time_from(all.clock().now())).await,
                // Only for more than the burst.
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
    async fn bytes_beyond_the_burst_wait() {
        let limiter = BandwidthLimiter::new(MIB);
        assert!(limiter.try_consume(0));
        assert!(limiter.try_consume(90 * UNIT));
        assert!(!limiter.try_consume(90 * UNIT));
        let started = Instant::now();
        limiter.acquire().await.consume(90 * UNIT).await;
        let elapsed = started.elapsed();
        assert!(elapsed > Duration::from_millis(50), "{elapsed:?}");
    }

    #[tokio::test]
    async fn more_than_the_burst_is_sent_in_steps() {
        let limiter = BandwidthLimiter::new(MIB);
        assert!(!limiter.try_consume(MIB / 2));
        let started = Instant::now();
        limiter.acquire().await.consume(MIB / 2).await;
        let elapsed = started.elapsed();
        assert!(elapsed > Duration::from_millis(300), "{elapsed:?}");
    }

    #[tokio::test]
    async fn limit_applies_to_all_subscribers_together() {
        let limiter = Arc::new(BandwidthLimiter::new(MIB));
        let started = Instant::now();
        let subscribers = (0..50).map(|_| {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move { limiter.acquire().await.consume(8 * UNIT).await })
        });
        for subscriber in subscribers.collect::<Vec<_>>() {
            subscriber.await.unwrap();
        }
        let elapsed = started.elapsed();
        assert!(elapsed > Duration::from_millis(250), "{elapsed:?}");
    }

    #[tokio::test]
    async fn try_consume_fails_while_subscribers_wait() {
        let limiter = BandwidthLimiter::new(MIB);
        let mut permits = Vec::new();
        for _ in 0..MAX_PERMITS {
            permits.push(limiter.acquire().await);
        }
        let mut waiting = Box::pin(limiter.acquire());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(!limiter.try_consume(1));
        permits.pop();
        assert!(!limiter.try_consume(1), "the waiting subscriber is next");
        assert!(waiting.as_mut().now_or_never().is_some());
        permits.clear();
        assert!(limiter.try_consume(1));
    }
}
