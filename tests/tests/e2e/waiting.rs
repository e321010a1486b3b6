//! `Prefer: wait=N`: the response waits for settlement by any process.

use std::time::{Duration, Instant};

use client::{OrderStatus, RejectReason};
use tests::{Consumer, Deployment, Standalone, allocated, concurrently};

/// Places orders concurrently, each with a wait for its settlement, and asserts that each is confirmed.
async fn order_many(clients: &[Consumer], orders: usize) {
    let place = |number: usize| {
        let client = clients[number % clients.len()].clone();
        async move { client.place_and_wait("1", 1, 30).await }
    };
    for placed in concurrently(orders, place).await {
        assert!(placed.waited, "{placed:?}");
        assert_eq!(placed.order.status, OrderStatus::Confirmed);
        assert_eq!(allocated(&placed.order), [("vendor-a", 1)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_requests_of_two_apis_return_once_a_worker_settles_their_orders() {
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 1_000)])
        .apis(2)
        .start()
        .await;
    let clients = [deployment.client(0), deployment.client(1)];
    order_many(&clients, 200).await;
    let rejected = clients[1].place_and_wait("1", 801, 30).await;
    assert!(rejected.waited);
    assert_eq!(rejected.order.reason, Some(RejectReason::InsufficientStock));

    // A long-running transaction delays no waiting request.
    let held = deployment
        .database
        .execute("BEGIN; SELECT pg_current_xact_id(); SELECT pg_sleep(30)");
    tokio::select! {
        ended = held => panic!("the orders were delayed: {ended:?}"),
        () = order_many(&clients, 20) => {}
    }

    // Without a worker, the response is sent after the wait with the order still PENDING.
    deployment.workers[0].kill().await;
    let placed = clients[0].place_and_wait("1", 1, 1).await;
    assert!(!placed.waited);
    assert_eq!(placed.order.status, OrderStatus::Pending);

    // An API that shuts down responds to waiting requests.
    let waiting = {
        let client = clients[0].clone();
        tokio::spawn(async move { client.place_and_wait("1", 1, 30).await })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let terminated = Instant::now();
    assert!(deployment.apis[0].terminate().await);
    assert!(terminated.elapsed() < Duration::from_secs(9));
    let placed = waiting.await.unwrap();
    assert!(!placed.waited);
    deployment.restart_worker(0).await;
    let settled = clients[1].settled(placed.order.id).await;
    assert_eq!(settled.status, OrderStatus::Confirmed);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_requests_of_standalone_return_once_their_orders_are_settled() {
    let standalone = Standalone::start(&[("vendor-a", &[("1", 1_000)])], "").await;
    let client = standalone.client();
    order_many(std::slice::from_ref(&client), 100).await;
    let started = Instant::now();
    let placed = client.place_and_wait("1", 1, 30).await;
    assert!(placed.waited);
    assert_eq!(placed.order.status, OrderStatus::Confirmed);
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "the waiting request was not woken"
    );
    let rejected = client.place_and_wait("unknown", 1, 30).await;
    assert!(rejected.waited);
    assert_eq!(rejected.order.reason, Some(RejectReason::UnknownProduct));
    standalone.audit().await;
}
