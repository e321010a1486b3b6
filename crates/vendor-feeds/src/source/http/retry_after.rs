//! The header `Retry-After` (RFC 9110, section 10.2.3).

use domain::pacing::RetryAfter;
use domain::ports::Clock;
use domain::timestamp::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::times;

/// Parses the time for which the vendor wants no further request. Only 429 and 503 are considered: in a redirect the header
/// is about the redirected request, which is not sent. Malformed values are ignored; of several values the longest is used.
///
/// A date is relative to the `Date` of the same response, so that the delay does not depend on the vendor's clock.
pub(super) fn parse(
    status: StatusCode,
    headers: &HeaderMap,
    clock: &dyn Clock,
) -> Option<RetryAfter> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let now = || times::date(headers).unwrap_or_else(|| clock.now());
    let values = headers.get_all(RETRY_AFTER).iter();
    let spans = values.filter_map(|value| {
        let text = value.to_str().ok()?.trim();
        times::seconds(text).or_else(|| Some(Timestamp::parse_http_date(text).ok()?.since(now())))
    });
    spans.max().and_then(RetryAfter::new)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use reqwest::header::{DATE, HeaderValue};

    use super::*;

    /// 1994-11-06T08:49:37Z.
    const CLOCK: Timestamp = Timestamp::from_micros(784_111_777_000_000);

    struct FixedClock;

    #[async_trait]
    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            CLOCK
        }

        async fn sleep(&self, _span: Duration) {}
    }

    fn headers(values: &[&str], date: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        headers
    }

    /// The delay of a 429 response, in seconds.
    fn delay_s(values: &[&str], date: Option<&str>) -> Option<u64> {
        let headers = headers(values, date);
        let delay = parse(StatusCode::TOO_MANY_REQUESTS, &headers, &FixedClock);
        delay.map(|delay| delay.span().as_secs())
    }

    #[test]
    fn seconds_and_dates_are_parsed() {
        assert_eq!(delay_s(&["60"], None), Some(60));
        assert_eq!(delay_s(&[" 007 "], None), Some(7));
        // Relative to the `Date` of the response, or to the clock of this process without a `Date`.
        let date = Some("Sun, 06 Nov 2022 08:49:37 GMT");
        assert_eq!(delay_s(&["Sun, 06 Nov 2022 08:50:37 GMT"], date), Some(60));
        assert_eq!(delay_s(&["Sun, 06 Nov 1994 08:51:37 GMT"], None), Some(120));
        assert_eq!(delay_s(&["Sunday, 06-Nov-94 08:49:47 GMT"], None), Some(10));
        assert_eq!(delay_s(&["Sun Nov  6 08:49:38 1994"], None), Some(1));
        let (later, unreadable) = ("Sun, 06 Nov 1994 08:51:37 GMT", Some("yesterday"));
        assert_eq!(delay_s(&[later], unreadable), Some(120));
    }

    #[test]
    fn delay_is_at_most_one_day_and_none_if_past() {
        let day = 24 * 60 * 60;
        for (value, expected) in [
            ("86401", Some(day)),
            ("31536000", Some(day)),
            ("18446744073709551616", Some(day)),
            ("Sat, 01 Jan 2050 00:00:00 GMT", Some(day)),
            ("0", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sat, 05 Nov 1994 00:00:00 GMT", None),
        ] {
            assert_eq!(delay_s(&[value], None), expected, "{value}");
        }
    }

    #[test]
    fn malformed_values_are_ignored() {
        let invalid = [
            "",
            "-1",
            "+5",
            "1.5",
            "60s",
            "60, 120",
            "soon",
            "0x10",
            "Sun, 06 Nov",
        ];
        for invalid in invalid {
            assert_eq!(delay_s(&[invalid], None), None, "{invalid:?}");
        }
        assert_eq!(delay_s(&["soon", "5", "60"], None), Some(60));
    }

    #[test]
    fn only_429_and_503_are_considered() {
        let headers = headers(&["60"], None);
        for status in [200, 201, 301, 302, 304, 307, 400, 401, 404, 500, 502, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(parse(status, &headers, &FixedClock), None, "{status}");
        }
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let span = parse(status, &headers, &FixedClock).map(RetryAfter::span);
        assert_eq!(span, Some(Duration::from_mins(1)));
    }
}
