//! What a feed makes of `Retry-After`.

use std::time::Duration;

use domain::ports::{FeedError, VendorFeed as _};
use mock_vendor::Fault;

use super::canned::Canned;
use super::{feed_with_retries, unavailable, vendor};

/// The demand of a vendor that gets one request, in seconds.
async fn demanded(status: &str, headers: &str) -> u64 {
    let server = Canned::start(status, headers).await;
    let failure = feed_with_retries(&server.url(), 5).fetch().await;
    let Err(FeedError::RetryLater {
        reason,
        retry_after,
    }) = failure
    else {
        panic!("expected a demand, got {failure:?}");
    };
    assert!(reason.contains(&status[..3]), "{reason}");
    assert_eq!(server.requests(), 1);
    retry_after.span().as_secs()
}

#[tokio::test]
async fn a_response_with_retry_after_ends_the_fetch_at_once() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        assert_eq!(demanded(status, "Retry-After: 1\r\n").await, 1);
        assert_eq!(demanded(status, "Retry-After: 3600\r\n").await, 3_600);
        let date =
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
        assert_eq!(demanded(status, date).await, 60);
        assert_eq!(
            demanded(status, "Retry-After: 99999999999999999999\r\n").await,
            86_400
        );
    }
}

#[tokio::test]
async fn a_date_without_the_date_of_the_response_is_compared_with_the_clock() {
    let far = "Retry-After: Sat, 01 Jan 2050 00:00:00 GMT\r\n";
    assert_eq!(demanded("429 Too Many Requests", far).await, 86_400);

    let past = "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let server = Canned::start("429 Too Many Requests", past).await;
    unavailable(&feed_with_retries(&server.url(), 1)).await;
    assert_eq!(server.requests(), 2, "nothing is demanded any more");
}

#[tokio::test]
async fn a_retry_that_is_refused_with_retry_after_is_the_last_one() {
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
async fn malformed_and_misplaced_values_demand_nothing() {
    for (status, value) in [
        ("429 Too Many Requests", "soon"),
        ("503 Service Unavailable", "-1"),
        ("503 Service Unavailable", "0"),
        ("500 Internal Server Error", "60"),
    ] {
        let server = Canned::start(status, &format!("Retry-After: {value}\r\n")).await;
        unavailable(&feed_with_retries(&server.url(), 1)).await;
        assert_eq!(server.requests(), 2, "{status} {value}");
    }
    let redirect = "Location: /elsewhere\r\nRetry-After: 60\r\n";
    let server = Canned::start("302 Found", redirect).await;
    unavailable(&feed_with_retries(&server.url(), 1)).await;
    assert_eq!(server.requests(), 1);
}
