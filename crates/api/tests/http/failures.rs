//! Responses to failures of the store: retryable, and without internal details.

use std::time::Duration;

use domain::order::OrderStatus;

use crate::fake_store::{Failure, INTERNALS};
use crate::fixture::{JSON, MAX_WAITING, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

const BATCH: &str = r#"{"orders": [{"product_id": "SKU-1", "quantity": 3}]}"#;

#[tokio::test]
async fn store_failures_are_503_with_retry_after() {
    let server = TestServer::start();
    server.add_order(OrderStatus::Pending);
    for failure in [
        Failure::Unavailable,
        Failure::Conflict,
        Failure::Corrupt,
        Failure::Failed,
        Failure::Panic,
    ] {
        server.store.fail(Some(failure));
        for (method, target, body) in [
            ("POST", "/api/v1/orders", ORDER),
            ("POST", "/api/v1/order", ORDER),
            ("POST", "/api/v1/orders/batch", BATCH),
            ("GET", "/api/v1/orders", ""),
            ("GET", "/api/v1/orders/1", ""),
            ("PATCH", "/api/v1/orders/1", r#"{"status": "CANCELLED"}"#),
            ("GET", "/api/v1/stock", ""),
            ("GET", "/api/v1/stock/SKU-1", ""),
            ("GET", "/api/v1/vendors", ""),
            ("GET", "/api/v1/vendors/vendor-a/runs", ""),
            ("POST", "/api/v1/vendors/vendor-a/sync", ""),
        ] {
            let head = if body.is_empty() { "" } else { JSON };
            let reply = server.send(method, target, head, body.as_bytes()).await;
            let problem = reply.problem(503, "unavailable");
            assert!(!problem.to_string().contains(INTERNALS), "{problem}");
        }
        server.store.fail(None);
        assert_eq!(
            server.get("/api/v1/orders/1").await.json()["status"],
            "PENDING"
        );
        assert_eq!(server.order_count(), 1);
    }
}

#[tokio::test]
async fn a_commit_with_an_unknown_outcome_is_a_504() {
    let server = TestServer::start();
    server.add_order(OrderStatus::Pending);
    server.store.register_vendor("vendor-a", 1);
    server.store.fail(Some(Failure::CommitUnknown));
    let keyed = format!("{JSON}Idempotency-Key: k\r\n");
    for (method, target, head, body) in [
        ("POST", "/api/v1/orders", keyed.as_str(), ORDER),
        ("POST", "/api/v1/orders/batch", JSON, BATCH),
        (
            "PATCH",
            "/api/v1/orders/1",
            JSON,
            r#"{"status": "CANCELLED"}"#,
        ),
        ("POST", "/api/v1/vendors/vendor-a/sync", "", ""),
    ] {
        let reply = server.send(method, target, head, body.as_bytes()).await;
        let problem = reply.problem(504, "outcome-unknown");
        assert!(!problem.to_string().contains(INTERNALS), "{problem}");
    }
    server.store.fail(None);
    // The initial order, the order with the key and the order of the batch.
    assert_eq!(server.order_count(), 3);
    let reply = server
        .send("POST", "/api/v1/orders", &keyed, ORDER.as_bytes())
        .await;
    assert_eq!(reply.status, 202);
    assert_eq!(server.order_count(), 3);
}

#[tokio::test]
async fn full_batcher_refuses_orders_immediately() {
    let server = TestServer::start();
    server.store.fail(Some(Failure::Hang));
    let request = crate::fixture::bytes("POST", "/api/v1/orders", JSON, ORDER.as_bytes());
    let mut connections = Vec::new();
    // One order is being written, and the queue is filled up.
    for _ in 0..=MAX_WAITING {
        let mut connection = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut connection, &request)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        connections.push(connection);
    }
    let problem = server.post(ORDER).await.problem(503, "unavailable");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("too many orders"),
        "{problem}"
    );
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn batch_writer_continues_after_a_panic() {
    let server = TestServer::start();
    server.store.fail(Some(Failure::Panic));
    for _ in 0..3 {
        server.post(ORDER).await.problem(503, "unavailable");
    }
    server.store.fail(None);
    assert_eq!(server.post(ORDER).await.status, 202);
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn a_panic_leaves_the_connection_usable() {
    let server = TestServer::start();
    let mut connection = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let request = crate::fixture::bytes("GET", "/api/v1/orders", "", b"");
    server.store.fail(Some(Failure::Panic));
    let reply = crate::client::send_on(&mut connection, &request).await;
    reply.problem(503, "unavailable");
    server.store.fail(None);
    let reply = crate::client::send_on(&mut connection, &request).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn request_in_progress_completes_at_shutdown() {
    let server = TestServer::start();
    let mut connection = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let body = ORDER.as_bytes();
    let request = crate::fixture::bytes("POST", "/api/v1/orders", JSON, body);
    let (first, rest) = request.split_at(request.len() - 5);
    tokio::io::AsyncWriteExt::write_all(&mut connection, first)
        .await
        .unwrap();
    // Wait until the server has read the head and waits for the rest of the body.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopping = tokio::spawn(server.stop());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let reply = crate::client::send_on(&mut connection, rest).await;
    assert_eq!(reply.status, 202);
    stopping.await.unwrap();
}
