//! One test per rule of the contract that the tests of an endpoint check only among others.

use api_keys::{ApiKey, KeyHash, Role};
use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use serde_json::Value;

use crate::client::Reply;
use crate::fixture::{JSON, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

async fn place_with_key(server: &TestServer, body: &str) -> Reply {
    let head = format!("{JSON}Idempotency-Key: k\r\n");
    server
        .send("POST", "/api/v1/orders", &head, body.as_bytes())
        .await
}

#[tokio::test]
async fn order_id_is_a_64_bit_integer() {
    let server = TestServer::start();
    let placed = server.post(ORDER).await.json();
    assert!(placed["id"].is_i64(), "{placed}");
    for (id, status) in [
        ("1", 200),
        ("9223372036854775807", 404),
        ("9223372036854775808", 404),
    ] {
        let reply = server.get(&format!("/api/v1/orders/{id}")).await;
        assert_eq!(reply.status, status, "{id}");
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
async fn unknown_member_is_refused() {
    let server = TestServer::start();
    let reply = server
        .post(r#"{"product_id": "a", "quantity": 1, "quantitiy": 2}"#)
        .await;
    assert_eq!(reply.pointers(), ["/quantitiy"]);
    assert_eq!(server.order_count(), 0);
}

#[tokio::test]
async fn wrong_json_type_is_reported_with_its_pointer() {
    let server = TestServer::start();
    for quantity in [r#""2""#, "3.0", "true", "null", "[2]"] {
        let body = format!(r#"{{"product_id": "a", "quantity": {quantity}}}"#);
        let reply = server.post(&body).await;
        assert_eq!(reply.pointers(), ["/quantity"], "{quantity}");
    }
}

#[tokio::test]
async fn product_id_and_quantity_have_bounds() {
    let server = TestServer::start();
    let product = |characters: usize| {
        let id = "ü".repeat(characters);
        format!(r#"{{"product_id": "{id}", "quantity": 1}}"#)
    };
    let quantity = |units: u64| format!(r#"{{"product_id": "a", "quantity": {units}}}"#);
    for good in [product(1), product(128), quantity(1), quantity(1_000_000)] {
        assert_eq!(server.post(&good).await.status, 202, "{good}");
    }
    for bad in [product(0), product(129)] {
        assert_eq!(server.post(&bad).await.pointers(), ["/product_id"]);
    }
    for bad in [quantity(0), quantity(1_000_001)] {
        assert_eq!(server.post(&bad).await.pointers(), ["/quantity"]);
    }
    assert_eq!(server.order_count(), 4);
}

#[tokio::test]
async fn non_canonical_product_id_is_refused() {
    let server = TestServer::start();
    for id in [
        " SKU-1",
        "SKU-1 ",
        "SKU-1\u{a0}",
        "\u{feff}SKU-1",
        "SKU\u{200b}-1",
        "SKU\u{200d}-1",
        "Cafe\u{301}",
    ] {
        for name in ["product_id", "productId"] {
            let body = format!(r#"{{"{name}": "{id}", "quantity": 1}}"#);
            assert_eq!(server.post(&body).await.pointers(), [format!("/{name}")]);
        }
    }
    assert_eq!(server.order_count(), 0);
    let body = "{\"product_id\": \"Caf\u{e9} 1\", \"quantity\": 1}";
    assert_eq!(server.post(body).await.json()["product_id"], "Caf\u{e9} 1");
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

#[tokio::test]
async fn camel_case_product_id_is_accepted() {
    let server = TestServer::start();
    for (body, id) in [
        (r#"{"productId": "SKU-1", "quantity": 1}"#, "SKU-1"),
        (r#"{"productId": 1, "quantity": 1}"#, "1"),
    ] {
        let reply = server
            .send("POST", "/api/v1/order", JSON, body.as_bytes())
            .await;
        assert_eq!(
            (reply.status, &reply.json()["product_id"]),
            (202, &id.into())
        );
    }
}

#[tokio::test]
async fn key_of_another_order_is_refused() {
    let server = TestServer::start();
    assert_eq!(place_with_key(&server, ORDER).await.status, 202);
    for other in [
        r#"{"product_id": "SKU-1", "quantity": 4}"#,
        r#"{"product_id": "SKU-2", "quantity": 3}"#,
    ] {
        let reply = place_with_key(&server, other).await;
        reply.problem(422, "idempotency-key-reused");
    }
    assert_eq!(server.order_count(), 1);
}

#[tokio::test]
async fn refused_request_does_not_record_its_key() {
    let server = TestServer::start();
    let refused = place_with_key(&server, r#"{"product_id": "SKU-1", "quantity": 0}"#).await;
    refused.problem(422, "validation-failed");
    let accepted = place_with_key(&server, ORDER).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn only_settlement_confirms() {
    let server = TestServer::start();
    for from in [OrderStatus::Pending, OrderStatus::Rejected] {
        let id = server.add_order(from);
        let reply = server.patch(id, "", r#"{"status": "CONFIRMED"}"#).await;
        reply.problem(409, "illegal-transition");
        let order = server.get(&format!("/api/v1/orders/{id}")).await.json();
        assert_eq!(order["status"], from.as_str());
    }
}

#[tokio::test]
async fn rejection_by_an_operator_has_the_reason_manual() {
    let server = TestServer::start();
    let id = server.add_order(OrderStatus::Pending);
    let reply = server.patch(id, "", r#"{"status": "REJECTED"}"#).await;
    assert_eq!(
        (reply.status, &reply.json()["reason"]),
        (200, &"MANUAL".into())
    );
}

#[tokio::test]
async fn change_to_the_current_status_changes_nothing() {
    let server = TestServer::start();
    for &status in OrderStatus::ALL {
        let id = server.add_order(status);
        let before = server.get(&format!("/api/v1/orders/{id}")).await;
        let body = format!(r#"{{"status": "{status}"}}"#);
        let reply = server.patch(id, "", &body).await;
        assert_eq!(reply.status, 200, "{status}");
        assert_eq!(reply.json(), before.json());
        assert_eq!(reply.header("etag"), before.header("etag"));
    }
}

#[tokio::test]
async fn unknown_status_is_reported_with_its_pointer() {
    let server = TestServer::start();
    let id = server.add_order(OrderStatus::Pending);
    for value in ["GONE", "cancelled", ""] {
        let body = format!(r#"{{"status": "{value}"}}"#);
        let reply = server.patch(id, "", &body).await;
        assert_eq!(reply.pointers(), ["/status"], "{value}");
    }
}

#[tokio::test]
async fn legal_change_returns_the_order() {
    let server = TestServer::start();
    let id = server.add_order(OrderStatus::Confirmed);
    let reply = server.patch(id, "", r#"{"status": "SHIPPED"}"#).await;
    assert_eq!(reply.status, 200);
    let shown = server.get(&format!("/api/v1/orders/{id}")).await;
    assert_eq!(shown.json()["status"], "SHIPPED");
    assert_eq!(reply.json(), shown.json());
    assert_eq!(reply.header("etag"), shown.header("etag"));
}

#[tokio::test]
async fn next_page_is_linked_in_body_and_header() {
    let server = TestServer::start();
    for _ in 0..3 {
        server.add_order(OrderStatus::Pending);
    }
    let first = server.get("/api/v1/orders?limit=2").await;
    let cursor = first.json()["next_cursor"].clone();
    let link = first.header("link").unwrap();
    let cursor = cursor.as_str().unwrap();
    assert!(link.contains(&format!("cursor={cursor}")), "{link}");
    assert!(link.ends_with(">; rel=\"next\""), "{link}");
    let last = server
        .get(&format!("/api/v1/orders?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(last.json()["items"][0]["id"], 1);
    assert_eq!(last.json()["next_cursor"], Value::Null);
    assert_eq!(last.header("link"), None);
}

#[tokio::test]
async fn limit_is_between_1_and_1000() {
    let server = TestServer::start();
    for (limit, status) in [(0, 400), (1, 200), (1_000, 200), (1_001, 400)] {
        let reply = server.get(&format!("/api/v1/orders?limit={limit}")).await;
        assert_eq!(reply.status, status, "{limit}");
    }
}

#[tokio::test]
async fn in_stock_filter_omits_sold_out_products() {
    let server = TestServer::start();
    server.store.add_stock("SKU-1", 0);
    server.store.add_stock("SKU-2", 4);
    let page = server.get("/api/v1/stock?in_stock=true").await.json();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["product_id"], "SKU-2");
    assert_eq!(items[0]["quantity"], 4);
}

fn with_keys() -> TestServer {
    TestServer::start_with(|options| {
        let key = |name: &str, role| ApiKey {
            name: name.to_owned(),
            hash: KeyHash::of(format!("oa_{name}").as_bytes()),
            roles: vec![role],
        };
        options.keys = vec![key("shop", Role::Customer), key("desk", Role::Operator)];
    })
}

async fn status(server: &TestServer, method: &str, path: &str, key: &str) -> u16 {
    let head = format!("{JSON}Authorization: Bearer {key}\r\n");
    let body: &[u8] = if method == "POST" {
        ORDER.as_bytes()
    } else {
        b""
    };
    server.send(method, path, &head, body).await.status
}

#[tokio::test]
async fn an_operator_may_do_what_a_customer_may() {
    let server = with_keys();
    server.store.add_stock("SKU-1", 3);
    for key in ["oa_shop", "oa_desk"] {
        for (method, path, expected) in [
            ("POST", "/api/v1/orders", 202),
            ("GET", "/api/v1/orders", 200),
            ("GET", "/api/v1/orders/1", 200),
            ("GET", "/api/v1/stock", 200),
            ("GET", "/api/v1/stock/SKU-1", 200),
        ] {
            let found = status(&server, method, path, key).await;
            assert_eq!(found, expected, "{method} {path} {key}");
        }
    }
}

#[tokio::test]
async fn metrics_require_the_operator_role() {
    let server = with_keys();
    for (key, expected) in [("oa_shop", 403), ("oa_desk", 200), ("oa_other", 401)] {
        assert_eq!(status(&server, "GET", "/metrics", key).await, expected);
    }
}

#[tokio::test]
async fn open_endpoints_require_no_key() {
    let server = with_keys();
    for path in ["/healthz", "/readyz", "/docs", "/problems/not-found"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn location_header_leads_to_the_order() {
    let server = TestServer::start();
    let placed = server.post(ORDER).await;
    let location = placed.header("location").unwrap().to_owned();
    let shown = server.get(&location).await;
    assert_eq!(shown.json(), placed.json());
    assert_eq!(shown.json()["id"], OrderId(1).0);
}
