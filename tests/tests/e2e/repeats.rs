//! Guarantee P2 for repeated requests: one `Idempotency-Key` creates one order, also with concurrent requests and killed
//! processes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use client::{NewOrder, Order, OrderStatus, Placed, Retries};
use tests::{Consumer, Deployment, Standalone, concurrently, scale, sold};
use tokio::sync::Barrier;
use tokio::time::sleep;

const CLIENTS: usize = 64;
const STOCK: i64 = 1_000_000;
const PRODUCTS: [&str; 2] = ["1", "2"];

/// Retries for an API that is killed repeatedly.
const MANY_RETRIES: Retries = Retries {
    max_retries: 600,
    initial_delay: Duration::from_millis(20),
    max_delay: Duration::from_secs(1),
};

/// No retries, for an API that keeps running.
const NO_RETRIES: Retries = Retries {
    max_retries: 0,
    ..MANY_RETRIES
};

fn order_of(key: usize) -> NewOrder {
    let quantity = u32::try_from(key % 3).unwrap() + 1;
    NewOrder::new(PRODUCTS[key % PRODUCTS.len()], quantity)
}

/// Sends each order with its key from 64 clients at the same time. Returns each client's responses by key.
async fn repeat(consumers: Vec<Consumer>, keys: usize, retries: Retries) -> Vec<Vec<Placed>> {
    let barrier = Arc::new(Barrier::new(CLIENTS));
    concurrently(CLIENTS, |number| {
        let api = consumers[number % consumers.len()].api.clone();
        let barrier = Arc::clone(&barrier);
        async move {
            let mut responses = Vec::with_capacity(keys);
            for key in 0..keys {
                barrier.wait().await;
                let (order, name) = (order_of(key), format!("key-{key}"));
                let placed = api.place_with_retries(&order, &name, None, retries).await;
                responses.push(placed.unwrap());
            }
            responses
        }
    })
    .await
}

/// Returns the order as it was when it was accepted.
fn as_accepted(order: &Order) -> Order {
    let mut accepted = order.clone();
    accepted.status = OrderStatus::Pending;
    accepted.reason = None;
    accepted.allocations.clear();
    accepted.updated_at = accepted.created_at;
    accepted
}

/// Asserts that there is one order per key, and that each response for a key shows its order, before or after settlement.
/// Returns the number of keys without a response that was not a replay.
async fn check(client: &Consumer, responses: &[Vec<Placed>], keys: usize) -> usize {
    client.all_settled().await;
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), keys, "one order per key");
    let by_id: HashMap<i64, &Order> = orders.iter().map(|order| (order.id, order)).collect();
    let mut seen = HashSet::new();
    let mut without_first = 0;
    for key in 0..keys {
        let settled = by_id[&responses[0][key].order.id];
        assert!(seen.insert(settled.id), "two keys have one order");
        let expected = order_of(key);
        assert_eq!(settled.product_id, expected.product_id);
        assert_eq!(settled.quantity, expected.quantity);
        assert_eq!(settled.status, OrderStatus::Confirmed);
        let accepted = as_accepted(settled);
        let of_key = || responses.iter().map(|client| &client[key]);
        for placed in of_key() {
            let order = &placed.order;
            assert!(*order == *settled || *order == accepted, "{order:?}");
        }
        match of_key().filter(|placed| !placed.replayed).count() {
            0 => without_first += 1,
            firsts => assert_eq!(firsts, 1, "exactly one response of a key is not a replay"),
        }
    }
    for product in PRODUCTS {
        let left = client.quantity(product).await;
        assert_eq!(left, STOCK - sold(&orders, product), "{product}");
    }
    without_first
}

/// Repeats each order on APIs that keep running, and asserts that each key has a response that is not a replay.
async fn repeat_without_loss(consumers: Vec<Consumer>, keys: usize) {
    let (client, programs) = (consumers[0].clone(), consumers.len());
    let responses = repeat(consumers, keys, NO_RETRIES).await;
    let without_first = check(&client, &responses, keys).await;
    assert_eq!(without_first, 0, "no response was lost");
    println!(
        "{keys} keys, each sent by {CLIENTS} clients at once to {programs} programs: {keys} orders"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_with_one_key_create_one_order() {
    let keys = scale::pick(20, 1_000);
    let deployment = Deployment::builder()
        .apis(2)
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, STOCK)))
        .start()
        .await;
    let consumers = vec![deployment.client(0), deployment.client(1)];
    repeat_without_loss(consumers, keys).await;
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_with_one_key_create_one_order_in_standalone() {
    let keys = scale::pick(20, 1_000);
    let stock = PRODUCTS.map(|product| (product, STOCK));
    let standalone = Standalone::start(&[("vendor-a", &stock)], "").await;
    repeat_without_loss(vec![standalone.client()], keys).await;
    standalone.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_with_one_key_create_one_order_while_apis_are_killed() {
    let keys = scale::pick(60, 1_000);
    let mut deployment = Deployment::builder()
        .apis(2)
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, STOCK)))
        .start()
        .await;
    let consumers = vec![deployment.client(0), deployment.client(1)];
    let load = tokio::spawn(repeat(consumers, keys, MANY_RETRIES));
    let mut random = fastrand::Rng::with_seed(23);
    let mut kills = 0;
    loop {
        sleep(Duration::from_millis(random.u64(50..400))).await;
        if load.is_finished() {
            break;
        }
        deployment.apis[kills % 2].kill().await;
        sleep(Duration::from_millis(random.u64(0..200))).await;
        deployment.restart_api(kills % 2).await;
        kills += 1;
    }
    let responses = load.await.unwrap();
    let without_first = check(&deployment.client(0), &responses, keys).await;
    println!(
        "{keys} keys, each sent by {CLIENTS} clients at once to two APIs, {kills} kills: \
         {keys} orders; the first response was lost for {without_first} keys"
    );
    assert!(kills > 0, "no process was killed");
    deployment.audit().await;
}
