//! Guarantees P2 and P6 while processes are killed, and while the broker or the database is unavailable.

use std::collections::HashSet;
use std::time::Duration;

use client::OrderStatus;
use tests::{Consumer, Deployment, Load, eventually, scale, sold};
use tokio::time::sleep;

/// Starts clients that place orders. The result of each request is the order's id if a complete 202 response arrived.
pub(crate) fn start_load(consumers: &[Consumer], clients: usize) -> Load<Option<i64>> {
    let consumers = consumers.to_vec();
    Load::start(clients, move |number, _| {
        let client = consumers[number % consumers.len()].clone();
        async move {
            let placed = client.try_place("1", 1, None).await.ok();
            if placed.is_none() {
                sleep(Duration::from_millis(20)).await;
            }
            placed.map(|placed| placed.order.id)
        }
    })
}

/// Stops clients. Returns the accepted orders and the number of refused requests.
pub(crate) async fn stop_load(load: Load<Option<i64>>) -> (Vec<i64>, usize) {
    let results = load.stop().await;
    let refused = results.iter().filter(|placed| placed.is_none()).count();
    (results.into_iter().flatten().collect(), refused)
}

/// Asserts that every accepted order is settled, that stock decreased by the units sold, and that the audit is clean.
pub(crate) async fn check(deployment: &Deployment, accepted: &[i64], stock: i64) {
    deployment.all_settled().await;
    let client = deployment.client(0);
    let orders = client.all_orders().await;
    let settled: HashSet<i64> = orders
        .iter()
        .filter(|order| matches!(order.status, OrderStatus::Confirmed | OrderStatus::Rejected))
        .map(|order| order.id)
        .collect();
    let lost: Vec<&i64> = accepted.iter().filter(|id| !settled.contains(id)).collect();
    assert!(lost.is_empty(), "accepted but not settled: {lost:?}");
    assert_eq!(client.quantity("1").await, stock - sold(&orders, "1"));
    deployment.audit().await;
}

const STOCK: i64 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_no_order_and_settle_none_twice() {
    let kills = scale::pick(2, 10);
    let mut deployment = Deployment::builder()
        .apis(2)
        .workers(2)
        .vendor("vendor-a", &[("1", STOCK)])
        .settings("[worker]\nrelay_lease = \"15s\"\n")
        .start()
        .await;
    let clients = [deployment.client(0), deployment.client(1)];
    let load = start_load(&clients, 16);
    let mut random = fastrand::Rng::with_seed(11);
    for kill in 0..kills {
        sleep(Duration::from_millis(random.u64(100..600))).await;
        deployment.apis[kill % 2].kill().await;
        deployment.restart_api(kill % 2).await;
        sleep(Duration::from_millis(random.u64(100..600))).await;
        deployment.workers[kill % 2].kill().await;
        deployment.restart_worker(kill % 2).await;
    }
    let (accepted, _) = stop_load(load).await;
    assert!(
        accepted.len() > 100,
        "only {} orders were accepted",
        accepted.len()
    );
    println!("accepted {} orders over {kills} kills each", accepted.len());
    check(&deployment, &accepted, STOCK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_accepted_during_a_broker_outage_and_settled_after_it() {
    let outage = Duration::from_secs(scale::pick(3, 30));
    let deployment = Deployment::start(&[("1", STOCK)]).await;
    let client = deployment.client(0);
    let load = start_load(std::slice::from_ref(&client), 8);
    sleep(Duration::from_millis(500)).await;
    deployment.broker.cut();
    sleep(outage).await;
    let during_outage = client.place("1", 1).await;
    let worker = deployment.worker_client(0);
    assert_eq!(worker.readiness().await.0, 503);
    deployment.broker.restore();
    let (mut accepted, refused) = stop_load(load).await;
    assert_eq!(refused, 0, "orders were refused during the broker outage");
    accepted.push(during_outage.id);
    println!(
        "accepted {} orders, broker outage {outage:?}",
        accepted.len()
    );
    check(&deployment, &accepted, STOCK).await;
    eventually("the worker is ready again", async || {
        (worker.readiness().await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatedly_broken_broker_connections_lose_no_order() {
    let breaks = scale::pick(3, 20);
    let deployment = Deployment::builder()
        .workers(2)
        .vendor("vendor-a", &[("1", STOCK)])
        .start()
        .await;
    let load = start_load(&[deployment.client(0)], 8);
    for _ in 0..breaks {
        sleep(Duration::from_millis(700)).await;
        deployment.broker.cut();
        sleep(Duration::from_millis(50)).await;
        deployment.broker.restore();
    }
    let (accepted, refused) = stop_load(load).await;
    assert_eq!(refused, 0);
    check(&deployment, &accepted, STOCK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_database_connections_lose_no_accepted_order() {
    let breaks = scale::pick(3, 20);
    let deployment = Deployment::start(&[("1", STOCK)]).await;
    let load = start_load(&[deployment.client(0)], 8);
    for _ in 0..breaks {
        sleep(Duration::from_millis(400)).await;
        deployment
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
    }
    sleep(Duration::from_millis(400)).await;
    let (accepted, _) = stop_load(load).await;
    assert!(accepted.len() > 50);
    check(&deployment, &accepted, STOCK).await;
}
