//! Dead letters: listing, replaying and discarding them with the operators' program.

use std::sync::Arc;

use client::OrderStatus;
use clock_tokio::SystemClock;
use domain::identifiers::OrderId;
use domain::ports::Store as _;
use storage_sqlite::{SqliteOptions, SqliteStore};
use tests::{Consumer, Deployment, Standalone, admin, allocated, assert_contains, eventually};

/// Returns the numbers of dead-lettered orders and messages that `/readyz` reports.
async fn depths(client: &Consumer) -> (Option<u64>, Option<u64>) {
    let dead = &client.readiness().await.1["dead_letters"];
    (dead["orders"].as_u64(), dead["messages"].as_u64())
}

async fn list(environment: &admin::Environment) -> String {
    admin::succeed(&["dead-letters", "list"], environment).await
}

#[tokio::test]
async fn order_that_cannot_be_settled_is_listed_replayed_and_settled_once() {
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .workers(0)
        .start()
        .await;
    let client = deployment.client(0);
    let (corrupt, valid) = (client.place("1", 2).await.id, client.place("1", 3).await.id);
    // Corrupt the row so that settlement cannot read it.
    let damage = format!(
        "ALTER TABLE orders DROP CONSTRAINT orders_quantity_check; \
         UPDATE orders SET quantity = -2 WHERE id = {corrupt}"
    );
    deployment.execute(&damage).await;
    deployment.add_worker().await;
    let worker = deployment.worker_client(0);
    assert_eq!(client.settled(valid).await.status, OrderStatus::Confirmed);
    eventually("the order is dead-lettered", async || {
        (depths(&worker).await.0 == Some(1)).then_some(())
    })
    .await;
    assert_eq!(depths(&client).await, (Some(1), None));
    for process in [&client, &worker] {
        assert_eq!(process.metric::<u64>("aggregator_dead_letters").await, 1);
    }
    let environment = deployment.environment();
    let order = corrupt.to_string();
    let listed = list(&environment).await;
    assert_contains(&listed, &format!("order {corrupt}  "));
    assert_contains(&listed, "quantity cannot be read");

    let repair = format!("UPDATE orders SET quantity = 2 WHERE id = {corrupt}");
    deployment.execute(&repair).await;
    let replay = ["dead-letters", "replay", "--order", order.as_str()];
    let printed = admin::succeed(&replay, &environment).await;
    assert_contains(&printed, "replayed 1 of 1 orders");
    let settled = client.settled(corrupt).await;
    assert_eq!(allocated(&settled), [("vendor-a", 2)]);
    // A second replay finds nothing, and no order is settled twice.
    admin::fail(&replay, &environment, "no such dead letter").await;
    assert_eq!(list(&environment).await, "no dead letters\n");
    assert_eq!(client.quantity("1").await, 45);
    eventually("no dead letter is counted", async || {
        (depths(&client).await == (Some(0), None)).then_some(())
    })
    .await;
    deployment.audit().await;
}

#[tokio::test]
async fn dead_messages_are_listed_replayed_and_discarded() {
    let deployment = Deployment::start(&[("1", 50)]).await;
    let (client, worker) = (deployment.client(0), deployment.worker_client(0));
    let environment = deployment.environment();
    let order = client.place_settled("1", 1).await;
    deployment.publish_raw("orders.3", "not JSON at all");
    // A valid message, as the broker would dead-letter it, whose order is already settled.
    let body = format!(r#"{{"order_ids":[{}]}}"#, order.id);
    deployment.publish_raw("orders.dead", &body);
    eventually("both are counted", async || {
        (depths(&worker).await == (Some(0), Some(2))).then_some(())
    })
    .await;
    let dead = "aggregator_queue_messages{state=\"dead\"}";
    assert_eq!(worker.metric::<u64>(dead).await, 2);

    let listed = list(&environment).await;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert_contains(&listed, "rejected in orders.3: the body is not a message");
    assert_contains(&listed, &format!(": orders {}", order.id));
    let shown = admin::succeed(&["dead-letters", "show", "--all"], &environment).await;
    assert_contains(&shown, "15 bytes: not JSON at all");

    let printed = admin::succeed(&["dead-letters", "replay", "--all"], &environment).await;
    assert_contains(&printed, "cannot be replayed: the body is not a message");
    assert_contains(&printed, "replayed 1 of 2 messages with 0 orders");
    let listed = list(&environment).await;
    let id = listed.split_whitespace().nth(1).unwrap();
    let discard = ["dead-letters", "discard", "--message", id];
    let printed = admin::succeed(&discard, &environment).await;
    assert_contains(&printed, "discarded 1 messages");
    assert_eq!(list(&environment).await, "no dead letters\n");
    assert_eq!(client.order(order.id).await.status, OrderStatus::Confirmed);
    assert_eq!(client.quantity("1").await, 49);
    deployment.audit().await;
}

#[tokio::test]
async fn embedded_deployment_keeps_dead_letters_in_its_data_file() {
    // The vendor of the product was never synced: its order stays PENDING.
    let settings = "[worker]\npending_timeout = \"24h\"\nsweep_interval = \"1h\"\n";
    let mut standalone = Standalone::start(&[("vendor-a", &[("1", 5)])], settings).await;
    let client = standalone.client();
    let slow = mock_vendor::MockVendor::start_local([("2", 7)]).unwrap();
    slow.set_fault(mock_vendor::Fault::Hang);
    standalone.process.kill().await;
    standalone.add_vendor("slow", &slow, "10m");
    standalone.restart().await;
    let order = client.place("2", 1).await;
    standalone.process.kill().await;
    let data = standalone.data();
    let path = data.to_str().unwrap();
    {
        let options = SqliteOptions::new(data.clone());
        let store = SqliteStore::open(&options, Arc::new(SystemClock)).unwrap();
        let mut work = store.begin().await.unwrap();
        let id = OrderId(order.id);
        assert!(work.record_dead_letter(id, "test reason").await.unwrap());
        work.commit().await.unwrap();
    }
    standalone.restart().await;
    assert_eq!(depths(&client).await.0, Some(1));
    assert_eq!(client.metric::<u64>("aggregator_dead_letters").await, 1);
    // While the process runs, reading is allowed and writing is not.
    let list = ["dead-letters", "list", "--data", path];
    let listed = admin::succeed(&list, &[]).await;
    let order_id = format!("order {}  ", order.id);
    assert!(listed.starts_with(&order_id), "{listed}");
    assert!(listed.ends_with("  test reason\n"), "{listed}");
    let replay = ["dead-letters", "replay", "--all", "--data", path];
    admin::fail(&replay, &[], "is in use by process").await;

    standalone.process.kill().await;
    slow.set_fault(mock_vendor::Fault::None);
    admin::succeed(&replay, &[]).await;
    standalone.restart().await;
    let settled = client.settled(order.id).await;
    assert_eq!(allocated(&settled), [("slow", 1)]);
    assert_eq!(client.quantity("2").await, 6);
    assert_eq!(admin::succeed(&list, &[]).await, "no dead letters\n");
    standalone.audit().await;
}
