//! Placing orders and batches, with and without retries.

use std::time::Duration;

use client::{Client, ClientError, NewOrder, OrderStatus, PlaceOptions, ProblemKind, Retries};

use crate::canned::{Canned, is_unexpected, json, order, problem, response};

const QUICK: Retries = Retries {
    max_retries: 3,
    initial_delay: Duration::from_millis(1),
    max_delay: Duration::from_secs(2),
};

fn accepted(status: u16, head: &str) -> Vec<u8> {
    response(status, head, "application/json", &order(9, "PENDING"))
}

#[tokio::test]
async fn place_sends_the_given_options() {
    let canned = Canned::start(vec![
        accepted(202, "Location: /api/v1/orders/9\r\n"),
        accepted(202, "Idempotent-Replayed: true\r\n"),
        accepted(201, "Preference-Applied: wait\r\n"),
    ])
    .await;
    let client = canned.client();
    let order = NewOrder::new("SKU-1", 3);
    let plain = client.place(&order, &PlaceOptions::default()).await;
    let plain = plain.unwrap();
    assert_eq!(
        (plain.order.id, plain.replayed, plain.waited),
        (9, false, false)
    );
    let options = PlaceOptions {
        idempotency_key: Some("k-1"),
        wait_s: Some(30),
    };
    assert!(client.place(&order, &options).await.unwrap().replayed);
    assert!(client.place(&order, &options).await.unwrap().waited);
    let requests = canned.requests();
    assert!(requests[0].starts_with("POST /api/v1/orders "));
    assert!(requests[0].ends_with("\r\n\r\n{\"product_id\":\"SKU-1\",\"quantity\":3}"));
    assert!(!requests[0].contains("idempotency-key"));
    assert!(!requests[0].contains("prefer"));
    assert!(requests[1].contains("\r\nidempotency-key: k-1\r\n"));
    assert!(requests[1].contains("\r\nprefer: wait=30\r\n"));
}

#[tokio::test]
async fn ship_part_sends_the_vendor_and_the_expected_version() {
    let changed = |status| {
        let tag = "ETag: \"9-1\"\r\n";
        response(200, tag, "application/json", &order(9, status))
    };
    let canned = Canned::start(vec![changed("CONFIRMED"), changed("SHIPPED")]).await;
    let client = canned.client();
    let partly = client.ship_part(9, "vendor-a", Some("\"9-0\"")).await;
    assert_eq!(partly.unwrap().order.status, OrderStatus::Confirmed);
    let all = client.change_status(9, OrderStatus::Shipped, None).await;
    assert_eq!(all.unwrap().order.status, OrderStatus::Shipped);
    let requests = canned.requests();
    assert!(requests[0].starts_with("PATCH /api/v1/orders/9 "));
    assert!(requests[0].contains("\r\nif-match: \"9-0\"\r\n"));
    assert!(requests[0].ends_with("{\"status\":\"SHIPPED\",\"vendor_id\":\"vendor-a\"}"));
    assert!(requests[1].ends_with("{\"status\":\"SHIPPED\"}"));
}

#[tokio::test]
async fn status_that_contradicts_preference_applied_is_unexpected() {
    for (status, head) in [(201, ""), (202, "Preference-Applied: wait\r\n")] {
        let canned = Canned::start(vec![accepted(status, head)]).await;
        let options = PlaceOptions {
            idempotency_key: None,
            wait_s: Some(1),
        };
        let client = canned.client();
        let placed = client.place(&NewOrder::new("a", 1), &options).await;
        assert!(placed.as_ref().is_err_and(is_unexpected), "{placed:?}");
    }
}

