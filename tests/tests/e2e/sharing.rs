//! How workers share the queues out among themselves.

use std::time::Duration;

use client::OrderStatus;
use tests::{Deployment, count, eventually};
use tokio::time::Instant;

/// Long enough for two renewals, the releases, and a busy machine.
const SHARED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_worker_that_joins_under_load_gets_its_share_and_nothing_is_settled_twice() {
    let products: Vec<(String, i64)> = (0..32).map(|it| (format!("p{it}"), 1_000)).collect();
    let stock: Vec<(&str, i64)> = products.iter().map(|(id, n)| (id.as_str(), *n)).collect();
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &stock)
        .start()
        .await;
    assert_eq!(deployment.active_queues(), "{8}");
    let client = deployment.client(0);
    let load = tokio::spawn(async move {
        let mut placed = 0;
        let end = Instant::now() + SHARED_WITHIN;
        while Instant::now() < end {
            for product in 0..32 {
                client.place(&format!("p{product}"), 1).await;
                placed += 1;
            }
        }
        placed
    });
    deployment.add_worker().await;
    let joined = Instant::now();
    eventually("both workers have 4 queues", async || {
        (deployment.active_queues() == "{4,4}").then_some(())
    })
    .await;
    let took = joined.elapsed();
    assert!(took < SHARED_WITHIN, "{took:?}");
    let placed = load.await.unwrap();
    deployment.all_settled().await;
    assert_eq!(deployment.active_queues(), "{4,4}");
    let orders = deployment.client(0).all_orders().await;
    assert_eq!(orders.len(), placed);
    assert_eq!(count(&orders, OrderStatus::Confirmed), placed);
    // Each order was settled by one transaction, whoever it was delivered to.
    let mut settled = 0;
    for worker in 0..2 {
        let page = deployment.worker_client(worker).try_get("/metrics").await;
        let page = page.unwrap().text().await.unwrap();
        let name = "aggregator_orders_settled_total{outcome=\"CONFIRMED\"} ";
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        settled += line.unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(settled, orders.len());
    assert_eq!(deployment.queue_depth("orders.dead"), 0);
    deployment.audit().await;

    // With one of them gone the other one does everything.
    deployment.workers[0].kill().await;
    eventually("the other worker has all queues", async || {
        (deployment.active_queues() == "{8}").then_some(())
    })
    .await;
    let order = deployment.client(0).place("p0", 1).await;
    deployment.client(0).settled(order.id).await;
}

#[tokio::test]
async fn a_lowered_number_of_queues_leaves_no_message_behind() {
    let stock: Vec<(String, i64)> = (0..32).map(|it| (format!("p{it}"), 10)).collect();
    let stock: Vec<(&str, i64)> = stock.iter().map(|(id, n)| (id.as_str(), *n)).collect();
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &stock)
        .settings("[worker]\nsweep_interval = \"1h\"\npending_timeout = \"24h\"\n")
        .start()
        .await;
    deployment.workers[0].kill().await;
    let client = deployment.client(0);
    // What was published while the number was 8: a relay of its own would do the same.
    for number in 0..8 {
        let order = client.place(&format!("p{number}"), 1).await;
        let body = format!(r#"{{"order_ids":[{}]}}"#, order.id);
        deployment.publish_raw(&format!("orders.{number}"), &body);
    }
    deployment
        .database
        .execute("DELETE FROM outbox")
        .await
        .unwrap();
    deployment.edit_settings(|settings| settings + "\n[rabbitmq]\nqueues = 2\n");
    deployment.restart_worker(0).await;
    deployment.all_settled().await;
    let worker = deployment.worker_client(0);
    eventually("nothing waits in the queues beyond", async || {
        let readiness = worker.get("/readyz").await;
        (readiness["queues"]["surplus"] == 0).then_some(())
    })
    .await;
    for number in 0..8 {
        assert_eq!(deployment.queue_depth(&format!("orders.{number}")), 0);
    }
    deployment.audit().await;
}
