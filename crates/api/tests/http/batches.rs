//! `POST /api/v1/orders/batch`.

use std::time::Duration;

use domain::identifiers::OrderId;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{self, Reply};
use crate::fake_store::Failure;
use crate::fixture::{JSON, MAX_WAITING, TestServer, bytes};

const BATCH: &str = "/api/v1/orders/batch";

fn item(product_id: &str, quantity: i64) -> Value {
    json!({"product_id": product_id, "quantity": quantity})
}

fn body(items: &[Value]) -> String {
    json!({"orders": items}).to_string()
}

async fn send(server: &TestServer, head: &str, body: &str) -> Reply {
    let head = format!("{JSON}{head}");
    server.send("POST", BATCH, &head, body.as_bytes()).await
}

async fn keyed(server: &TestServer, key: &str, items: &[Value]) -> Reply {
    let head = format!("Idempotency-Key: {key}\r\n");
    send(server, &head, &body(items)).await
}

/// Returns the items of a 207 response.
#[track_caller]
fn items(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 207, "{:?}", reply.json());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn batch_results_keep_the_order_of_the_items() {
    let server = TestServer::start();
    let reply = send(
        &server,
        "",
        &body(&[
            item("SKU-1", 3),
            item("SKU-2", 0),
            json!({"productId": 7, "quantity": 1}),
            json!([1]),
            json!({"product_id": " ", "quantity": "2", "colour": "red"}),
            item("SKU-1", 3),
        ]),
    )
    .await;
    let items = items(&reply);
    let shape = |item: &Value| {
        let members: Vec<&String> = item.as_object().unwrap().keys().collect();
        (item["status"].as_u64().unwrap(), format!("{members:?}"))
    };
    let accepted = (202, r#"["order", "status"]"#.to_owned());
    let refused = (422, r#"["problem", "status"]"#.to_owned());
    let shapes: Vec<_> = items.iter().map(shape).collect();
    let expected = [
        &accepted, &refused, &accepted, &refused, &refused, &accepted,
    ];
    assert!(shapes.iter().eq(expected), "{shapes:?}");

    for (at, id) in [(0, 1), (2, 2), (5, 3)] {
        let order = server.get(&format!("/api/v1/orders/{id}")).await.json();
        assert_eq!(items[at]["order"], order);
        assert_eq!(order["status"], "PENDING");
    }
    assert_eq!(items[2]["order"]["product_id"], "7");
    assert_eq!(server.order_count(), 3);

    let problem = &items[1]["problem"];
    assert_eq!(problem["type"], "/problems/validation-failed");
    assert_eq!(problem["status"], 422);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    let pointers = |at: usize| -> Vec<String> {
        let errors = items[at]["problem"]["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(pointers(1), ["/orders/1/quantity"]);
    assert_eq!(pointers(3), ["/orders/3"]);
    assert_eq!(
        pointers(4),
        [
            "/orders/4/product_id",
            "/orders/4/quantity",
            "/orders/4/colour"
        ]
    );
}

#[tokio::test]
async fn invalid_batch_is_refused_as_a_whole() {
    let server = TestServer::start();
    let good = item("SKU-1", 3);
    for (body, pointers) in [
        ("[]".to_owned(), &[""][..]),
        ("null".to_owned(), &[""]),
        ("{}".to_owned(), &["/orders"]),
        (r#"{"orders": null}"#.to_owned(), &["/orders"]),
        (r#"{"orders": {}}"#.to_owned(), &["/orders"]),
        (r#"{"orders": "[]"}"#.to_owned(), &["/orders"]),
        (body(&[]), &["/orders"]),
        (body(&vec![good.clone(); 1_001]), &["/orders"]),
        (
            json!({"orders": [good], "atomic": true}).to_string(),
            &["/atomic"],
        ),
        (json!({"items": [good]}).to_string(), &["/items", "/orders"]),
    ] {
        let reply = send(&server, "", &body).await;
        assert_eq!(reply.pointers(), pointers);
    }
    for body in [
        "",
        "{",
        "{\"orders\": [}",
        r#"{"orders": [], "orders": []}"#,
        r#"{"orders": [{"product_id": "a", "quantity": 1, "quantity": 2}]}"#,
        r#"{"orders": [{"product_id": "a", "quantity": 1},]}"#,
    ] {
        let reply = send(&server, "", body).await;
        reply.problem(400, "malformed-request");
    }
    let text = server.send("POST", BATCH, "", body(&[]).as_bytes()).await;
    text.problem(415, "unsupported-media-type");
    let query = format!("{BATCH}?dry_run=true");
    let query = server.send("POST", &query, JSON, b"{}").await;
    query.problem(400, "malformed-request");
    let bad_key = send(&server, "Idempotency-Key: a b\r\n", &body(&[good])).await;
    bad_key.problem(400, "malformed-request");
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn batch_is_limited_to_1000_orders_and_1_mib() {
    let server = TestServer::start();
    let orders = vec![item("SKU-1", 3); 1_000];
    let reply = send(&server, "", &body(&orders)).await;
    let items = items(&reply);
    assert!(items.iter().all(|item| item["status"] == 202));
    let ids: Vec<i64> = items
        .iter()
        .map(|item| item["order"]["id"].as_i64().unwrap())
        .collect();
    assert!(ids.iter().copied().eq(1..=1_000), "{ids:?}");

    let small = body(&[item("SKU-1", 3)]);
    let padded = |bytes: usize| format!("{small}{}", " ".repeat(bytes - small.len()));
    assert_eq!(send(&server, "", &padded(1_048_576)).await.status, 207);
    for bytes in [1_048_577, 3_000_000] {
        let reply = send(&server, "", &padded(bytes)).await;
        reply.problem(413, "payload-too-large");
    }
    assert_eq!(server.order_count(), 1_001);
}

#[tokio::test]
async fn repeated_batch_returns_the_current_state_of_its_orders() {
    let server = TestServer::start();
    let batch = [item("SKU-1", 3), item("SKU-2", 0), item("SKU-3", 4)];
    let first = keyed(&server, "k", &batch).await;
    assert_eq!(first.header("idempotent-replayed"), None);

    let same = r#" {"orders": [{"quantity":3,"productId":"SKU-1"}, {"product_id":"SKU-2","quantity":0},
                    {"quantity": 4, "product_id": "SKU\u002d3"}]} "#;
    let repeat = send(&server, "Idempotency-Key: k\r\n", same).await;
    assert_eq!(repeat.header("idempotent-replayed"), Some("true"));
    assert_eq!(items(&repeat), items(&first));

    let cancelled = server
        .patch(OrderId(2), "", r#"{"status": "CANCELLED"}"#)
        .await;
    let later = items(&keyed(&server, "k", &batch).await);
    assert_eq!(later[0], items(&first)[0]);
    assert_eq!(later[1], items(&first)[1]);
    assert_eq!(later[2]["status"], 202);
    assert_eq!(later[2]["order"], cancelled.json());
    assert_eq!(server.order_count(), 2);
}

#[tokio::test]
async fn key_reused_with_another_batch_is_refused() {
    let server = TestServer::start();
    let (one, two, wrong) = (item("SKU-1", 3), item("SKU-2", 4), item("SKU-3", 0));
    let batch = [one.clone(), wrong.clone(), two.clone()];
    keyed(&server, "k", &batch).await;
    for other in [
        vec![one.clone()],
        vec![one.clone(), two.clone()],
        vec![one.clone(), two.clone(), wrong.clone()],
        vec![one.clone(), wrong.clone(), item("SKU-2", 5)],
        vec![item("SKU-9", 3), wrong.clone(), two.clone()],
        vec![one.clone(), item("SKU-3", 1), two.clone()],
        vec![one.clone(), json!({"product_id": "SKU-3"}), two.clone()],
        vec![one.clone(), wrong, two, one],
    ] {
        let reply = keyed(&server, "k", &other).await;
        reply.problem(422, "idempotency-key-reused");
    }
    assert_eq!(server.order_count(), 2);
}

#[tokio::test]
async fn key_of_a_batch_and_key_of_an_order_are_not_interchangeable() {
    let server = TestServer::start();
    let order = item("SKU-1", 3);
    let place = async |key: &str| {
        let head = format!("{JSON}Idempotency-Key: {key}\r\n");
        let body = order.to_string();
        server
            .send("POST", "/api/v1/orders", &head, body.as_bytes())
            .await
    };
    assert_eq!(place("alone").await.status, 202);
    assert_eq!(
        keyed(&server, "batch", std::slice::from_ref(&order))
            .await
            .status,
        207
    );
    place("batch").await.problem(422, "idempotency-key-reused");
    let reply = keyed(&server, "alone", std::slice::from_ref(&order)).await;
    reply.problem(422, "idempotency-key-reused");
    assert_eq!(server.order_count(), 2);
}

#[tokio::test]
async fn batch_without_valid_orders_does_not_record_its_key() {
    let server = TestServer::start();
    for _ in 0..2 {
        let reply = keyed(&server, "k", &[item("SKU-1", 0)]).await;
        assert_eq!(reply.header("idempotent-replayed"), None);
        assert_eq!(items(&reply)[0]["status"], 422);
    }
    let reply = keyed(&server, "k", &[item("SKU-1", 1)]).await;
    assert_eq!(reply.header("idempotent-replayed"), None);
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn concurrent_repeats_create_the_orders_once() {
    let server = TestServer::start();
    let head = format!("{JSON}Idempotency-Key: k\r\nConnection: close\r\n");
    let batch = body(&[item("SKU-1", 1), item("SKU-2", 2)]);
    let request = bytes("POST", BATCH, &head, batch.as_bytes());
    let address = server.address;
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let request = request.clone();
        // A 503 means that the batcher is full: the client retries.
        requests.spawn(async move {
            loop {
                let reply = client::send(address, &request).await;
                if reply.status != 503 {
                    return reply;
                }
            }
        });
    }
    let replies = requests.join_all().await;
    let first = items(&replies[0]);
    assert!(replies.iter().all(|reply| items(reply) == first));
    let replayed = replies
        .iter()
        .filter(|reply| reply.header("idempotent-replayed").is_some());
    assert_eq!(replayed.count(), 7);
    assert_eq!(server.order_count(), 2);
}

#[tokio::test]
async fn batch_beyond_the_free_capacity_is_refused_immediately() {
    let server = TestServer::start();
    server.store.fail(Some(Failure::Hang));
    let order = item("SKU-1", 3).to_string();
    let request = bytes("POST", "/api/v1/orders", JSON, order.as_bytes());
    let mut connections = Vec::new();
    // One order is being written and two are pending, which leaves room for one order less than the batch has.
    for _ in 0..3 {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(&request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        connections.push(connection);
    }
    let batch = vec![item("SKU-1", 3); MAX_WAITING - 1];
    let reply = send(&server, "", &body(&batch)).await;
    let problem = reply.problem(503, "unavailable");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("too many orders"), "{detail}");
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn batches_are_refused_while_shutting_down() {
    let server = TestServer::start();
    server.announce_shutdown();
    let reply = send(&server, "", &body(&[item("SKU-1", 3)])).await;
    reply.problem(503, "unavailable");
    assert_eq!(server.order_count(), 0);
}