#[tokio::test]
async fn batch_has_one_result_per_item() {
    let body = format!(
        r#"{{"items": [{{"status": 202, "order": {}}},
            {{"status": 422, "problem": {{"type": "/problems/validation-failed", "detail": "no",
              "errors": [{{"pointer": "/orders/1/quantity", "detail": "too small"}}]}}}}]}}"#,
        order(9, "PENDING")
    );
    let canned = Canned::start(vec![json(207, &body), json(207, r#"{"items": []}"#)]).await;
    let client = canned.client();
    let orders = [NewOrder::new("a", 1), NewOrder::new("b", 0)];
    let reply = client.place_batch(&orders, Some("k")).await.unwrap();
    assert_eq!(reply.items[0].as_ref().unwrap().id, 9);
    let refused = reply.items[1].as_ref().unwrap_err();
    assert_eq!(
        (&refused.kind, refused.status),
        (&ProblemKind::ValidationFailed, 422)
    );
    assert_eq!(refused.errors[0].pointer, "/orders/1/quantity");
    let incomplete = client.place_batch(&orders, None).await;
    assert!(
        incomplete.as_ref().is_err_and(is_unexpected),
        "{incomplete:?}"
    );
    assert!(canned.requests()[0].ends_with(
        "{\"orders\":[{\"product_id\":\"a\",\"quantity\":1},{\"product_id\":\"b\",\"quantity\":0}]}"
    ));
}

#[tokio::test]
async fn retries_send_the_same_key_until_a_response_arrives() {
    let half = accepted(202, "")[..40].to_vec();
    let canned = Canned::start(vec![
        half,
        problem(503, "unavailable", "Retry-After: 0\r\n", ""),
        response(502, "", "text/html", "<h1>Bad gateway</h1>"),
        accepted(202, ""),
    ])
    .await;
    let client = canned.client();
    let order = NewOrder::new("a", 1);
    let placed = client.place_with_retries(&order, "k", None, QUICK).await;
    assert_eq!(placed.unwrap().order.id, 9);
    let requests = canned.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert!(request.contains("\r\nidempotency-key: k\r\n"), "{request}");
    }
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    for (refusal, requests) in [
        (problem(422, "idempotency-key-reused", "", ""), 1),
        (problem(503, "unavailable", "Retry-After: 3\r\n", ""), 1),
        (json(200, "{}"), 1),
        (problem(503, "unavailable", "", ""), 4),
        (problem(504, "outcome-unknown", "", ""), 4),
    ] {
        let canned = Canned::start(vec![refusal.clone(); 5]).await;
        let client = canned.client();
        let order = NewOrder::new("a", 1);
        let placed = client.place_with_retries(&order, "k", None, QUICK).await;
        placed.unwrap_err();
        assert_eq!(canned.requests().len(), requests);
    }
}

#[tokio::test]
async fn order_without_a_key_is_not_retried_when_its_outcome_is_unknown() {
    let canned = Canned::start(vec![problem(504, "outcome-unknown", "", ""); 3]).await;
    let client = canned.client();
    let options = PlaceOptions::default();
    let error = client.place(&NewOrder::new("a", 1), &options).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Some(&ProblemKind::OutcomeUnknown));
    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(canned.requests().len(), 1);
    let refused = Canned::start(vec![problem(503, "unavailable", "", "")]).await;
    let client = refused.client();
    let error = client.place(&NewOrder::new("a", 1), &options).await;
    assert!(!error.unwrap_err().is_outcome_unknown());
}

#[tokio::test]
async fn invalid_requests_are_not_sent() {
    let canned = Canned::start(Vec::new()).await;
    let client = canned.client();
    let options = PlaceOptions {
        idempotency_key: Some("line\nbreak"),
        wait_s: None,
    };
    let placed = client.place(&NewOrder::new("a", 1), &options).await;
    let mut errors = vec![placed.unwrap_err()];
    for id in [".", "..", "a\nb"] {
        errors.push(client.stock(id).await.unwrap_err());
    }
    for error in errors {
        assert!(matches!(error, ClientError::InvalidRequest(_)), "{error:?}");
    }
    assert_eq!(canned.requests().len(), 0);
    let client = Client::builder(&canned.url).timeout(Duration::from_millis(50));
    let client = client.build().unwrap();
    let error = client.order(1).await.unwrap_err();
    assert!(matches!(error, ClientError::NoResponse(_)), "{error:?}");
}
