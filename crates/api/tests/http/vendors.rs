//! `GET /api/v1/vendors` and `POST /api/v1/vendors/{vendor_id}/sync`.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{FeedError, OperatorPause};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Reply;
use crate::fake_feed::LAG;
use crate::fake_unit_of_work::LAST_AS_OF;
use crate::fixture::{JSON, TestServer, bytes};

const SYNC: &str = "/api/v1/vendors/vendor-a/sync";

/// Starts a server whose vendor-a is registered.
fn with_vendor() -> TestServer {
    let server = TestServer::start();
    server.store.register_vendor("vendor-a", 7);
    server
}

async fn sync(server: &TestServer) -> Reply {
    server.send("POST", SYNC, "", b"").await
}

async fn vendors(server: &TestServer) -> Vec<Value> {
    let page = server.get("/api/v1/vendors").await.json();
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn vendors_are_listed_by_id_with_their_last_sync() {
    let server = TestServer::start();
    let never = json!({
        "status": "NEVER", "finished_at": null, "duration_ms": null, "received": null, "changed": null, "error": null,
    });
    let page = server.get("/api/v1/vendors").await.json();
    assert_eq!(
        page,
        json!({"items": [
            {
                "vendor_id": "seed", "url": null, "products": 0, "last_sync": never, "as_of": null, "evidence": null,
                "evidence_reason": null, "clock_skew_ms": null, "lag_ms": 0, "age_ms": null,
                "max_age_ms": null, "expired": false, "next_attempt_at": null, "consecutive_failures": 0, "paused": null,
                "quarantine": null,
            },
            {
                "vendor_id": "vendor-a", "url": "http://vendor-a/stock", "products": 0, "last_sync": never, "as_of": null,
                "evidence": null, "evidence_reason": null, "clock_skew_ms": null, "lag_ms": 90_000, "age_ms": null,
                "max_age_ms": 600_000, "expired": false, "next_attempt_at": null, "consecutive_failures": 0, "paused": null,
                "quarantine": null,
            },
        ], "next_cursor": null})
    );

    server.store.register_vendor("vendor-a", 7);
    server.store.register_vendor("not-configured", 1);
    let listed = vendors(&server).await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1]["products"], 7);
    assert_eq!(listed[1]["last_sync"], never);
}

#[tokio::test]
async fn vendor_of_the_current_set_without_local_settings_is_listed() {
    let server = with_vendor();
    server.store.configure("newer", "http://newer/stock");
    server.store.configure("vendor-a", "http://elsewhere/");
    let listed = vendors(&server).await;
    let shown: Vec<_> = listed
        .iter()
        .map(|vendor| (&vendor["vendor_id"], &vendor["url"]))
        .collect();
    let (newer, seed, vendor_a) = (json!("newer"), json!("seed"), json!("vendor-a"));
    let (url, own_url) = (json!("http://newer/stock"), json!("http://vendor-a/stock"));
    assert_eq!(
        shown,
        [(&newer, &url), (&seed, &Value::Null), (&vendor_a, &own_url)]
    );
    assert_eq!(listed[0]["last_sync"]["status"], "NEVER");
}

#[tokio::test]
async fn vendor_paused_by_an_operator_is_shown_and_can_be_synced_on_demand() {
    let server = with_vendor();
    let vendor_id = VendorId::parse("vendor-a").unwrap();
    let paused = OperatorPause {
        since: LAST_AS_OF,
        reason: Some("stocktaking".to_owned()),
    };
    let rows = server.store.0.clone();
    rows.lock().unwrap().paused.insert(vendor_id, paused);
    let listed = vendors(&server).await[1].clone();
    let expected = json!({"since": LAST_AS_OF.to_string(), "reason": "stocktaking"});
    assert_eq!(listed["paused"], expected);
    assert_eq!(listed["consecutive_failures"], 0);
    assert_eq!(listed["next_attempt_at"], Value::Null);
    assert_eq!(sync(&server).await.json()["status"], "OK");
    assert_eq!(vendors(&server).await[1]["paused"], expected);
}

