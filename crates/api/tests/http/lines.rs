//! Lists as NDJSON streams: `Accept: application/x-ndjson`.

use std::time::Duration;

use domain::order::OrderStatus;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{self, Reply};
use crate::fake_store::Failure;
use crate::fixture::{TestServer, bytes};

const LINES: &str = "Accept: application/x-ndjson\r\n";

/// More items than one read of the store returns, so that there are several reads and the last one is not full.
const MANY: usize = 1_201;

async fn lines_of(server: &TestServer, target: &str) -> Vec<Value> {
    let reply = server.send("GET", target, LINES, b"").await;
    assert_eq!(reply.status, 200, "{target}");
    read(&reply)
}

#[track_caller]
fn read(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(reply.header("vary"), Some("accept"));
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines = text.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

fn with_orders(count: usize) -> TestServer {
    let server = TestServer::start();
    for at in 0..count {
        let status = [OrderStatus::Pending, OrderStatus::Confirmed][at % 2];
        server.add_order_of(["a", "b"][at % 2], status);
    }
    server
}

fn ids(lines: &[Value]) -> Vec<i64> {
    lines
        .iter()
        .map(|line| line["id"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn whole_order_list_is_streamed_as_ndjson() {
    for count in [0, 1, 499, 500, 501, 1_000, MANY] {
        let server = with_orders(count);
        let lines = lines_of(&server, "/api/v1/orders").await;
        let newest_first: Vec<i64> = (1..=i64::try_from(count).unwrap()).rev().collect();
        assert_eq!(ids(&lines), newest_first);
        if let Some(last) = lines.last() {
            assert_eq!(*last, server.get("/api/v1/orders/1").await.json());
        }
    }
}

#[tokio::test]
async fn stock_list_is_streamed_as_ndjson() {
    let server = TestServer::start();
    for number in 0..MANY {
        server
            .store
            .add_stock(&format!("{number:04}"), u64::from(number % 2 == 0));
    }
    let all = lines_of(&server, "/api/v1/stock").await;
    assert_eq!(all.len(), MANY);
    assert_eq!(
        all[7],
        json!({"product_id": "0007", "quantity": 0, "updated_at": all[7]["updated_at"]})
    );
    let sellable = lines_of(&server, "/api/v1/stock?in_stock=true").await;
    assert_eq!(sellable.len(), MANY.div_ceil(2));
}

#[tokio::test]
async fn streams_honour_filters_and_cursors() {
    let server = with_orders(MANY);
    let confirmed = lines_of(&server, "/api/v1/orders?status=CONFIRMED&product_id=b").await;
    assert_eq!(confirmed.len(), MANY / 2);
    let page = server.get("/api/v1/orders?status=PENDING&limit=100").await;
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let target = format!("/api/v1/orders?status=PENDING&cursor={cursor}");
    let rest = lines_of(&server, &target).await;
    assert_eq!(rest.len(), MANY.div_ceil(2) - 100);
    for wrong in ["?cursor=x", "?status=NEW", "?limit=0", "?offset=1"] {
        let target = format!("/api/v1/orders{wrong}");
        let reply = server.send("GET", &target, LINES, b"").await;
        reply.problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn stream_with_a_limit_links_to_the_next_page() {
    let server = with_orders(MANY);
    let mut target = "/api/v1/orders?limit=1000".to_owned();
    let mut seen = Vec::new();
    loop {
        let reply = server.send("GET", &target, LINES, b"").await;
        seen.extend(ids(&read(&reply)));
        let Some(link) = reply.header("link") else {
            break;
        };
        assert_eq!(seen.len(), 1_000);
        let next = link.strip_prefix('<').unwrap();
        next.strip_suffix(">; rel=\"next\"")
            .unwrap()
            .clone_into(&mut target);
    }
    assert_eq!(seen.len(), MANY);
}

#[tokio::test]
async fn list_is_a_page_unless_ndjson_is_preferred() {
    let server = with_orders(3);
    for accept in [
        "application/json",
        "*/*",
        "text/html",
        "application/x-ndjson;q=0.1, application/json;q=0.2",
    ] {
        let head = format!("Accept: {accept}\r\n");
        for list in ["/api/v1/orders", "/api/v1/stock"] {
            let reply = server.send("GET", list, &head, b"").await;
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("vary"), Some("accept"));
            assert!(reply.json()["items"].is_array(), "{accept}");
        }
    }
}

#[tokio::test]
async fn head_of_a_stream_has_no_body_and_reads_the_store_once() {
    for count in [3, MANY] {
        let server = with_orders(count);
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request = bytes("HEAD", "/api/v1/orders", LINES, b"");
        let head = client::send_on(&mut connection, &request).await;
        assert_eq!(server.store.calls(), 1);
        let get = server.send("GET", "/api/v1/orders", LINES, b"").await;
        assert_eq!(head.status, 200);
        for name in [
            "content-type",
            "content-length",
            "transfer-encoding",
            "vary",
            "cache-control",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        let request = bytes("GET", "/healthz", "", b"");
        let next = client::send_on(&mut connection, &request).await;
        assert_eq!(next.status, 200);
    }
}

#[tokio::test]
async fn store_failure_before_the_stream_is_a_problem() {
    let server = with_orders(MANY);
    server.store.fail(Some(Failure::Unavailable));
    let reply = server.send("GET", "/api/v1/orders", LINES, b"").await;
    reply.problem(503, "unavailable");
}

#[tokio::test]
async fn store_failure_during_the_stream_truncates_the_response() {
    let server = with_orders(MANY);
    let request = bytes("GET", "/api/v1/orders", LINES, b"");
    for failure in [Failure::Unavailable, Failure::Corrupt, Failure::Panic] {
        server.store.fail_after(2, failure);
        client::send_expecting_truncation(server.address, &request).await;
        // Other requests are not affected.
        server.store.fail(None);
        assert_eq!(lines_of(&server, "/api/v1/orders").await.len(), MANY);
    }
}

#[tokio::test]
async fn stream_reads_the_store_at_the_pace_of_the_client_and_stops_with_it() {
    let server = with_orders(200_000);
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let request = bytes("GET", "/api/v1/orders", LINES, b"");
    connection.write_all(&request).await.unwrap();
    let mut first = [0];
    connection.read_exact(&mut first).await.unwrap();
    // Wait until the socket buffers are full and the server stops reading the store.
    let mut calls = 0;
    while server.store.calls() > calls {
        calls = server.store.calls();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let all = 200_000 / 500;
    assert!(
        calls < all / 2,
        "{calls} reads for a client that does not receive"
    );

    drop(connection);
    let store = server.store.clone();
    server.stop().await;
    assert!(store.calls() <= calls + 1, "{} reads", store.calls());
}
