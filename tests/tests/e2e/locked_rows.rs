//! Rows that an administrator's transaction keeps locked: what needs them waits, everything else goes its way.

use std::time::{Duration, Instant};

use client::OrderStatus;
use tests::{Consumer, Deployment, eventually};

/// A few times what is promised, for a machine that does other things as well.
const AT_ONCE: Duration = Duration::from_secs(3);

const PRODUCTS: [&str; 6] = ["P0", "P1", "P2", "P3", "P4", "P5"];

async fn deployment() -> Deployment {
    Deployment::builder()
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, 50)))
        .sync_every(Duration::from_secs(2))
        .start()
        .await
}

/// Sells one of each product but `P1`, and returns the longest time that it took.
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
async fn a_locked_stock_row_keeps_only_its_own_product_waiting() {
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
    assert!(longest < AT_ONCE, "another product waited {longest:?}");
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
async fn a_locked_position_and_a_locked_order_keep_no_other_waiting() {
    let deployment = deployment().await;
    let client = deployment.client(0);
    let mut position = deployment.database.session().await.unwrap();
    position
        .execute("BEGIN; SELECT 1 FROM vendor_stock WHERE product_id = 'P1' FOR UPDATE")
        .await
        .unwrap();
    let stuck = client.place("P1", 1).await.id;
    let longest = sell_others(&client).await;
    assert!(longest < AT_ONCE, "another product waited {longest:?}");
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);

    // Now the order itself is locked, and the position is free.
    let mut order = deployment.database.session().await.unwrap();
    order
        .execute(&format!(
            "BEGIN; SELECT 1 FROM orders WHERE id = {stuck} FOR UPDATE"
        ))
        .await
        .unwrap();
    drop(position);
    let longest = sell_others(&client).await;
    assert!(longest < AT_ONCE, "another product waited {longest:?}");
    assert_eq!(client.order(stuck).await.status, OrderStatus::Pending);
    drop(order);
    let order = client.settled(stuck).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_meets_a_locked_row_stops_no_other_product_or_vendor_and_recovers() {
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
    eventually(
        "the product that is not locked has its new count",
        async || (client.quantity("P1").await == 40).then_some(()),
    )
    .await;
    assert_eq!(client.quantity("P2").await, 50);
    eventually("the product that was left out is named", async || {
        let log = deployment.workers[0].log();
        log.contains("holds the rows of product P2").then_some(())
    })
    .await;
    let started = Instant::now();
    let placed = client.place_and_wait("Q", 1, 10).await;
    assert_eq!(placed.order.status, OrderStatus::Confirmed);
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
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
