//! `GET /api/v1/orders` and `GET /api/v1/stock`.

use domain::order::OrderStatus;
use serde_json::Value;

use crate::fixture::TestServer;

/// Follows the `Link` headers of a list and returns a member of each item.
async fn walk(server: &TestServer, first: &str, member: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut target = first.to_owned();
    loop {
        let reply = server.get(&target).await;
        assert_eq!(reply.status, 200, "{target}");
        let page = reply.json();
        found.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item[member].clone()),
        );
        let Some(link) = reply.header("link") else {
            assert_eq!(page["next_cursor"], Value::Null);
            return found;
        };
        let next = link.strip_prefix('<').unwrap();
        next.strip_suffix(">; rel=\"next\"")
            .unwrap()
            .clone_into(&mut target);
        assert!(
            target.contains(page["next_cursor"].as_str().unwrap()),
            "{link}"
        );
        assert!(found.len() < 100, "the list does not end");
    }
}

#[tokio::test]
async fn orders_are_paged_newest_first() {
    let server = TestServer::start();
    for at in 0..7 {
        let status = [OrderStatus::Pending, OrderStatus::Confirmed][at % 2];
        server.add_order_of(["a/b & c", "SKU-2"][at % 2], status);
    }
    for (query, ids) in [
        ("", vec![7, 6, 5, 4, 3, 2, 1]),
        ("?limit=3", vec![7, 6, 5, 4, 3, 2, 1]),
        ("?limit=7", vec![7, 6, 5, 4, 3, 2, 1]),
        ("?limit=1000", vec![7, 6, 5, 4, 3, 2, 1]),
        ("?limit=1&status=CONFIRMED", vec![6, 4, 2]),
        ("?limit=2&product_id=a%2Fb+%26%20c", vec![7, 5, 3, 1]),
        (
            "?limit=2&product_id=a%2Fb+%26%20c&status=PENDING",
            vec![7, 5, 3, 1],
        ),
        ("?status=REJECTED", vec![]),
        ("?product_id=none", vec![]),
    ] {
        assert_eq!(
            walk(&server, &format!("/api/v1/orders{query}"), "id").await,
            ids,
            "{query}"
        );
    }
}

#[tokio::test]
async fn page_has_100_items_by_default() {
    let server = TestServer::start();
    for _ in 0..101 {
        server.add_order(OrderStatus::Pending);
    }
    let page = server.get("/api/v1/orders").await.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(100));
    assert!(page["next_cursor"].is_string());
}

#[tokio::test]
async fn stock_is_paged_in_byte_order() {
    let server = TestServer::start();
    for (product_id, quantity) in [("b", 1), ("a", 0), ("B", 2), ("ü", 3), ("a/b", 0)] {
        server.store.add_stock(product_id, quantity);
    }
    for (query, ids) in [
        ("", vec!["B", "a", "a/b", "b", "ü"]),
        ("?limit=2", vec!["B", "a", "a/b", "b", "ü"]),
        ("?limit=1&in_stock=true", vec!["B", "b", "ü"]),
        ("?limit=2&in_stock=false", vec!["B", "a", "a/b", "b", "ü"]),
    ] {
        assert_eq!(
            walk(&server, &format!("/api/v1/stock{query}"), "product_id").await,
            ids,
            "{query}"
        );
    }
}

#[tokio::test]
async fn invalid_query_parameter_is_malformed() {
    let server = TestServer::start();
    for query in [
        "orders?limit=0",
        "orders?limit=1001",
        "orders?limit=-1",
        "orders?limit=1.5",
        "orders?limit=",
        "orders?limit",
        "orders?limit=ten",
        "orders?limit=1&limit=1",
        "orders?status=pending",
        "orders?status=",
        "orders?status=NEW",
        "orders?status=PENDING&status=PENDING",
        "orders?product_id=",
        "orders?product_id=%20",
        "orders?product_id=a%00",
        "orders?product_id=%ff",
        "orders?product_id=%4",
        "orders?cursor=",
        "orders?cursor=x",
        "orders?cursor=AAAA",
        "orders?cursor=42",
        "orders?offset=1",
        "orders?in_stock=true",
        "orders?Status=PENDING",
        "stock?in_stock=yes",
        "stock?in_stock=",
        "stock?in_stock=1",
        "stock?status=PENDING",
        "stock?product_id=a",
        "stock?limit=0",
        "stock?cursor=x",
        "stock?cursor=SKU-1",
    ] {
        let reply = server.get(&format!("/api/v1/{query}")).await;
        let problem = reply.problem(400, "malformed-request");
        let named = query
            .split_once('?')
            .unwrap()
            .1
            .split(['=', '&'])
            .next()
            .unwrap();
        assert!(
            problem["detail"].as_str().unwrap().contains(named),
            "{query}: {problem}"
        );
    }
}

#[tokio::test]
async fn cursor_is_bound_to_its_list_and_filters() {
    let server = TestServer::start();
    for _ in 0..3 {
        server.add_order(OrderStatus::Pending);
        server
            .store
            .add_stock(&format!("SKU-{}", server.order_count()), 1);
    }
    let cursor = |page: Value| page["next_cursor"].as_str().unwrap().to_owned();
    let orders = cursor(
        server
            .get("/api/v1/orders?limit=1&status=PENDING")
            .await
            .json(),
    );
    let stock = cursor(server.get("/api/v1/stock?limit=1").await.json());
    for (target, status) in [
        (format!("orders?status=PENDING&cursor={orders}"), 200),
        (
            format!("orders?limit=2&cursor={orders}&status=PENDING"),
            200,
        ),
        (format!("orders?cursor={orders}"), 400),
        (format!("orders?status=CONFIRMED&cursor={orders}"), 400),
        (
            format!("orders?status=PENDING&product_id=SKU-1&cursor={orders}"),
            400,
        ),
        (format!("orders?status=PENDING&cursor={orders}A"), 400),
        (format!("stock?cursor={orders}"), 400),
        (format!("stock?cursor={stock}"), 200),
        (format!("stock?in_stock=true&cursor={stock}"), 400),
        (format!("orders?cursor={stock}"), 400),
    ] {
        assert_eq!(
            server.get(&format!("/api/v1/{target}")).await.status,
            status,
            "{target}"
        );
    }
}
