//! The `Idempotency-Key` header.

use domain::identifiers::OrderId;

use crate::fixture::{JSON, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

#[tokio::test]
async fn repeated_key_returns_the_same_order() {
    let server = TestServer::start();
    let head = format!("{JSON}Idempotency-Key: a-key!\r\n");
    let first = server
        .send("POST", "/api/v1/orders", &head, ORDER.as_bytes())
        .await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (202, None)
    );

    let equal = br#"{"quantity": 3, "productId": "SKU-1"}"#;
    let repeat = server.send("POST", "/api/v1/order", &head, equal).await;
    assert_eq!(
        (repeat.status, repeat.header("idempotent-replayed")),
        (202, Some("true"))
    );
    assert_eq!(repeat.header("location"), first.header("location"));
    assert_eq!(repeat.json(), first.json());

    let cancelled = server
        .patch(OrderId(1), "", r#"{"status": "CANCELLED"}"#)
        .await;
    let later = server
        .send("POST", "/api/v1/orders", &head, ORDER.as_bytes())
        .await;
    assert_eq!(later.json(), cancelled.json());

    for other in [
        r#"{"product_id": "SKU-2", "quantity": 3}"#,
        r#"{"product_id": "SKU-1", "quantity": 4}"#,
    ] {
        let reused = server
            .send("POST", "/api/v1/orders", &head, other.as_bytes())
            .await;
        reused.problem(422, "idempotency-key-reused");
    }
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn a_malformed_idempotency_key_is_refused() {
    let server = TestServer::start();
    let longest = "k".repeat(255);
    for (head, status) in [
        ("Idempotency-Key: \r\n", 400),
        ("Idempotency-Key: a b\r\n", 400),
        ("Idempotency-Key: a\tb\r\n", 400),
        ("Idempotency-Key: ü\r\n", 400),
        ("Idempotency-Key: a\r\nIdempotency-Key: a\r\n", 400),
        (&*format!("Idempotency-Key: {longest}k\r\n"), 400),
        (&*format!("Idempotency-Key: {longest}\r\n"), 202),
    ] {
        let reply = server
            .send(
                "POST",
                "/api/v1/orders",
                &format!("{JSON}{head}"),
                ORDER.as_bytes(),
            )
            .await;
        assert_eq!(reply.status, status, "{head}");
        if status == 400 {
            reply.problem(400, "malformed-request");
        }
    }
}

#[tokio::test]
async fn refused_request_does_not_record_its_key() {
    let server = TestServer::start();
    let head = format!("{JSON}Idempotency-Key: k\r\n");
    let place = async |body: &str| {
        let reply = server.send("POST", "/api/v1/orders", &head, body.as_bytes());
        reply.await
    };
    let refused = place(r#"{"product_id": "SKU-1", "quantity": 0}"#).await;
    refused.problem(422, "validation-failed");
    let accepted = place(ORDER).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.header("idempotent-replayed"), None);
}
