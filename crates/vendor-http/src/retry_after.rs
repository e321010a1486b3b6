//! The field `Retry-After` (RFC 9110, section 10.2.3).

use std::time::Duration;

use domain::pacing::RetryAfter;
use domain::ports::Clock;
use domain::timestamp::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::times;

/// Reads the time for which the vendor demands to get no request. Only 429 and 503 say so: in a redirect the field is about
/// the redirected request, which is not sent. Values that cannot be read are ignored; of several the longest counts.
///
/// A date is compared with the `Date` of the same response, so that a vendor whose clock is wrong gets what it means.
pub(crate) fn demanded(
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
        seconds(text).or_else(|| Some(Timestamp::parse_http_date(text).ok()?.since(now())))
    });
    spans.max().and_then(RetryAfter::new)
}

/// A number of seconds; one that is too large to be read counts as the largest.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().map_or(Duration::MAX, Duration::from_secs))
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

    /// The demand of a 429, in seconds.
    fn demand(values: &[&str], date: Option<&str>) -> Option<u64> {
        let headers = headers(values, date);
        let demanded = demanded(StatusCode::TOO_MANY_REQUESTS, &headers, &FixedClock);
        demanded.map(|demand| demand.span().as_secs())
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(demand(&["60"], None), Some(60));
        assert_eq!(demand(&[" 007 "], None), Some(7));
        // Relative to the Date of the response, and without one to this process's clock.
        let date = Some("Sun, 06 Nov 2022 08:49:37 GMT");
        assert_eq!(demand(&["Sun, 06 Nov 2022 08:50:37 GMT"], date), Some(60));
        assert_eq!(demand(&["Sun, 06 Nov 1994 08:51:37 GMT"], None), Some(120));
        assert_eq!(demand(&["Sunday, 06-Nov-94 08:49:47 GMT"], None), Some(10));
        assert_eq!(demand(&["Sun Nov  6 08:49:38 1994"], None), Some(1));
        let unreadable = Some("yesterday");
        assert_eq!(
            demand(&["Sun, 06 Nov 1994 08:51:37 GMT"], unreadable),
            Some(120)
        );
    }

    #[test]
    fn a_demand_is_at_most_a_day_and_a_past_one_is_none() {
        let day = 24 * 60 * 60;
        for long in [
            "86401",
            "31536000",
            "18446744073709551616",
            "Sat, 01 Jan 2050 00:00:00 GMT",
        ] {
            assert_eq!(demand(&[long], None), Some(day), "{long}");
        }
        for past in [
            "0",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sat, 05 Nov 1994 00:00:00 GMT",
        ] {
            assert_eq!(demand(&[past], None), None, "{past}");
        }
    }

    #[test]
    fn malformed_values_are_ignored() {
        for wrong in [
            "",
            "-1",
            "+5",
            "1.5",
            "60s",
            "60, 120",
            "soon",
            "0x10",
            "Sun, 06 Nov",
        ] {
            assert_eq!(demand(&[wrong], None), None, "{wrong:?}");
        }
        assert_eq!(demand(&["soon", "5", "60"], None), Some(60));
    }

    #[test]
    fn only_429_and_503_demand_something() {
        let headers = headers(&["60"], None);
        for status in [200, 201, 301, 302, 304, 307, 400, 401, 404, 500, 502, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(demanded(status, &headers, &FixedClock), None, "{status}");
        }
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let span = demanded(status, &headers, &FixedClock).map(RetryAfter::span);
        assert_eq!(span, Some(Duration::from_mins(1)));
    }
}
