//! Distribution of the queues over the workers.

use std::time::Duration;

use client::OrderStatus;
use tests::{Deployment, count, eventually};
use tokio::time::Instant;

/// Maximum time until the queues are redistributed: two lease renewals, the releases, and a margin for a busy machine.
const MAX_REBALANCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn worker_that_joins_under_load_gets_its_share_and_no_order_is_settled_twice() {
    let products: Vec<String> = (0..32).map(|number| format!("p{number}")).collect();
    let stock: Vec<(&str, i64)> = products.iter().map(|id| (id.as_str(), 1_000)).collect();
    let mut deployment = Deployment::start(&stock).await;
    assert_eq!(deployment.active_queues(), "{8}");
    let client = deployment.client(0);
    let load = tokio::spawn(async move {
        let mut placed = 0;
        let end = Instant::now() + MAX_REBALANCE;
        while Instant::now() < end {
            for product in &products {
                client.place(product, 1).await;
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
    assert!(took < MAX_REBALANCE, "{took:?}");
    let placed = load.await.unwrap();
    deployment.all_settled().await;
    assert_eq!(deployment.active_queues(), "{4,4}");
    let orders = deployment.client(0).all_orders().await;
    assert_eq!(orders.len(), placed);
    assert_eq!(count(&orders, OrderStatus::Confirmed), placed);
    // Each order was settled by one transaction, whichever worker got the delivery.
    let mut settled = 0;
    for worker in 0..2 {
        let name = "aggregator_orders_settled_total{outcome=\"CONFIRMED\"}";
        settled += deployment.worker_client(worker).metric::<usize>(name).await;
    }
    assert_eq!(settled, orders.len());
    assert_eq!(deployment.queue_depth("orders.dead"), 0);
    deployment.audit().await;

    // If one worker dies, the other one takes over all queues.
    deployment.workers[0].kill().await;
    eventually("the other worker has all queues", async || {
        (deployment.active_queues() == "{8}").then_some(())
    })
    .await;
    deployment.client(0).place_settled("p0", 1).await;
}

#[tokio::test]
async fn lowering_the_number_of_queues_loses_no_message() {
    let products: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    let stock: Vec<(&str, i64)> = products.iter().map(|id| (id.as_str(), 10)).collect();
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &stock)
        .settings("[worker]\nsweep_interval = \"1h\"\npending_timeout = \"24h\"\n")
        .start()
        .await;
    deployment.workers[0].kill().await;
    let client = deployment.client(0);
    // Publish to all 8 queues, as a relay would have done before the change.
    for (number, product) in products.iter().enumerate() {
        let order = client.place(product, 1).await;
        let body = format!(r#"{{"order_ids":[{}]}}"#, order.id);
        deployment.publish_raw(&format!("orders.{number}"), &body);
    }
    deployment.execute("DELETE FROM outbox").await;
    deployment.edit_settings(|settings| settings + "\n[rabbitmq]\nqueues = 2\n");
    deployment.restart_worker(0).await;
    deployment.all_settled().await;
    let worker = deployment.worker_client(0);
    eventually("the surplus queues are empty", async || {
        let readiness = worker.get("/readyz").await;
        (readiness["queues"]["surplus"] == 0).then_some(())
    })
    .await;
    for number in 0..8 {
        assert_eq!(deployment.queue_depth(&format!("orders.{number}")), 0);
    }
    deployment.audit().await;
}
