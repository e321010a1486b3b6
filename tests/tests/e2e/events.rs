//! Events for changes that any process makes.

use std::collections::BTreeSet;

use tests::{Consumer, Deployment, Events, Standalone, concurrently};

/// Places orders concurrently and returns their ids.
async fn place(clients: &[Consumer], orders: usize) -> BTreeSet<i64> {
    let placed = concurrently(8, |number| {
        let client = clients[number % clients.len()].clone();
        async move {
            let mut placed = Vec::new();
            for _ in 0..orders / 8 {
                placed.push(client.place("1", 1).await.id);
            }
            placed
        }
    });
    placed.await.into_iter().flatten().collect()
}

/// Reads until a settlement event for each of these orders has arrived.
async fn settled(events: &mut Events, mut orders: BTreeSet<i64>) {
    while !orders.is_empty() {
        let order = events.find("order", |it| it["status"] != "PENDING").await;
        orders.remove(&order["id"].as_i64().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriber_gets_events_of_all_processes_and_misses_none_when_its_api_dies() {
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 10_000)])
        .apis(2)
        .start()
        .await;
    let clients = [deployment.client(0), deployment.client(1)];
    let mut events = clients[1].events(None).await;
    // The first API accepts the order, the worker settles it, and the second API sends both events.
    let placed = clients[0].place("1", 3).await;
    let settled_order = events
        .find("order", |it| {
            it["id"] == placed.id && it["status"] == "CONFIRMED"
        })
        .await;
    let path = format!("/api/v1/orders/{}", placed.id);
    assert_eq!(settled_order, clients[0].get(&path).await);
    let stock = events.find("stock", |it| it["quantity"] == 9_997).await;
    assert_eq!(stock["product_id"], "1");
    // A vendor's report.
    deployment.vendors[0].set_stock([("1", 20_000)]);
    events.find("stock", |it| it["quantity"] == 19_997).await;
    // An operator's cancellation.
    clients[0].patch(placed.id, "CANCELLED").await;
    events.find("order", |it| it["status"] == "CANCELLED").await;

    let concurrent = place(&clients, 200).await;
    settled(&mut events, concurrent).await;
    deployment.apis[1].kill().await;
    while events.next().await.is_some() {}
    let missed = place(&clients[..1], 80).await;
    let mut reconnected = clients[0].events(Some(events.last_id())).await;
    settled(&mut reconnected, missed).await;

    assert!(deployment.apis[0].terminate().await);
    reconnected.find("closing", |_| true).await;
    assert_eq!(reconnected.next().await, None);
    deployment.restart_api(0).await;
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriber_of_the_standalone_program_resumes_after_a_restart() {
    let mut standalone = Standalone::start(&[("vendor-a", &[("1", 10_000)])], "").await;
    let client = standalone.client();
    let mut events = client.events(None).await;
    let concurrent = place(std::slice::from_ref(&client), 80).await;
    settled(&mut events, concurrent).await;
    let last_id = events.last_id().to_owned();
    let missed = place(std::slice::from_ref(&client), 80).await;
    client.all_settled().await;
    standalone.process.kill().await;
    standalone.restart().await;
    let mut reconnected = client.events(Some(&last_id)).await;
    settled(&mut reconnected, missed).await;
    let placed = client.place("1", 1).await;
    settled(&mut reconnected, BTreeSet::from([placed.id])).await;
    standalone.audit().await;
}
