//! One order at a time, through everything.

use client::{OrderStatus, ProblemKind, RejectReason};
use reqwest::StatusCode;
use tests::{Consumer, Deployment, allocated, eventually};

async fn original() -> Deployment {
    Deployment::builder()
        .vendor("vendor-a", &[("1", 50), ("2", 100)])
        .vendor("vendor-b", &[("3", 60), ("4", 40)])
        .start()
        .await
}

#[tokio::test]
async fn an_order_is_confirmed_with_its_allocation() {
    let deployment = original().await;
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
async fn an_order_too_large_or_of_nothing_known_is_rejected() {
    let deployment = original().await;
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
async fn cancelling_gives_the_stock_back_exactly_once() {
    let deployment = original().await;
    let client = deployment.client(0);
    let order = client.place("1", 30).await;
    client.settled(order.id).await;
    assert_eq!(client.quantity("1").await, 20);

    let cancels = (0..16).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.change(order.id, OrderStatus::Cancelled).await })
    });
    for cancel in cancels.collect::<Vec<_>>() {
        cancel.await.unwrap().unwrap();
    }
    assert_eq!(client.quantity("1").await, 50);
    let again = client.change(order.id, OrderStatus::Cancelled).await;
    assert_eq!(again.unwrap().status, OrderStatus::Cancelled);
    assert_eq!(client.quantity("1").await, 50);
    deployment.audit().await;
}

#[tokio::test]
async fn only_settlement_confirms_and_the_state_machine_holds() {
    let deployment = original().await;
    let client = deployment.client(0);
    let order = client.place("1", 1).await;
    client.settled(order.id).await;
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
async fn a_repeat_with_the_same_key_is_the_same_order() {
    let deployment = original().await;
    let client = deployment.client(0);
    let place = |client: Consumer| async move {
        let placed = client.try_place("2", 3, Some("key-1")).await;
        placed.unwrap().order.id
    };
    let placed: Vec<_> = (0..32)
        .map(|_| tokio::spawn(place(client.clone())))
        .collect();
    let mut ids = Vec::new();
    for order in placed {
        ids.push(order.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    client.settled(ids[0]).await;
    assert_eq!(client.quantity("2").await, 97);
    let other = client.try_place("2", 4, Some("key-1")).await.unwrap_err();
    assert_eq!(other.kind(), Some(&ProblemKind::IdempotencyKeyReused));
}

#[tokio::test]
async fn nothing_is_rejected_on_an_empty_stock_before_each_vendor_was_tried() {
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
async fn a_message_that_cannot_be_read_hurts_only_itself() {
    let deployment = original().await;
    let client = deployment.client(0);
    for queue in 0..8 {
        deployment.publish_raw(&format!("orders.{queue}"), "no JSON at all");
    }
    let order = client.place("1", 1).await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    eventually("the bad messages are put aside", async || {
        (deployment.queue_depth("orders.dead") == 8).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_ends_well_on_sigterm_and_so_does_an_api() {
    let mut deployment = original().await;
    let client = deployment.client(0);
    let order = client.place("1", 1).await;
    assert!(deployment.workers[0].terminate().await);
    assert!(deployment.apis[0].terminate().await);
    deployment.restart_api(0).await;
    deployment.restart_worker(0).await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
}
