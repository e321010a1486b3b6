//! Rows that an administrator's transaction keeps locked: only orders and reports that need them wait.

use std::time::{Duration, Instant};

use client::OrderStatus;
use tests::{Consumer, Deployment, eventually};

/// Maximum settlement time of an unaffected order, with a margin for a busy machine.
const MAX_UNAFFECTED: Duration = Duration::from_secs(3);

const PRODUCTS: [&str; 6] = ["P0", "P1", "P2", "P3", "P4", "P5"];

async fn deployment() -> Deployment {
    Deployment::builder()
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, 50)))
        .sync_interval(Duration::from_secs(2))
        .start()
        .await
}

/// Sells one unit of each product except `P1`, and returns the longest settlement time.
async fn sell_others(client: &Consumer) -> Duration {
    let mut longest = Duration::ZERO;
    for product in PRODUCTS.iter().filter(|product| **product != "P1") {
        let started = Instant::now();
        let placed = client.place_and_wait(product, 1, 10).await;
        longest = longest.max(started.elapsed());
        assert_eq!(placed.order.status, OrderStatus::Confirmed, "{product}");
    }
    longest
}

async fn postponed(deployment: &Deployment) -> u64 {
    let page = deployment.worker_client(0).try_get("/metrics").await;
    let page = page.unwrap().text().await.unwrap();
    let name = "aggregator_orders_postponed_total ";
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_stock_row_delays_only_its_own_product() {
    let deployment = deployment().await;
    let client = deployment.client(0);
    let mut administrator = deployment.database.session().await.unwrap();
    administrator
        .execute("BEGIN; SELECT 1 FROM stock WHERE product_id = 'P1' FOR UPDATE")
        .await
        .unwrap();
    let stuck = client.place("P1", 1).await.id;
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        client.place("P1", 1).await;
        longest = longest.max(sell_others(&client).await);
    }
    println!("while P1 was locked, orders for others took at most {longest:?}");
    assert!(
        longest < MAX_UNAFFECTED,
        "another product waited {longest:?}"
    );
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);
    assert!(postponed(&deployment).await > 0);
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
    let mut vendor_row = deployment.database.session().await.unwrap();
    vendor_row
        .execute("BEGIN; SELECT 1 FROM vendor_stock WHERE product_id = 'P1' FOR UPDATE")
        .await
        .unwrap();
    let stuck = client.place("P1", 1).await.id;
    let longest = sell_others(&client).await;
    assert!(
        longest < MAX_UNAFFECTED,
        "another product waited {longest:?}"
    );
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);

    // Lock the order itself, and release the vendor stock row.
    let mut order = deployment.database.session().await.unwrap();
    order
        .execute(&format!(
            "BEGIN; SELECT 1 FROM orders WHERE id = {stuck} FOR UPDATE"
        ))
        .await
        .unwrap();
    drop(vendor_row);
    let longest = sell_others(&client).await;
    assert!(
        longest < MAX_UNAFFECTED,
        "another product waited {longest:?}"
    );
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
    let mut administrator = deployment.database.session().await.unwrap();
    administrator
        .execute("BEGIN; SELECT 1 FROM stock WHERE product_id = 'P2' FOR UPDATE")
        .await
        .unwrap();
    deployment.vendors[0].set_stock([("P1", 40), ("P2", 40)]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for units in [49, 48, 47] {
        deployment.vendors[1].set_stock([("Q", units)]);
        eventually("vendor-b's report is applied", async || {
            (client.quantity("Q").await == units).then_some(())
        })
        .await;
    }
    eventually("the product that is not locked is updated", async || {
        (client.quantity("P1").await == 40).then_some(())
    })
    .await;
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
