//! `GET /api/v1/orders/{id}` and `GET /api/v1/stock/{product_id}`.

use domain::order::OrderStatus;
use serde_json::json;

use crate::fixture::TestServer;

#[tokio::test]
async fn order_is_shown_in_each_status() {
    let server = TestServer::start();
    for (status, reason, allocated) in [
        (OrderStatus::Pending, json!(null), false),
        (OrderStatus::Confirmed, json!(null), true),
        (OrderStatus::Rejected, json!("INSUFFICIENT_STOCK"), false),
        (OrderStatus::Cancelled, json!(null), false),
        (OrderStatus::Shipped, json!(null), true),
        (OrderStatus::Delivered, json!(null), true),
    ] {
        let id = server.add_order(status);
        let reply = server.get(&format!("/api/v1/orders/{id}")).await;
        assert_eq!(reply.status, 200);
        let order = reply.json();
        let allocations = if allocated {
            json!([{"vendor_id": "vendor-a", "quantity": 3}])
        } else {
            json!([])
        };
        assert_eq!(
            order,
            json!({
                "id": id.0, "product_id": "SKU-1", "quantity": 3, "status": status.as_str(), "reason": reason,
                "allocations": allocations, "created_at": order["created_at"], "updated_at": order["updated_at"],
            })
        );
    }
}

#[tokio::test]
async fn matching_if_none_match_returns_304() {
    let server = TestServer::start();
    let id = server.add_order(OrderStatus::Pending);
    let target = format!("/api/v1/orders/{id}");
    let tag = server.get(&target).await.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for (list, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"x\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
    ] {
        let head = format!("If-None-Match: {list}\r\n");
        let reply = server.send("GET", &target, &head, b"").await;
        assert_eq!(reply.status, status, "{list}");
        assert_eq!(reply.header("etag"), Some(&*tag));
        assert_eq!(reply.body.is_empty(), status == 304);
    }
}

#[tokio::test]
async fn invalid_or_unknown_order_id_is_refused() {
    let server = TestServer::start();
    server.add_order(OrderStatus::Pending);
    for id in [
        "2",
        "0",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "-99999999999999999999",
    ] {
        server
            .get(&format!("/api/v1/orders/{id}"))
            .await
            .problem(404, "not-found");
    }
    for id in [
        "x", "1.0", "1e0", "+1", "%20", "1%20", "%", "%ff", "a%2Fb", "..", "null",
    ] {
        server
            .get(&format!("/api/v1/orders/{id}"))
            .await
            .problem(400, "malformed-request");
    }
    server
        .get("/api/v1/orders/1?x=1")
        .await
        .problem(400, "malformed-request");
}

#[tokio::test]
async fn product_is_shown_with_its_vendors() {
    let server = TestServer::start();
    for (product_id, segment) in [
        ("SKU-1", "SKU-1"),
        ("a/b", "a%2Fb"),
        ("a+b", "a+b"),
        ("ü 100%", "%C3%BC%20100%25"),
        ("%2F", "%252F"),
    ] {
        server.store.add_stock(product_id, 12);
        let reply = server.get(&format!("/api/v1/stock/{segment}")).await;
        assert_eq!(reply.status, 200, "{product_id}");
        let product = reply.json();
        let updated_at = &product["updated_at"];
        assert_eq!(
            product,
            json!({
                "product_id": product_id, "quantity": 12, "updated_at": updated_at,
                "vendors": [{"vendor_id": "vendor-a", "reported": 14, "in_flight": 2, "available": 12, "as_of": updated_at}],
            })
        );
    }
}

#[tokio::test]
async fn invalid_or_unknown_product_id_is_refused() {
    let server = TestServer::start();
    let longest = "x".repeat(128);
    for segment in ["SKU-1", "a%2Fb", &longest] {
        server
            .get(&format!("/api/v1/stock/{segment}"))
            .await
            .problem(404, "not-found");
    }
    for segment in [
        "%20",
        "a%00",
        "%0A",
        "%ff",
        "%zz",
        &format!("{longest}x"),
        "SKU-1?x=1",
    ] {
        server
            .get(&format!("/api/v1/stock/{segment}"))
            .await
            .problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn timestamps_are_rfc_3339_in_utc() {
    let server = TestServer::start();
    server.add_order(OrderStatus::Confirmed);
    server.store.add_stock("SKU-1", 3);
    let order = server.get("/api/v1/orders/1").await.json();
    let product = server.get("/api/v1/stock/SKU-1").await.json();
    for timestamp in [
        &order["created_at"],
        &order["updated_at"],
        &product["updated_at"],
        &product["vendors"][0]["as_of"],
    ] {
        let text = timestamp.as_str().unwrap();
        let digits: String = text
            .chars()
            .map(|char| if char.is_ascii_digit() { '0' } else { char })
            .collect();
        assert_eq!(digits, "0000-00-00T00:00:00.000000Z", "{text}");
    }
}

#[tokio::test]
async fn stored_non_canonical_product_id_stays_readable() {
    let server = TestServer::start();
    server.store.add_stock("A ", 3);
    let reply = server.get("/api/v1/stock/A%20").await;
    assert_eq!(
        (reply.status, &reply.json()["product_id"]),
        (200, &"A ".into())
    );
    let list = server.get("/api/v1/stock?limit=1").await.json();
    assert_eq!(list["items"][0]["product_id"], "A ");
    let id = server.add_order_of("A ", OrderStatus::Confirmed);
    let orders = server.get("/api/v1/orders?product_id=A%20").await.json();
    assert_eq!(orders["items"][0]["id"], id.0);
}
