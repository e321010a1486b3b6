//! Feeds of vendors that fail.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use mock_vendor::{Fault, MockVendor};

use super::{STOCK, feed, feed_with, feed_with_retries, malformed, unavailable, units_of, vendor};

#[tokio::test]
async fn transient_failures_are_retried_the_configured_number_of_times() {
    for fault in [
        Fault::Status { status: 500 },
        Fault::Status { status: 503 },
        Fault::Status { status: 429 },
        Fault::Truncate,
    ] {
        let vendor = vendor();
        let feed = feed_with_retries(&vendor.url(), 2);
        vendor.set_fault_times(fault.clone(), 2);
        assert_eq!(units_of(&feed, "1").await, Some(50), "{fault:?}");
        assert_eq!(vendor.requests(), 3, "{fault:?}");
        vendor.set_fault(fault.clone());
        unavailable(&feed).await;
        assert_eq!(vendor.requests(), 6, "{fault:?}");
    }
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    let vendor = vendor();
    let feed = feed_with_retries(&vendor.url(), 2);
    for (number, status) in [400, 401, 404, 204, 304].into_iter().enumerate() {
        vendor.set_fault(Fault::Status { status });
        let problem = unavailable(&feed).await;
        assert!(problem.contains(&status.to_string()), "{problem}");
        assert_eq!(vendor.requests(), number as u64 + 1, "{status}");
    }
    vendor.set_fault(Fault::Garbage);
    let problem = malformed(&feed).await;
    assert!(problem.contains("HTML or XML, expected JSON"), "{problem}");
    assert_eq!(vendor.requests(), 6);
}

#[tokio::test]
async fn refused_connection_is_retried() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let feed = feed_with_retries(&format!("http://{address}/stock"), 10);
    let late = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        MockVendor::start("/stock", STOCK, address).unwrap()
    });
    assert_eq!(units_of(&feed, "1").await, Some(50));
    late.await.unwrap().stop().await;
    let feed = super::feed(&format!("http://{address}/stock"));
    let problem = unavailable(&feed).await;
    assert!(problem.to_lowercase().contains("refused"), "{problem}");
    assert!(!problem.contains("http://"), "{problem}");
}

#[tokio::test]
async fn timeout_covers_the_body_and_retries() {
    for (fault, retries) in [
        (Fault::Hang, 0),
        (Fault::Hang, 5),
        (Fault::Delay { ms: 5_000 }, 0),
        (Fault::Status { status: 500 }, 10),
        (Fault::Stall, 5),
    ] {
        let vendor = vendor();
        vendor.set_fault(fault.clone());
        let feed = feed_with(&vendor.url(), |options| {
            options.timeout = Duration::from_millis(400);
            options.retries = retries;
        });
        let started = Instant::now();
        let problem = unavailable(&feed).await;
        let mut expected = vec!["no complete response within 400ms"];
        if retries == 10 {
            expected.push("last failure: the vendor responded with 500");
        }
        for part in expected {
            assert!(problem.contains(part), "{fault:?}: {problem}");
        }
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(400), "{fault:?}: {took:?}");
        assert!(took < Duration::from_secs(2), "{fault:?}: {took:?}");
    }
}

#[tokio::test]
async fn response_within_the_timeout_is_accepted() {
    let vendor = vendor();
    vendor.set_fault(Fault::Delay { ms: 200 });
    assert_eq!(units_of(&feed(&vendor.url()), "1").await, Some(50));
}

#[tokio::test]
async fn report_larger_than_the_limit_is_rejected() {
    let vendor = vendor();
    let whole = r#"[{"productId":"1","quantity":50},{"productId":"2","quantity":100}]"#;
    let limited = |max_bytes: usize| {
        feed_with(&vendor.url(), |options| {
            options.decode.max_bytes = max_bytes as u64;
            options.retries = 2;
        })
    };
    assert_eq!(units_of(&limited(whole.len()), "1").await, Some(50));
    let limit = whole.len() - 1;
    let problem = malformed(&limited(limit)).await;
    let expected = format!("the report is larger than {limit} bytes (decode.max_bytes)");
    assert_eq!(problem, expected);
    assert_eq!(vendor.requests(), 2);
    // This response has no Content-Length.
    vendor.set_fault(Fault::Huge);
    let problem = malformed(&limited(1_000_000)).await;
    assert_eq!(
        problem,
        "the report is larger than 1000000 bytes (decode.max_bytes)"
    );
    assert_eq!(vendor.requests(), 3);
}

#[tokio::test]
async fn vendor_without_tls_is_unavailable_over_https() {
    let vendor = vendor();
    let feed = feed(&vendor.url().replace("http://", "https://"));
    unavailable(&feed).await;
    assert_eq!(vendor.requests(), 0);
}
