//! `/healthz`, `/readyz` and `/`.

use std::time::Duration;

use domain::order::OrderStatus;
use serde_json::json;
use tokio::net::TcpStream;

use crate::client::{send, send_on};
use crate::fake_store::{Failure, INTERNALS};
use crate::fixture::{JSON, TestServer, bytes};

#[tokio::test]
async fn ready_while_the_database_responds() {
    let server = TestServer::start();
    let reply = server.get("/readyz").await;
    assert_eq!(reply.status, 200);
    let ready = reply.json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["dependencies"]["database"], json!({"state": "up"}));
    assert_eq!(ready["dependencies"]["broker"]["state"], "not_used");
    assert_eq!(ready["outbox"], json!({"lag_ms": 0}));

    server.add_order(OrderStatus::Pending);
    assert_eq!(
        server.get("/readyz").await.json()["outbox"],
        json!({"lag_ms": 1_500})
    );
}

#[tokio::test]
async fn not_ready_while_the_database_is_down() {
    let server = TestServer::start();
    for failure in [Failure::Unavailable, Failure::Failed, Failure::Hang] {
        server.store.fail(Some(failure));
        let reply = server.get("/readyz").await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1"))
        );
        let body = reply.json();
        assert_eq!(body["status"], "not_ready");
        assert_eq!(body["dependencies"]["database"]["state"], "down");
        assert!(body["dependencies"]["database"]["detail"].is_string());
        assert_eq!(body["outbox"], json!({"lag_ms": null}));
        assert!(!body.to_string().contains(INTERNALS), "{body}");
        assert_eq!(server.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn not_ready_while_shutting_down() {
    let server = TestServer::start();
    server.announce_shutdown();
    let reply = server.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["status"], "not_ready");
    assert_eq!(reply.json()["detail"], "shutting down");
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn draining_server_serves_orders_and_closes_their_connections() {
    let drain_time = Duration::from_secs(1);
    let server = TestServer::start_with(|options| options.drain_time = drain_time);
    let order = bytes(
        "POST",
        "/api/v1/orders",
        JSON,
        br#"{"product_id":"1","quantity":1}"#,
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let before = send_on(&mut connection, &order).await;
    assert_eq!((before.status, before.header("connection")), (202, None));

    let (address, ended) = server.begin_stop();
    let mut ready = send(address, &bytes("GET", "/readyz", "", b"")).await;
    while ready.status == 200 {
        ready = send(address, &bytes("GET", "/readyz", "", b"")).await;
    }
    assert_eq!(ready.json()["detail"], "shutting down");
    // The open connection and a new one.
    for served in [
        send_on(&mut connection, &order).await,
        send(address, &order).await,
    ] {
        assert_eq!(
            (served.status, served.header("connection")),
            (202, Some("close"))
        );
    }
    ended.await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn root_describes_the_service() {
    let server = TestServer::start();
    let reply = server.get("/").await;
    assert_eq!(reply.status, 200);
    let mut description = reply.json();
    assert_eq!(description["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(description["commit"], serde_json::Value::Null);
    for member in [
        "orders",
        "stock",
        "docs",
        "openapi",
        "liveness",
        "readiness",
    ] {
        let path = description[member].as_str().unwrap();
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    description["version"] = "[version]".into();
    insta::assert_snapshot!(format!("{description:#}"));
}

/// The targets of all links, scripts and styles of the page exist.
#[tokio::test]
async fn docs_page_has_no_broken_links() {
    let server = TestServer::start();
    let page = String::from_utf8(server.get("/docs").await.body).unwrap();
    let named = |attribute: &str| {
        let start = format!("{attribute}=\"");
        let rests = page.split(&start).skip(1);
        rests
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect::<Vec<String>>()
    };
    assert_eq!(named("src").len(), 2);
    let links = [named("href"), named("src")].concat();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        let found = match link.strip_prefix('#') {
            Some(part) => page.contains(&format!("id=\"{part}\"")),
            None => server.get(&link).await.status == 200,
        };
        assert!(found, "{link}");
    }
}
