//! Responses with `Retry-After`.

use std::time::Duration;

use domain::ports::{FeedError, VendorFeed as _};
use mock_vendor::Fault;

use super::canned::CannedServer;
use super::{feed_with_retries, unavailable, vendor};

/// Fetches once, asserts that one request was sent, and returns the delay of the response in seconds.
async fn delay_s(status: &str, headers: &str) -> u64 {
    let server = CannedServer::start(status, headers).await;
    let failure = feed_with_retries(&server.url(), 5).fetch().await;
    let Err(FeedError::RetryLater {
        reason,
        retry_after,
    }) = failure
    else {
        panic!("expected a delay, got {failure:?}");
    };
    assert!(reason.contains(&status[..3]), "{reason}");
    assert_eq!(server.requests(), 1);
    retry_after.span().as_secs()
}

#[tokio::test]
async fn response_with_retry_after_ends_the_fetch() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let date =
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
        for (headers, expected) in [
            ("Retry-After: 1\r\n", 1),
            ("Retry-After: 3600\r\n", 3_600),
            (date, 60),
            ("Retry-After: 99999999999999999999\r\n", 86_400),
        ] {
            assert_eq!(delay_s(status, headers).await, expected, "{headers}");
        }
    }
}

#[tokio::test]
async fn date_is_relative_to_the_clock_if_the_response_has_no_date() {
    let far = "Retry-After: Sat, 01 Jan 2050 00:00:00 GMT\r\n";
    assert_eq!(delay_s("429 Too Many Requests", far).await, 86_400);

    let past = "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let server = CannedServer::start("429 Too Many Requests", past).await;
    unavailable(&feed_with_retries(&server.url(), 1)).await;
    assert_eq!(server.requests(), 2, "a past date is not a delay");
}

#[tokio::test]
async fn retry_after_is_not_retried_within_a_fetch() {
    let vendor = vendor();
    let feed = feed_with_retries(&vendor.url(), 5);
    vendor.set_fault(Fault::RetryAfter {
        status: 429,
        value: "60".to_owned(),
    });
    for requests in 1..=2 {
        let failure = feed.fetch().await.unwrap_err();
        let span = failure.retry_after().unwrap().span();
        assert_eq!(span, Duration::from_mins(1));
        assert_eq!(vendor.requests(), requests);
    }
}

#[tokio::test]
async fn malformed_and_misplaced_values_are_ignored() {
    for (status, value) in [
        ("429 Too Many Requests", "soon"),
        ("503 Service Unavailable", "-1"),
        ("503 Service Unavailable", "0"),
        ("500 Internal Server Error", "60"),
    ] {
        let server = CannedServer::start(status, &format!("Retry-After: {value}\r\n")).await;
        unavailable(&feed_with_retries(&server.url(), 1)).await;
        assert_eq!(server.requests(), 2, "{status} {value}");
    }
    let choices = "Location: /elsewhere\r\nRetry-After: 60\r\n";
    let server = CannedServer::start("300 Multiple Choices", choices).await;
    unavailable(&feed_with_retries(&server.url(), 1)).await;
    assert_eq!(server.requests(), 1);
}
