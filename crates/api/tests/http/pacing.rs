//! Failing vendors: `Retry-After`, backoff and their representation in `GET /api/v1/vendors`.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::pacing::{RetryAfter, VendorPause};
use domain::ports::FeedError;
use domain::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::fixture::TestServer;

async fn sync(server: &TestServer) -> Reply {
    server
        .send("POST", "/api/v1/vendors/vendor-a/sync", "", b"")
        .await
}

async fn shown(server: &TestServer) -> Value {
    let page = server.get("/api/v1/vendors").await.json();
    page["items"][1].clone()
}

fn retry_later(delay: Duration) -> FeedError {
    FeedError::RetryLater {
        reason: "the vendor responded with 429 Too Many Requests".to_owned(),
        retry_after: RetryAfter::new(delay).unwrap(),
    }
}

fn with_vendor() -> TestServer {
    let server = TestServer::start();
    server.store.register_vendor("vendor-a", 7);
    server
}

fn pause(server: &TestServer, pause: impl FnOnce(Timestamp) -> VendorPause) {
    let mut rows = server.store.0.lock().unwrap();
    let pause = pause(rows.now());
    rows.pauses
        .insert(VendorId::parse("vendor-a").unwrap(), pause);
}

#[tokio::test]
async fn vendor_with_retry_after_gets_no_request_before_it_elapses() {
    let server = with_vendor();
    server.feed.fail(retry_later(Duration::from_millis(59_500)));
    let first = sync(&server).await;
    first.problem(502, "vendor-unavailable");
    assert_eq!(first.header("retry-after"), Some("60"));
    let listed = shown(&server).await;
    assert_eq!(listed["last_sync"]["status"], "FAILED");
    assert_eq!(listed["consecutive_failures"], 1);
    let until = listed["next_attempt_at"].as_str().unwrap();

    let second = sync(&server).await;
    let problem = second.problem(502, "vendor-unavailable");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("Retry-After") && detail.contains(until),
        "{detail}"
    );
    assert_eq!(second.header("retry-after"), Some("60"));
    assert_eq!(server.feed.fetches(), 1);
    assert_eq!(shown(&server).await["consecutive_failures"], 1);
}

#[tokio::test]
async fn vendor_in_backoff_gets_a_request_on_demand() {
    let server = with_vendor();
    pause(&server, |now| VendorPause {
        failures: 4,
        not_before: Some(now),
        backoff_until: Some(now.plus(Duration::from_secs(200))),
    });
    let listed = shown(&server).await;
    assert_eq!(listed["consecutive_failures"], 4);
    assert!(listed["next_attempt_at"].is_string(), "{listed}");

    server
        .feed
        .fail(FeedError::Unavailable("refused".to_owned()));
    let failed = sync(&server).await;
    failed.problem(502, "vendor-unavailable");
    assert_eq!(failed.header("retry-after"), None);
    assert_eq!(server.feed.fetches(), 1);
    assert_eq!(shown(&server).await["consecutive_failures"], 5);

    server.feed.report(None, &["SKU-1"]);
    assert_eq!(sync(&server).await.status, 200);
    let listed = shown(&server).await;
    assert_eq!(listed["consecutive_failures"], 0);
    assert_eq!(listed["next_attempt_at"], json!(null));
}

#[tokio::test]
async fn next_attempt_is_the_later_of_retry_after_and_backoff() {
    let server = with_vendor();
    let (sooner, later) = (Duration::from_secs(10), Duration::from_secs(20));
    for (retry_after, backoff) in [(sooner, later), (later, sooner)] {
        let mut expected = None;
        pause(&server, |now| {
            expected = Some(now.plus(later).to_string());
            VendorPause {
                failures: 2,
                not_before: Some(now.plus(retry_after)),
                backoff_until: Some(now.plus(backoff)),
            }
        });
        let listed = shown(&server).await;
        assert_eq!(listed["next_attempt_at"].as_str(), expected.as_deref());
    }
}
