//! Rows that an administrator's transaction keeps locked: only orders and reports that need them wait.

use std::time::{Duration, Instant};

use client::OrderStatus;
use storage_postgres::test_database::TestSession;
use tests::{Consumer, Deployment, eventually};

/// Maximum settlement time of an unaffected order, with a margin for a busy machine.
const MAX_UNAFFECTED: Duration = Duration::from_secs(3);

const PRODUCTS: [&str; 6] = ["P0", "P1", "P2", "P3", "P4", "P5"];

async fn deployment() -> Deployment {
    Deployment::builder()
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, 50)))
        .sync_interval("2s")
        .start()
        .await
}

/// Locks a row until the returned session is dropped.
async fn lock(deployment: &Deployment, row: &str) -> TestSession {
    let lock = format!("BEGIN; SELECT 1 FROM {row} FOR UPDATE");
    deployment.session(&lock).await
}

/// Sells one unit of each product except `P1`. Asserts that no settlement waits, and returns the longest settlement time.
async fn sell_others(client: &Consumer) -> Duration {
    let mut longest = Duration::ZERO;
    for product in PRODUCTS.iter().filter(|product| **product != "P1") {
        let started = Instant::now();
        let placed = client.place_and_wait(product, 1, 10).await;
        longest = longest.max(started.elapsed());
        assert_eq!(placed.order.status, OrderStatus::Confirmed, "{product}");
    }
    assert!(
        longest < MAX_UNAFFECTED,
        "another product waited {longest:?}"
    );
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_stock_row_delays_only_its_own_product() {
    let deployment = deployment().await;
    let client = deployment.client(0);
    let administrator = lock(&deployment, "stock WHERE product_id = 'P1'").await;
    let stuck = client.place("P1", 1).await.id;
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        client.place("P1", 1).await;
        longest = longest.max(sell_others(&client).await);
    }
    println!("while P1 was locked, orders for others took at most {longest:?}");
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);
    let worker = deployment.worker_client(0);
    let postponed: u64 = worker.metric("aggregator_orders_postponed_total").await;
    assert!(postponed > 0);
    let log = deployment.workers[0].log();
    assert!(log.contains("stays locked") && log.contains("P1"), "{log}");

    let released = Instant::now();
    drop(administrator);
    let order = client.settled(stuck).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    println!("P1 was settled {:?} after its release", released.elapsed());
    deployment.all_settled().await;
    assert_eq!(client.quantity("P1").await, 46);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_vendor_stock_row_or_order_delays_no_other_order() {
    let deployment = deployment().await;
    let client = deployment.client(0);
    let vendor_row = lock(&deployment, "vendor_stock WHERE product_id = 'P1'").await;
    let stuck = client.place("P1", 1).await.id;
    sell_others(&client).await;
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);

    // Lock the order itself, and release the vendor stock row.
    let order = lock(&deployment, &format!("orders WHERE id = {stuck}")).await;
    drop(vendor_row);
    sell_others(&client).await;
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);
    drop(order);
    let order = client.settled(stuck).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_row_delays_no_other_product_or_vendor_of_a_sync() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("P1", 50), ("P2", 50)])
        .vendor("vendor-b", &[("Q", 50)])
        .start()
        .await;
    let client = deployment.client(0);
    let administrator = lock(&deployment, "stock WHERE product_id = 'P2'").await;
    deployment.vendors[0].set_stock([("P1", 40), ("P2", 40)]);
    deployment.wait_for_syncs(0).await;
    for units in [49, 48, 47] {
        deployment.vendors[1].set_stock([("Q", units)]);
        client.wait_for_quantity("Q", units).await;
    }
    client.wait_for_quantity("P1", 40).await;
    assert_eq!(client.quantity("P2").await, 50);
    eventually("the skipped product is logged", async || {
        let log = deployment.workers[0].log();
        log.contains("hold the rows of product P2").then_some(())
    })
    .await;
    let started = Instant::now();
    let placed = client.place_and_wait("Q", 1, 10).await;
    assert_eq!(placed.order.status, OrderStatus::Confirmed);
    assert!(
        started.elapsed() < MAX_UNAFFECTED,
        "{:?}",
        started.elapsed()
    );
    let placed = client.place_and_wait("P1", 1, 10).await;
    assert_eq!(placed.order.status, OrderStatus::Confirmed);
    drop(administrator);
    eventually("vendor-a's report is applied", async || {
        let quantities = (client.quantity("P1").await, client.quantity("P2").await);
        (quantities == (39, 40)).then_some(())
    })
    .await;
    deployment.audit().await;
}
