//! `POST /api/v1/vendors/{vendor_id}/pause` and `…/resume`.

use std::num::NonZeroU32;
use std::time::Duration;

use api::RateLimit;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::fake_store::Failure;
use crate::fixture::{JSON, TestServer};

fn with_vendor() -> TestServer {
    let server = TestServer::start();
    server.store.register_vendor("vendor-a", 7);
    server
}

async fn post(server: &TestServer, path: &str, head: &str, body: &str) -> Reply {
    let target = format!("/api/v1/vendors/{path}");
    server.send("POST", &target, head, body.as_bytes()).await
}

async fn pause(server: &TestServer, body: &str) -> Reply {
    post(server, "vendor-a/pause", JSON, body).await
}

async fn resume(server: &TestServer) -> Reply {
    post(server, "vendor-a/resume", "", "").await
}

/// Returns `paused` of the vendor in the list of vendors.
async fn listed(server: &TestServer) -> Value {
    let page = server.get("/api/v1/vendors").await.json();
    page["items"][1]["paused"].clone()
}

#[tokio::test]
async fn vendor_is_paused_with_its_reason_until_it_is_resumed() {
    let server = with_vendor();
    let reply = pause(&server, r#"{"reason": " stocktaking "}"#).await;
    assert_eq!(reply.status, 200);
    let first = reply.json();
    let since = first["paused"]["since"].clone();
    assert!(since.as_str().unwrap().ends_with('Z'), "{first}");
    let paused = json!({"since": since, "reason": "stocktaking"});
    assert_eq!(first, json!({"vendor_id": "vendor-a", "paused": paused}));
    assert_eq!(listed(&server).await, paused);
    // A sync on demand stays possible, and does not end the pause.
    assert_eq!(post(&server, "vendor-a/sync", "", "").await.status, 200);
    assert_eq!(listed(&server).await, paused);

    for _ in 0..2 {
        let ended = resume(&server).await;
        assert_eq!(ended.status, 200);
        assert_eq!(
            ended.json(),
            json!({"vendor_id": "vendor-a", "paused": null})
        );
        assert_eq!(listed(&server).await, Value::Null);
    }
}

#[tokio::test]
async fn pausing_again_keeps_the_time_and_the_reason_unless_another_is_given() {
    let server = with_vendor();
    let first = pause(&server, r#"{"reason": "a"}"#).await.json();
    for (body, reason) in [
        (r#"{"reason": "b"}"#, json!("b")),
        ("{}", json!("b")),
        ("", json!("b")),
    ] {
        let again = pause(&server, body).await.json();
        assert_eq!(again["paused"]["since"], first["paused"]["since"]);
        assert_eq!(again["paused"]["reason"], reason, "{body}");
        assert_eq!(listed(&server).await, again["paused"]);
    }
}

#[tokio::test]
async fn invalid_reason_is_refused_and_pauses_nothing() {
    let server = with_vendor();
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(201));
    for body in [
        r#"{"reason": ""}"#,
        r#"{"reason": "  "}"#,
        r#"{"reason": "a\nb"}"#,
        r#"{"reason": 1}"#,
        r#"{"reason": null}"#,
        &long,
    ] {
        let reply = pause(&server, body).await;
        assert_eq!(reply.pointers(), ["/reason"], "{body}");
    }
    let reply = pause(&server, r#"{"reason": "a", "until": "b"}"#).await;
    assert_eq!(reply.pointers(), ["/until"]);
    for (head, body, status) in [
        (JSON, "{", 400),
        (JSON, "[]", 422),
        ("", "{}", 415),
        ("Content-Type: text/plain\r\n", "stocktaking", 415),
    ] {
        let reply = post(&server, "vendor-a/pause", head, body).await;
        assert_eq!(reply.status, status, "{head} {body}");
    }
    let reply = post(&server, "vendor-a/resume", JSON, r#"{"reason": "a"}"#).await;
    assert_eq!(reply.pointers(), ["/reason"]);
    for action in ["pause", "resume"] {
        let reply = post(&server, &format!("vendor-a/{action}?force=true"), "", "").await;
        reply.problem(400, "malformed-request");
    }
    assert_eq!(listed(&server).await, Value::Null);
}

#[tokio::test]
async fn pause_of_an_invalid_or_unknown_vendor_is_refused() {
    let server = with_vendor();
    for action in ["pause", "resume"] {
        for (vendor_id, status, slug) in [
            ("unknown", 404, "not-found"),
            ("VENDOR-A", 404, "not-found"),
            ("%20", 400, "malformed-request"),
            ("%ff", 400, "malformed-request"),
        ] {
            let reply = post(&server, &format!("{vendor_id}/{action}"), "", "").await;
            reply.problem(status, slug);
        }
    }
    // A vendor that only processes with other settings configure.
    server.store.register_vendor("elsewhere", 1);
    for action in ["pause", "resume", "resume"] {
        let reply = post(&server, &format!("elsewhere/{action}"), "", "").await;
        assert_eq!(reply.status, 200, "{action}");
    }
    // A vendor of the settings that no worker has registered yet.
    post(&server, "seed/pause", "", "")
        .await
        .problem(503, "unavailable");
    assert_eq!(post(&server, "seed/resume", "", "").await.status, 200);
}

#[tokio::test]
async fn pauses_are_refused_while_shutting_down() {
    let server = with_vendor();
    server.announce_shutdown();
    for action in ["pause", "resume"] {
        let reply = post(&server, &format!("vendor-a/{action}"), "", "").await;
        reply.problem(503, "unavailable");
    }
}

#[tokio::test]
async fn store_failure_is_a_503_and_an_unknown_commit_a_504() {
    let server = with_vendor();
    for (failure, status, slug) in [
        (Failure::Unavailable, 503, "unavailable"),
        (Failure::CommitUnknown, 504, "outcome-unknown"),
    ] {
        server.store.fail(Some(failure));
        for action in ["pause", "resume"] {
            let reply = post(&server, &format!("vendor-a/{action}"), "", "").await;
            reply.problem(status, slug);
        }
    }
}

#[tokio::test]
async fn pauses_count_towards_the_rate_limit() {
    let server = TestServer::start_with(|options| {
        options.rate_limit = Some(RateLimit {
            requests: NonZeroU32::new(2).unwrap(),
            per: Duration::from_hours(1),
        });
    });
    server.store.register_vendor("vendor-a", 7);
    assert_eq!(pause(&server, "").await.status, 200);
    assert_eq!(resume(&server).await.status, 200);
    pause(&server, "").await.problem(429, "rate-limited");
}
