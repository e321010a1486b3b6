//! Guarantees P2 and P6 while processes are killed, and while the broker or the database is unavailable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use client::OrderStatus;
use reqwest::StatusCode;
use tests::{Consumer, Deployment, eventually, scale, sold};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Clients that place orders until they are stopped, with the orders accepted so far.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    tasks: JoinSet<Vec<i64>>,
}

impl Load {
    pub(crate) fn start(clients: &[Consumer], connections: usize, product: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..connections {
            let client = clients[number % clients.len()].clone();
            let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
            tasks.spawn(async move {
                let mut accepted = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    if let Some(id) = place(&client, product).await {
                        accepted.push(id);
                    } else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        sleep(Duration::from_millis(20)).await;
                    }
                }
                accepted
            });
        }
        Self {
            stop,
            refused,
            tasks,
        }
    }

    pub(crate) async fn stop(mut self) -> (Vec<i64>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let mut accepted = Vec::new();
        while let Some(ids) = self.tasks.join_next().await {
            accepted.extend(ids.unwrap());
        }
        (accepted, self.refused.load(Ordering::Relaxed))
    }
}

/// Returns the order's id if a complete 202 response arrived.
async fn place(client: &Consumer, product: &str) -> Option<i64> {
    let placed = client.try_place(product, 1, None).await;
    placed.ok().map(|placed| placed.order.id)
}

/// Asserts that every accepted order is settled, that stock decreased by the units sold, and that the audit is clean.
pub(crate) async fn check(deployment: &Deployment, accepted: &[i64], stock: i64) {
    deployment.all_settled().await;
    let client = deployment.client(0);
    let orders = client.all_orders().await;
    let settled: std::collections::HashSet<i64> = orders
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
    let load = Load::start(&clients, 16, "1");
    let mut random = fastrand::Rng::with_seed(11);
    for kill in 0..kills {
        sleep(Duration::from_millis(random.u64(100..600))).await;
        deployment.apis[kill % 2].kill().await;
        deployment.restart_api(kill % 2).await;
        sleep(Duration::from_millis(random.u64(100..600))).await;
        deployment.workers[kill % 2].kill().await;
        deployment.restart_worker(kill % 2).await;
    }
    let (accepted, _) = load.stop().await;
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
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", STOCK)])
        .start()
        .await;
    let client = deployment.client(0);
    let load = Load::start(std::slice::from_ref(&client), 8, "1");
    sleep(Duration::from_millis(500)).await;
    deployment.broker.cut();
    sleep(outage).await;
    let during_outage = client.place("1", 1).await;
    let readiness = deployment
        .worker_client(0)
        .try_get("/readyz")
        .await
        .unwrap();
    assert_eq!(readiness.status(), StatusCode::SERVICE_UNAVAILABLE);
    deployment.broker.restore();
    let (mut accepted, refused) = load.stop().await;
    assert_eq!(refused, 0, "orders were refused during the broker outage");
    accepted.push(during_outage.id);
    println!(
        "accepted {} orders, broker outage {outage:?}",
        accepted.len()
    );
    check(&deployment, &accepted, STOCK).await;
    eventually("the worker is ready again", async || {
        let readiness = deployment.worker_client(0).try_get("/readyz").await.ok()?;
        readiness.status().is_success().then_some(())
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
    let load = Load::start(&[deployment.client(0)], 8, "1");
    for _ in 0..breaks {
        sleep(Duration::from_millis(700)).await;
        deployment.broker.cut();
        sleep(Duration::from_millis(50)).await;
        deployment.broker.restore();
    }
    let (accepted, refused) = load.stop().await;
    assert_eq!(refused, 0);
    check(&deployment, &accepted, STOCK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_database_connections_lose_no_accepted_order() {
    let breaks = scale::pick(3, 20);
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", STOCK)])
        .start()
        .await;
    let load = Load::start(&[deployment.client(0)], 8, "1");
    for _ in 0..breaks {
        sleep(Duration::from_millis(400)).await;
        deployment
            .database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
    }
    sleep(Duration::from_millis(400)).await;
    let (accepted, _) = load.stop().await;
    assert!(accepted.len() > 50);
    check(&deployment, &accepted, STOCK).await;
}
