//! The decision when a vendor is requested again after its report could not be read.

use std::time::Duration;

use crate::identifiers::VendorId;
use crate::timestamp::Timestamp;

/// Longest time for which a vendor's own wish to be left alone is honoured.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Longest pause that failures alone lead to, unless the vendor's interval is longer.
pub const MAX_BACKOFF: Duration = Duration::from_mins(10);

/// Shortest interval that pauses grow from.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A vendor's pause between requests, which its failures led to. None of it is left after a success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VendorPause {
    /// Failures since the last success.
    pub failures: u32,
    /// The vendor asked not to be requested before this time (`Retry-After`): nothing requests it earlier.
    pub not_before: Option<Timestamp>,
    /// When the vendor is requested next by schedule, never before `not_before`. A sync on demand need not wait for it.
    pub next_attempt_at: Option<Timestamp>,
}

impl VendorPause {
    /// The pause after one more failure at `now`. `interval` is the time between two syncs of the vendor, `retry_after`
    /// the time that the vendor asked for.
    ///
    /// The pause doubles with each failure, from the interval to [`MAX_BACKOFF`], and is up to a quarter longer, by the
    /// vendor and the number of failures: vendors that failed together are not requested together again, and every
    /// process decides the same.
    #[must_use]
    pub fn after_failure(
        self,
        vendor_id: &VendorId,
        now: Timestamp,
        interval: Duration,
        retry_after: Option<Duration>,
    ) -> Self {
        let failures = self.failures.saturating_add(1);
        let not_before = retry_after.map(|wish| now.plus(wish.min(MAX_RETRY_AFTER)));
        let next = now.plus(backoff(vendor_id, failures, interval));
        Self {
            failures,
            not_before,
            next_attempt_at: Some(not_before.map_or(next, |moment| moment.max(next))),
        }
    }

    /// Until when the vendor must not be requested; none if it may be requested at `now`.
    #[must_use]
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|moment| now < *moment)
    }
}

fn backoff(vendor_id: &VendorId, failures: u32, interval: Duration) -> Duration {
    let interval = interval.max(MIN_INTERVAL);
    let longest = interval.max(MAX_BACKOFF);
    let doublings = failures.saturating_sub(1).min(31);
    let grown = interval.saturating_mul(1 << doublings).min(longest);
    let jitter = grown.mul_f64(0.25 * spread(vendor_id, failures));
    grown.saturating_add(jitter).min(longest)
}

/// A number from 0 to 1 that differs from vendor to vendor and from failure to failure (FNV-1a).
fn spread(vendor_id: &VendorId, failures: u32) -> f64 {
    let bytes = vendor_id.as_str().bytes().chain(failures.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    f64::from(hash) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn vendor() -> VendorId {
        VendorId::parse("vendor-a").unwrap()
    }

    fn pauses(interval: Duration, count: usize) -> Vec<Duration> {
        let mut pause = VendorPause::default();
        let next = || {
            pause = pause.after_failure(&vendor(), NOW, interval, None);
            pause.next_attempt_at.unwrap().since(NOW)
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600];
        let pauses = pauses(Duration::from_secs(1), expected.len());
        for (pause, expected) in pauses.iter().zip(expected) {
            let (shortest, longest) = (f64::from(expected), 1.25 * f64::from(expected));
            let seconds = pause.as_secs_f64();
            assert!((shortest..=longest).contains(&seconds), "{pauses:?}");
            assert!(*pause <= MAX_BACKOFF, "{pauses:?}");
        }
    }

    #[test]
    fn an_interval_above_ten_minutes_stays_as_it_is() {
        let day = Duration::from_hours(24);
        assert_eq!(pauses(day, 3), [day; 3]);
    }

    #[test]
    fn a_vendor_is_not_requested_before_the_time_that_it_asks_for() {
        let minute = Duration::from_mins(1);
        let asked = |retry_after| {
            let every = Duration::from_secs(1);
            VendorPause::default().after_failure(&vendor(), NOW, every, Some(retry_after))
        };
        let pause = asked(minute);
        let until = NOW.plus(minute);
        assert_eq!(pause.not_before, Some(until));
        assert_eq!(pause.next_attempt_at, Some(until));
        assert_eq!(pause.blocked_until(NOW), Some(until));
        assert_eq!(pause.blocked_until(until), None);
        let absurd = asked(Duration::from_secs(u64::MAX));
        assert_eq!(absurd.not_before, Some(NOW.plus(MAX_RETRY_AFTER)));
        // The next failure says nothing of it.
        let later = pause.after_failure(&vendor(), until, minute, None);
        assert_eq!(later.not_before, None);
        assert_eq!(later.failures, 2);
    }

    proptest! {
        #[test]
        fn a_pause_lies_between_the_interval_and_the_longest(
            failures in 0_u32..,
            interval_ms in 1_u64..100_000_000,
            retry_after_s in prop::option::of(0_u64..),
            name in "[a-z]{1,9}",
        ) {
            let vendor_id = VendorId::parse(name).unwrap();
            let interval = Duration::from_millis(interval_ms);
            let before = VendorPause { failures, ..VendorPause::default() };
            let wish = retry_after_s.map(Duration::from_secs);
            let pause = before.after_failure(&vendor_id, NOW, interval, wish);
            let next = pause.next_attempt_at.unwrap().since(NOW);
            prop_assert!(next >= interval);
            let longest = interval.max(MAX_BACKOFF);
            let wished = wish.unwrap_or_default().min(MAX_RETRY_AFTER);
            prop_assert!(next <= longest.max(wished));
            prop_assert!(next >= wished);
        }
    }
}
