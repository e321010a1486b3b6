//! Rate limits of callers.

use std::num::NonZeroU32;
use std::time::Duration;

use api::RateLimit;
use api_keys::{ApiKey, Grant, KeyHash, Role};

use crate::client::Reply;
use crate::fixture::TestServer;

/// Window of the limit, longer than any test.
const PER: Duration = Duration::from_hours(1);

fn key(name: &str, text: &str) -> ApiKey {
    ApiKey {
        name: name.to_owned(),
        hash: KeyHash::of(text.as_bytes()),
        grant: Grant::Roles(vec![Role::Customer]),
    }
}

fn server(requests: u32, keys: Vec<ApiKey>) -> TestServer {
    TestServer::start_with(|options| {
        let requests = NonZeroU32::new(requests).unwrap();
        options.rate_limit = Some(RateLimit { requests, per: PER });
        options.keys = keys;
    })
}

#[track_caller]
fn assert_limited(reply: &Reply) {
    reply.problem(429, "rate-limited");
    let wait_s: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=1_200).contains(&wait_s), "{wait_s}");
    assert_eq!(
        reply.header("ratelimit-policy"),
        Some("\"default\";q=3;w=3600")
    );
    let quota = reply.header("ratelimit").unwrap();
    assert_eq!(quota, format!("\"default\";r=0;t={wait_s}"));
}

#[tokio::test]
async fn responses_report_the_remaining_quota_until_it_is_exhausted() {
    let server = server(3, Vec::new());
    for (path, status, left) in [
        ("/api/v1/orders", 200, 2),
        ("/api/v1/orders/x", 400, 1),
        ("/api/v1/nowhere", 404, 0),
    ] {
        let reply = server.get(path).await;
        assert_eq!(reply.status, status);
        let quota = format!("\"default\";r={left};t=1200");
        assert_eq!(reply.header("ratelimit"), Some(&*quota), "{path}");
        assert_eq!(
            reply.header("ratelimit-policy"),
            Some("\"default\";q=3;w=3600")
        );
        assert_eq!(reply.header("retry-after"), None);
    }
    assert_limited(&server.get("/api/v1/orders").await);
    assert_limited(&server.post(r#"{"product_id": "a", "quantity": 1}"#).await);
    assert_eq!(server.order_count(), 0);

    // Probes and pages are not limited.
    for path in ["/healthz", "/readyz", "/docs", "/problems/rate-limited"] {
        let reply = server.get(path).await;
        assert_eq!(
            (reply.status, reply.header("ratelimit")),
            (200, None),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_key_holder_has_its_own_limit() {
    let keys = vec![key("a", "oa_a"), key("b", "oa_b"), key("b", "oa_b2")];
    let server = server(3, keys);
    let get = async |key: &str| {
        let head = format!("Authorization: Bearer {key}\r\n");
        server.send("GET", "/api/v1/orders", &head, b"").await
    };
    // Requests with an unknown key use no quota and get no rate limit headers.
    for _ in 0..5 {
        let reply = get("oa_unknown").await;
        assert_eq!((reply.status, reply.header("ratelimit")), (401, None));
    }
    for _ in 0..3 {
        assert_eq!(get("oa_a").await.status, 200);
    }
    assert_limited(&get("oa_a").await);
    // Two keys of one holder share a limit.
    for key in ["oa_b", "oa_b2", "oa_b"] {
        assert_eq!(get(key).await.status, 200);
    }
    assert_limited(&get("oa_b2").await);
    assert_limited(&get("oa_b").await);
}

#[tokio::test]
async fn without_a_limit_there_are_no_rate_limit_headers() {
    let server = TestServer::start();
    let reply = server.get("/api/v1/orders").await;
    assert_eq!(reply.header("ratelimit"), None);
    assert_eq!(reply.header("ratelimit-policy"), None);
}
