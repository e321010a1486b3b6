//! Tests of the pacing decisions, mostly by property.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn failure(now: Timestamp, retry_after: Option<u64>) -> VendorFailure {
    VendorFailure {
        now,
        retry_after: retry_after.and_then(|seconds| RetryAfter::new(Duration::from_secs(seconds))),
        interval: Some(SECOND),
        jitter: Jitter::new(u32::MAX),
    }
}

/// Any interval that the settings allow.
fn interval() -> impl Strategy<Value = Duration> {
    (1_000_u64..=86_400_000).prop_map(Duration::from_millis)
}

proptest! {
    #[test]
    fn a_backoff_is_within_its_bounds(failures in 1_u32.., interval in interval(), jitter: u32) {
        let span = backoff(failures, interval, Jitter::new(jitter));
        let longest = interval.max(MAX_BACKOFF);
        prop_assert!((interval..=longest).contains(&span), "{span:?}");
        let full = interval.saturating_mul(2_u32.saturating_pow(failures));
        prop_assert!(span <= full && span + SECOND >= full.min(longest) / 2, "{span:?}");
    }

    #[test]
    fn a_backoff_does_not_shrink_with_more_failures(failures in 1_u32..100, interval in interval(), jitter: u32) {
        let span = |failures| backoff(failures, interval, Jitter::new(jitter));
        prop_assert!(span(failures) <= span(failures + 1));
    }

    #[test]
    fn the_next_attempt_is_after_retry_after_and_within_a_day(
        seconds: u64, before in 0_u32..50, interval in interval(), jitter: u32,
    ) {
        let retry_after = RetryAfter::new(Duration::from_secs(seconds));
        let failure = VendorFailure { now: NOW, retry_after, interval: Some(interval), jitter: Jitter::new(jitter) };
        let previous = VendorPause { failures: before, not_before: None, backoff_until: None };
        let pause = VendorPause::after_failure(Some(previous), failure);
        prop_assert_eq!(pause.failures, before + 1);
        let next = pause.next_attempt_at(NOW).unwrap();
        prop_assert!(next >= NOW.plus(interval) && next <= NOW.plus(MAX_WAIT));
        if let Some(retry_after) = retry_after {
            prop_assert!(next >= NOW.plus(retry_after.span()));
            prop_assert_eq!(retry_after.span(), Duration::from_secs(seconds).min(MAX_WAIT));
        }
    }

    #[test]
    fn a_pending_retry_after_survives_other_failures(first in 1_u64..86_400, second in 0_u64..200_000, later in 0_u64..90_000) {
        let pause = VendorPause::after_failure(None, failure(NOW, Some(first)));
        let now = NOW.plus(Duration::from_secs(later));
        let next = VendorPause::after_failure(Some(pause), failure(now, Some(second)));
        let ends = [NOW.plus(SECOND * u32::try_from(first).unwrap()), now.plus(Duration::from_secs(second).min(MAX_WAIT))];
        let expected = ends.into_iter().filter(|end| *end > now).max();
        prop_assert_eq!(next.demanded_until(now), expected);
    }
}

#[test]
fn the_interval_doubles_with_each_consecutive_failure_up_to_five_minutes() {
    let seconds = |failures, jitter| backoff(failures, SECOND, Jitter::new(jitter)).as_secs();
    let shortest: Vec<u64> = (1..=10).map(|failures| seconds(failures, 0)).collect();
    assert_eq!(shortest, [1, 2, 4, 8, 16, 32, 64, 128, 150, 150]);
    let longest: Vec<u64> = (1..=10)
        .map(|failures| seconds(failures, u32::MAX) + 1)
        .collect();
    assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let hour = Duration::from_hours(1);
    assert_eq!(backoff(7, hour, Jitter::new(0)), hour);
}

#[test]
fn a_pause_is_over_at_its_end() {
    let pause = VendorPause::after_failure(None, failure(NOW, Some(60)));
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert_eq!(pause.next_attempt_at(NOW), Some(at(60)));
    assert_eq!(pause.demanded_until(at(59)), Some(at(60)));
    assert_eq!(pause.next_attempt_at(at(60)), None);
}

#[test]
fn a_pause_that_ends_too_far_in_the_future_is_ignored() {
    let year_ahead = NOW.plus(Duration::from_hours(24 * 365));
    let pause = VendorPause::after_failure(None, failure(year_ahead, Some(60)));
    assert_eq!(pause.next_attempt_at(NOW), None);
    assert_eq!(pause.demanded_until(NOW), None);
}

#[test]
fn a_retry_after_of_zero_is_none() {
    assert_eq!(RetryAfter::new(Duration::ZERO), None);
    assert_eq!(RetryAfter::new(Duration::MAX), Some(RetryAfter::MAX));
}

#[test]
fn jitter_differs_between_vendors_and_between_instants() {
    let derive = |id: &str, now| Jitter::derive(&VendorId::parse(id).unwrap(), now);
    assert_eq!(derive("v", NOW), derive("v", NOW));
    assert_ne!(derive("v", NOW), derive("w", NOW));
    assert_ne!(derive("v", NOW), derive("v", NOW.plus(SECOND)));
}
