//! The order flow, one order at a time.

use client::{OrderStatus, ProblemKind, RejectReason};
use reqwest::StatusCode;
use tests::{Deployment, allocated, concurrently, eventually};

async fn original_vendors() -> Deployment {
    Deployment::builder()
        .vendor("vendor-a", &[("1", 50), ("2", 100)])
        .vendor("vendor-b", &[("3", 60), ("4", 40)])
        .start()
        .await
}

#[tokio::test]
async fn order_is_confirmed_with_its_allocation() {
    let deployment = original_vendors().await;
    let client = deployment.client(0);
    for (product, units) in [("1", 50), ("2", 100), ("3", 60), ("4", 40)] {
        assert_eq!(client.quantity(product).await, units);
    }

    let order = client.place("1", 30).await;
    assert_eq!(order.status, OrderStatus::Pending);
    assert_eq!(order.allocations, []);
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    assert_eq!(allocated(&order), [("vendor-a", 30)]);
    assert_eq!(client.quantity("1").await, 20);
    deployment.audit().await;
}

#[tokio::test]
async fn order_beyond_stock_or_for_an_unknown_product_is_rejected() {
    let deployment = original_vendors().await;
    let client = deployment.client(0);
    let too_large = client.place("4", 41).await;
    let unknown = client.place("no such product", 1).await;
    let too_large = client.settled(too_large.id).await;
    assert_eq!(too_large.status, OrderStatus::Rejected);
    assert_eq!(too_large.reason, Some(RejectReason::InsufficientStock));
    let unknown = client.settled(unknown.id).await;
    assert_eq!(unknown.reason, Some(RejectReason::UnknownProduct));
    assert_eq!(client.quantity("4").await, 40);
}

#[tokio::test]
async fn cancellation_returns_stock_exactly_once() {
    let deployment = original_vendors().await;
    let client = deployment.client(0);
    let order = client.place_settled("1", 30).await;
    assert_eq!(client.quantity("1").await, 20);

    let cancels = concurrently(16, |_| {
        let client = client.clone();
        async move { client.change(order.id, OrderStatus::Cancelled).await }
    });
    for cancelled in cancels.await {
        cancelled.unwrap();
    }
    assert_eq!(client.quantity("1").await, 50);
    let again = client.change(order.id, OrderStatus::Cancelled).await;
    assert_eq!(again.unwrap().status, OrderStatus::Cancelled);
    assert_eq!(client.quantity("1").await, 50);
    deployment.audit().await;
}

#[tokio::test]
async fn status_changes_outside_the_state_machine_are_rejected() {
    let deployment = original_vendors().await;
    let client = deployment.client(0);
    let order = client.place_settled("1", 1).await;
    for (status, expected) in [
        ("DELIVERED", StatusCode::CONFLICT),
        ("PENDING", StatusCode::CONFLICT),
        ("SHIPPED", StatusCode::OK),
        ("CANCELLED", StatusCode::CONFLICT),
        ("DELIVERED", StatusCode::OK),
        ("CONFIRMED", StatusCode::CONFLICT),
        ("sold", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(client.patch(order.id, status).await.0, expected, "{status}");
    }
    deployment.audit().await;
}

#[tokio::test]
async fn repeated_requests_with_one_key_create_one_order() {
    let deployment = original_vendors().await;
    let client = deployment.client(0);
    let placed = concurrently(32, |_| {
        let client = client.clone();
        async move { client.try_place("2", 3, Some("key-1")).await }
    });
    let placed = placed.await.into_iter();
    let mut ids: Vec<i64> = placed.map(|placed| placed.unwrap().order.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    client.settled(ids[0]).await;
    assert_eq!(client.quantity("2").await, 97);
    let other = client.try_place("2", 4, Some("key-1")).await.unwrap_err();
    assert_eq!(other.kind(), Some(&ProblemKind::IdempotencyKeyReused));
}

#[tokio::test]
async fn no_order_is_rejected_before_each_vendor_was_tried() {
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .workers(0)
        .start()
        .await;
    let client = deployment.client(0);
    let order = client.place("1", 1).await;
    deployment.vendors[0].set_fault(mock_vendor::Fault::Delay { ms: 1_500 });
    deployment.add_worker().await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
}

#[tokio::test]
async fn undecodable_message_is_dead_lettered_alone() {
    let deployment = original_vendors().await;
    let client = deployment.client(0);
    for queue in 0..8 {
        deployment.publish_raw(&format!("orders.{queue}"), "not JSON at all");
    }
    client.place_confirmed("1", 1).await;
    eventually("the bad messages are dead-lettered", async || {
        (deployment.queue_depth("orders.dead") == 8).then_some(())
    })
    .await;
}

#[tokio::test]
async fn worker_and_api_exit_with_success_on_sigterm() {
    let mut deployment = original_vendors().await;
    let client = deployment.client(0);
    let order = client.place("1", 1).await;
    assert!(deployment.workers[0].terminate().await);
    assert!(deployment.apis[0].terminate().await);
    deployment.restart_api(0).await;
    deployment.restart_worker(0).await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
}
