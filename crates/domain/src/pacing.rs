//! Decides when a vendor that failed is requested again: a pure decision.
//!
//! Two delays are kept apart. [`RetryAfter`] is the vendor's own, and applies to every request to it. The backoff is this
//! service's own: the interval doubles with each consecutive failure. It applies to scheduled syncs only, because an
//! operator who requests a sync does so on purpose. The first sync that does not fail ends both.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::identifiers::VendorId;
use crate::timestamp::Timestamp;

/// Maximum delay of either kind: a vendor must not be lost because it sends a `Retry-After` of a year, and no interval is
/// longer. A stored instant that is further ahead was written while the store's clock was wrong, and is ignored.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// Maximum backoff, or the vendor's interval if that is longer.
const MAX_BACKOFF: Duration = Duration::from_mins(5);

/// The duration of a vendor's `Retry-After`: more than zero, at most 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfter(Duration);

impl RetryAfter {
    /// The maximum duration; a longer one is capped.
    pub const MAX: Self = Self(MAX_WAIT);

    /// A `Retry-After` of this duration, capped at [`MAX`](Self::MAX); `None` for zero.
    #[must_use]
    pub fn new(span: Duration) -> Option<Self> {
        (!span.is_zero()).then(|| Self(span.min(MAX_WAIT)))
    }

    /// The duration.
    #[must_use]
    pub fn span(self) -> Duration {
        self.0
    }
}

/// A fraction from 0 to just below 1, which spreads the requests of different vendors and processes over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    /// The fraction `numerator` / 2^32.
    #[must_use]
    pub const fn new(numerator: u32) -> Self {
        Self(numerator)
    }

    /// A fraction that differs between vendors and between instants. It need not be unpredictable.
    #[must_use]
    pub fn derive(vendor_id: &VendorId, instant: Timestamp) -> Self {
        let mut hasher = DefaultHasher::new();
        vendor_id.as_str().hash(&mut hasher);
        instant.as_micros().hash(&mut hasher);
        // The lower half of the hash is sufficient.
        Self(u32::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or(0))
    }

    fn of(self, span: Duration) -> Duration {
        let part = (span.as_micros() * u128::from(self.0)) >> 32;
        Duration::from_micros(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

/// The delay from the end of the n-th consecutive failed sync to the next scheduled one: between half and all of interval ×
/// 2^n, at least the interval, and at most the interval or 5 minutes, whichever is longer.
#[must_use]
pub fn backoff(failures: u32, interval: Duration, jitter: Jitter) -> Duration {
    let interval = interval.min(MAX_WAIT);
    let longest = interval.max(MAX_BACKOFF);
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    let full = interval.checked_mul(factor).unwrap_or(longest).min(longest);
    let half = full / 2;
    (half + jitter.of(half)).max(interval)
}

/// The data of a failed sync that determines the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorFailure {
    /// The store's clock at the end of the sync.
    pub now: Timestamp,
    /// The vendor's `Retry-After`, if it sent one.
    pub retry_after: Option<RetryAfter>,
    /// The interval of scheduled syncs; `None` if this process does not know it.
    pub interval: Option<Duration>,
    /// The jitter of the next attempt.
    pub jitter: Jitter,
}

/// A vendor's consecutive failures, and the delays that follow from them. Instants are of the store's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VendorPause {
    /// Number of consecutive failures.
    pub failures: u32,
    /// The end of the vendor's `Retry-After`: no request before this instant.
    pub not_before: Option<Timestamp>,
    /// The end of this service's own backoff: no scheduled sync begins before this instant.
    pub backoff_until: Option<Timestamp>,
}

impl VendorPause {
    /// The pause after one more failure. A pending `Retry-After` remains in effect until its end, even if the vendor then
    /// fails in another way: a request that was in progress when the vendor sent it may end later.
    #[must_use]
    pub fn after_failure(previous: Option<Self>, failure: VendorFailure) -> Self {
        let now = failure.now;
        let failures = previous.map_or(0, |pause| pause.failures);
        let failures = failures.saturating_add(1);
        let demanded = failure.retry_after.map(|demand| now.plus(demand.span()));
        let pending = previous.and_then(|pause| pause.demanded_until(now));
        let backoff = |interval| now.plus(backoff(failures, interval, failure.jitter));
        Self {
            // The maximum value of the database column.
            failures: failures.min(i32::MAX.cast_unsigned()),
            not_before: demanded.max(pending),
            backoff_until: failure.interval.map(backoff),
        }
    }

    /// The end of the vendor's `Retry-After`, if it is in the future.
    #[must_use]
    pub fn demanded_until(&self, now: Timestamp) -> Option<Timestamp> {
        pending(self.not_before, now)
    }

    /// The earliest instant of the next scheduled sync, if it is in the future: the end of `Retry-After` or of the backoff,
    /// whichever is later.
    #[must_use]
    pub fn next_attempt_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.demanded_until(now)
            .max(pending(self.backoff_until, now))
    }
}

fn pending(until: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    until.filter(|until| *until > now && until.since(now) <= MAX_WAIT)
}

#[cfg(test)]
mod tests;
