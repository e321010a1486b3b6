//! Orders and batches, once and repeatedly.

use std::time::Duration;

use client::{Client, ClientError, NewOrder, OrderStatus, PlaceOptions, ProblemKind, Retries};

use crate::canned::{Canned, answer, json, order, problem};

const QUICK: Retries = Retries {
    most: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_secs(2),
};

fn taken(status: u16, head: &str) -> Vec<u8> {
    answer(status, head, "application/json", &order(9, "PENDING"))
}

#[tokio::test]
async fn an_order_is_placed_with_what_it_was_given() {
    let canned = Canned::start(vec![
        taken(202, "Location: /api/v1/orders/9\r\n"),
        taken(202, "Idempotent-Replayed: true\r\n"),
        taken(201, "Preference-Applied: wait\r\n"),
    ])
    .await;
    let client = canned.client();
    let wanted = NewOrder::new("SKU-1", 3);
    let plain = client.place(&wanted, &PlaceOptions::default()).await;
    let plain = plain.unwrap();
    assert_eq!(
        (plain.order.id, plain.replayed, plain.waited),
        (9, false, false)
    );
    let options = PlaceOptions {
        idempotency_key: Some("k-1"),
        wait_s: Some(30),
    };
    assert!(client.place(&wanted, &options).await.unwrap().replayed);
    assert!(client.place(&wanted, &options).await.unwrap().waited);
    let requests = canned.requests();
    assert!(requests[0].starts_with("POST /api/v1/orders "));
    assert!(requests[0].ends_with("\r\n\r\n{\"product_id\":\"SKU-1\",\"quantity\":3}"));
    assert!(!requests[0].contains("idempotency-key"));
    assert!(!requests[0].contains("prefer"));
    assert!(requests[1].contains("\r\nidempotency-key: k-1\r\n"));
    assert!(requests[1].contains("\r\nprefer: wait=30\r\n"));
}

#[tokio::test]
async fn a_part_is_shipped_with_its_vendor_and_the_version_that_is_expected() {
    let shipped = |status| {
        let tag = "ETag: \"9-1\"\r\n";
        answer(200, tag, "application/json", &order(9, status))
    };
    let canned = Canned::start(vec![shipped("CONFIRMED"), shipped("SHIPPED")]).await;
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
async fn whether_it_waited_is_said_by_status_and_header_alike() {
    for (status, head) in [(201, ""), (202, "Preference-Applied: wait\r\n")] {
        let canned = Canned::start(vec![taken(status, head)]).await;
        let options = PlaceOptions {
            idempotency_key: None,
            wait_s: Some(1),
        };
        let client = canned.client();
        let placed = client.place(&NewOrder::new("a", 1), &options).await;
        let error = placed.unwrap_err();
        assert!(matches!(error, ClientError::Strange { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_batch_tells_of_each_item() {
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
    let lost = client.place_batch(&orders, None).await;
    assert!(matches!(lost, Err(ClientError::Strange { .. })), "{lost:?}");
    assert!(canned.requests()[0].ends_with(
        "{\"orders\":[{\"product_id\":\"a\",\"quantity\":1},{\"product_id\":\"b\",\"quantity\":0}]}"
    ));
}

#[tokio::test]
async fn a_repeated_order_is_sent_with_one_key_until_it_is_answered() {
    let half = taken(202, "")[..40].to_vec();
    let canned = Canned::start(vec![
        half,
        problem(503, "unavailable", "Retry-After: 0\r\n", ""),
        answer(502, "", "text/html", "<h1>Bad gateway</h1>"),
        taken(202, ""),
    ])
    .await;
    let client = canned.client();
    let order = NewOrder::new("a", 1);
    let placed = client.place_repeatedly(&order, "k", None, QUICK).await;
    assert_eq!(placed.unwrap().order.id, 9);
    let requests = canned.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert!(request.contains("\r\nidempotency-key: k\r\n"), "{request}");
    }
}

#[tokio::test]
async fn what_repeating_does_not_help_against_is_told_at_once() {
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
        let placed = client.place_repeatedly(&order, "k", None, QUICK).await;
        placed.unwrap_err();
        assert_eq!(canned.requests().len(), requests);
    }
}

#[tokio::test]
async fn an_order_without_a_key_is_sent_once_when_its_outcome_is_unknown() {
    let canned = Canned::start(vec![problem(504, "outcome-unknown", "", ""); 3]).await;
    let client = canned.client();
    let options = PlaceOptions::default();
    let error = client.place(&NewOrder::new("a", 1), &options).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Some(&ProblemKind::OutcomeUnknown));
    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(canned.requests().len(), 1);
    let refused = Canned::start(vec![problem(503, "unavailable", "", "")]).await;
    let refused = refused
        .client()
        .place(&NewOrder::new("a", 1), &options)
        .await;
    assert!(!refused.unwrap_err().is_outcome_unknown());
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let canned = Canned::start(Vec::new()).await;
    let client = canned.client();
    let options = PlaceOptions {
        idempotency_key: Some("line\nbreak"),
        wait_s: None,
    };
    let placed = client.place(&NewOrder::new("a", 1), &options).await;
    assert!(
        matches!(placed, Err(ClientError::Unusable(_))),
        "{placed:?}"
    );
    for id in [".", "..", "a\nb"] {
        let stock = client.stock(id).await;
        assert!(matches!(stock, Err(ClientError::Unusable(_))), "{stock:?}");
    }
    assert_eq!(canned.requests().len(), 0);
    let impatient = Client::builder(&canned.url).timeout(Duration::from_millis(50));
    let impatient = impatient.build().unwrap();
    let error = impatient.order(1).await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer(_)), "{error:?}");
}
