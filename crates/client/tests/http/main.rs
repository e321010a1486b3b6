//! The bytes of the client's requests, and its results for valid, unexpected and truncated responses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test"
)]

mod canned;
mod lists;
mod placing;
mod runs;
mod unexpected;
mod vendors;

use std::time::Duration;

use client::{Client, OrderStatus, ProblemKind, SyncStatus};

use crate::canned::{Canned, json, order, problem, response};

#[tokio::test]
async fn requests_match_the_contract() {
    let canned = Canned::start(vec![
        response(200, "ETag: \"1-a\"\r\n", "application/json", &order(1, "CONFIRMED")),
        response(304, "ETag: \"1-a\"\r\n", "application/json", ""),
        response(200, "ETag: \"1-b\"\r\n", "application/json", &order(1, "SHIPPED")),
        json(
            200,
            r#"{"product_id": "a/b ü?", "quantity": 5, "updated_at": "2026-11-23T12:00:00Z",
                "vendors": [{"vendor_id": "v", "reported": 7, "in_flight": 2, "available": 5, "as_of": "2026-11-23T12:00:00Z"}]}"#,
        ),
        json(
            200,
            r#"{"vendor_id": "v", "status": "OK", "finished_at": "2026-11-23T12:00:00.5Z", "duration_ms": 4,
                "received": 2, "changed": 1, "error": null}"#,
        ),
    ])
    .await;
    let url = format!("{}/shop/", canned.url);
    let client = Client::builder(&url).api_key("oa_1").build().unwrap();

    let found = client.order(1).await.unwrap();
    assert_eq!((found.order.id, found.etag.as_str()), (1, "\"1-a\""));
    assert_eq!(found.order.status, OrderStatus::Confirmed);
    assert_eq!(found.order.allocations[0].vendor_id, "vendor-a");
    assert_eq!(found.order.updated_at.microsecond(), 4_000);
    assert_eq!(client.order_if_changed(1, &found.etag).await.unwrap(), None);
    let shipped = client.change_status(1, OrderStatus::Shipped, Some(&found.etag));
    assert_eq!(shipped.await.unwrap().etag, "\"1-b\"");
    let stock = client.stock("a/b ü?").await.unwrap();
    assert_eq!((stock.level.quantity, stock.vendors[0].in_flight), (5, 2));
    let synced = client.sync_vendor("v").await.unwrap();
    assert_eq!(synced.result.status, SyncStatus::Ok);
    assert_eq!(synced.result.received, Some(2));

    let requests = canned.requests();
    let expected: [&[&str]; 5] = [
        &[
            "GET /shop/api/v1/orders/1 HTTP/1.1\r\n",
            "\r\nauthorization: Bearer oa_1\r\n",
        ],
        &[
            "GET /shop/api/v1/orders/1 ",
            "\r\nif-none-match: \"1-a\"\r\n",
        ],
        &[
            "PATCH /shop/api/v1/orders/1 ",
            "\r\nif-match: \"1-a\"\r\n",
            "\r\ncontent-type: application/json\r\n",
            "\r\n\r\n{\"status\":\"SHIPPED\"}",
        ],
        &["GET /shop/api/v1/stock/a%2Fb%20%C3%BC%3F HTTP/1.1\r\n"],
        &[
            "POST /shop/api/v1/vendors/v/sync ",
            "\r\nauthorization: Bearer oa_1\r\n",
        ],
    ];
    for (request, parts) in requests.iter().zip(expected) {
        for part in parts {
            assert!(request.contains(part), "{part:?} is not in {request}");
        }
    }
    assert_eq!(requests.len(), expected.len());
}

#[tokio::test]
async fn pushed_report_is_sent_as_it_is() {
    let result = r#"{"vendor_id": "a/b", "status": "STALE", "finished_at": "2026-11-23T12:00:00Z", "duration_ms": 4,
        "received": 2, "changed": 0, "error": "older"}"#;
    let canned = Canned::start(vec![json(200, result)]).await;
    let client = canned.client();
    let pushed = client.push_report("a/b", "SKU;Qty\n1;2\n").await.unwrap();
    assert_eq!(pushed.result.status, SyncStatus::Stale);
    let requests = canned.requests();
    let request = &requests[0];
    assert!(request.starts_with("POST /api/v1/vendors/a%2Fb/reports HTTP/1.1\r\n"));
    assert!(request.contains("\r\ncontent-type: application/octet-stream\r\n"));
    assert!(request.ends_with("\r\n\r\nSKU;Qty\n1;2\n"), "{request}");
}

#[tokio::test]
async fn problem_keeps_all_its_members() {
    let errors = r#", "errors": [{"pointer": "/quantity", "detail": "must be positive"}]"#;
    let date = "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n";
    let canned = Canned::start(vec![
        problem(422, "validation-failed", "", errors),
        problem(503, "unavailable", "Retry-After: 7\r\n", ""),
        problem(418, "teapot", date, ""),
    ])
    .await;
    let client = canned.client();
    let invalid = client.order(1).await.unwrap_err();
    let found = invalid.problem().unwrap();
    assert_eq!(found.kind, ProblemKind::ValidationFailed);
    assert_eq!(found.status, 422);
    assert_eq!(found.detail, "not this time");
    assert_eq!(found.errors[0].pointer, "/quantity");
    assert_eq!(invalid.to_string(), "validation-failed: not this time");
    assert!(!invalid.is_transient());
    let unavailable = client.order(1).await.unwrap_err();
    assert_eq!(unavailable.kind(), Some(&ProblemKind::Unavailable));
    assert_eq!(unavailable.retry_after(), Some(Duration::from_secs(7)));
    assert!(unavailable.is_transient());
    let other = client.order(1).await.unwrap_err();
    assert_eq!(other.kind(), Some(&ProblemKind::Other("teapot".to_owned())));
    assert_eq!(other.retry_after(), None);
}