#[tokio::test]
async fn vendors_can_be_paged_and_streamed() {
    let server = with_vendor();
    let first = server.get("/api/v1/vendors?limit=1").await;
    assert_eq!(first.json()["items"][0]["vendor_id"], "seed");
    let link = first.header("link").unwrap();
    let next = link
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let second = server.get(next.unwrap()).await;
    assert_eq!(second.json()["items"][0]["vendor_id"], "vendor-a");
    assert_eq!(second.header("link"), None);

    let head = "Accept: application/x-ndjson\r\n";
    let lines = server.send("GET", "/api/v1/vendors", head, b"").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.body.split(|byte| *byte == b'\n').count(), 3);
    for wrong in ["limit=0", "cursor=x", "status=OK"] {
        let reply = server.get(&format!("/api/v1/vendors?{wrong}")).await;
        reply.problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn sync_on_demand_returns_its_result_and_becomes_the_last_sync() {
    let server = with_vendor();
    server.feed.report(None, &["SKU-1", "SKU-2", "SKU-3"]);
    let reply = sync(&server).await;
    assert_eq!(reply.status, 200);
    let result = reply.json();
    assert_eq!(
        result,
        json!({
            "vendor_id": "vendor-a", "status": "OK", "finished_at": result["finished_at"],
            "duration_ms": result["duration_ms"], "received": 3, "changed": 3, "error": null,
        })
    );
    let finished_at = result["finished_at"].as_str().unwrap();
    assert!(finished_at.ends_with('Z'), "{finished_at}");
    assert!(result["duration_ms"].is_u64());

    let mut last = vendors(&server).await[1]["last_sync"].clone();
    last["vendor_id"] = json!("vendor-a");
    assert_eq!(last, result);
}

#[tokio::test]
async fn report_older_than_the_applied_one_is_stale() {
    let server = with_vendor();
    let old = LAST_AS_OF.minus(Duration::from_secs(1));
    server.feed.report(Some(old), &["SKU-1"]);
    let reply = sync(&server).await;
    assert_eq!(reply.status, 200);
    let result = reply.json();
    assert_eq!(result["status"], "STALE");
    assert_eq!(
        (&result["received"], &result["changed"]),
        (&json!(1), &json!(0))
    );
    assert!(
        result["error"]
            .as_str()
            .unwrap()
            .contains("older than the applied report")
    );
    assert_eq!(vendors(&server).await[1]["last_sync"]["status"], "STALE");
}

#[tokio::test]
async fn vendors_show_the_evidence_of_their_reports() {
    let server = with_vendor();
    let as_of = LAST_AS_OF.plus(Duration::from_hours(1));
    server.feed.report(Some(as_of), &["SKU-1"]);
    sync(&server).await;
    let listed = vendors(&server).await[1].clone();
    let lagging = as_of.minus(LAG).to_string();
    assert_eq!(listed["as_of"], lagging, "{listed}");
    assert_eq!(listed["evidence"], "document");
    assert_eq!(listed["evidence_reason"], Value::Null);
    assert_eq!(listed["lag_ms"], 90_000);
    assert_eq!(
        listed["clock_skew_ms"],
        Value::Null,
        "the response has no Date"
    );
    assert!(listed["age_ms"].as_u64().unwrap() > 90_000, "{listed}");

    server.feed.report(None, &["SKU-1"]);
    assert_eq!(sync(&server).await.json()["status"], "OK");
    let listed = vendors(&server).await[1].clone();
    for name in ["as_of", "evidence", "age_ms"] {
        assert_eq!(listed[name], Value::Null, "{listed}");
    }
    let reason = listed["evidence_reason"].as_str().unwrap();
    assert!(reason.contains("no readable"), "{reason}");
}

#[tokio::test]
async fn report_that_is_not_ready_is_a_200() {
    let server = with_vendor();
    let reason = "the file stock.csv still grows";
    server.feed.fail(FeedError::NotReady(reason.to_owned()));
    let reply = sync(&server).await;
    assert_eq!(reply.status, 200);
    let result = reply.json();
    assert_eq!(result["status"], "NOT_READY");
    assert_eq!(result["error"], reason);
    let listed = vendors(&server).await[1].clone();
    assert_eq!(listed["last_sync"]["status"], "NOT_READY");
    assert_eq!(listed["consecutive_failures"], 0);
}

#[tokio::test]
async fn failed_sync_is_a_502_and_is_recorded() {
    let server = with_vendor();
    for (error, detail) in [
        (
            FeedError::Unavailable("connection refused".to_owned()),
            "connection refused",
        ),
        (
            FeedError::Malformed("no list at /items".to_owned().into()),
            "no list at /items",
        ),
    ] {
        server.feed.fail(error);
        let reply = sync(&server).await;
        let problem = reply.problem(502, "vendor-unavailable");
        let shown = problem["detail"].as_str().unwrap();
        assert!(
            shown.contains(detail) && shown.contains("vendor-a"),
            "{shown}"
        );
        let last = vendors(&server).await[1]["last_sync"].clone();
        assert_eq!(last["status"], "FAILED");
        assert_eq!(last["changed"], 0);
        assert!(last["error"].as_str().unwrap().contains(detail), "{last}");
    }
}

#[tokio::test]
async fn sync_of_an_invalid_or_unknown_vendor_is_refused() {
    let server = with_vendor();
    for (vendor_id, detail) in [
        ("unknown", "vendor not found"),
        ("Vendor-A", "vendor not found"),
        ("seed", "manually"),
    ] {
        let target = format!("/api/v1/vendors/{vendor_id}/sync");
        let problem = server.send("POST", &target, "", b"").await;
        let problem = problem.problem(404, "not-found");
        let shown = problem["detail"].as_str().unwrap();
        assert!(shown.contains(detail), "{shown}");
    }
    for vendor_id in ["%20", "a%00", "%ff", "%zz", &"x".repeat(129)] {
        let target = format!("/api/v1/vendors/{vendor_id}/sync");
        let reply = server.send("POST", &target, "", b"").await;
        reply.problem(400, "malformed-request");
    }
    let query = format!("{SYNC}?force=true");
    let reply = server.send("POST", &query, "", b"").await;
    reply.problem(400, "malformed-request");
    let encoded = "/api/v1/vendors/vendor%2Da/sync";
    assert_eq!(server.send("POST", encoded, "", b"").await.status, 200);
    assert_eq!(server.feed.fetches(), 1);
}

#[tokio::test]
async fn sync_before_a_worker_registers_the_vendor_is_unavailable() {
    let server = TestServer::start();
    let problem = sync(&server).await.problem(503, "unavailable");
    assert!(
        problem["detail"].as_str().unwrap().contains("vendor-a"),
        "{problem}"
    );
}

#[tokio::test]
async fn sync_accepts_no_body_or_an_empty_object() {
    let server = with_vendor();
    for (head, body, status) in [
        ("", "", 200),
        (JSON, "", 200),
        (JSON, "{}", 200),
        (JSON, " { } ", 200),
        (JSON, r#"{"full": true}"#, 422),
        (JSON, "[]", 422),
        (JSON, "{", 400),
        ("", "{}", 415),
        ("Content-Type: text/plain\r\n", "now", 415),
    ] {
        let reply = server.send("POST", SYNC, head, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{head} {body}");
    }
    assert_eq!(server.feed.fetches(), 4);
}

#[tokio::test]
async fn syncs_are_refused_while_shutting_down() {
    let server = with_vendor();
    server.announce_shutdown();
    sync(&server).await.problem(503, "unavailable");
    assert_eq!(server.feed.fetches(), 0);
}

#[tokio::test]
async fn concurrent_syncs_send_a_slow_vendor_two_requests() {
    let server = with_vendor();
    server.feed.block();
    let mut requests = JoinSet::new();
    let (address, request) = (
        server.address,
        bytes("POST", SYNC, "Connection: close\r\n", b""),
    );
    for _ in 0..10 {
        let request = request.clone();
        requests.spawn(async move { crate::client::send(address, &request).await.status });
    }
    while server.feed.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    // Wait until the other requests have arrived.
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.feed.unblock();
    assert_eq!(requests.join_all().await, [200; 10]);
    assert_eq!(server.feed.fetches(), 2);
}
