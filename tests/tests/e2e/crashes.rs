//! Guarantee P2 in the embedded deployment: SIGKILL at random times under load.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{ClientError, Order, OrderStatus, ProblemKind};
use tests::{Consumer, Load, Standalone, scale, sold};
use tokio::time::sleep;

const CLIENTS: usize = 16;
const STOCK: i64 = 10_000_000;
const SMALL_STOCK: i64 = 200;

/// An order that was accepted with 202.
struct Accepted {
    key: String,
    id: i64,
    /// Number of times the request was sent until it got a response.
    sends: u32,
}

/// Starts clients that place orders one after the other, each with a key, and retry each order until it gets a response.
fn start_load(client: &Consumer) -> Load<Accepted> {
    let client = client.clone();
    Load::start(CLIENTS, move |number, order| {
        let product = if order % 4 == 0 { "few" } else { "many" };
        let key = format!("client-{number}-order-{order}");
        place(client.clone(), product, key)
    })
}

async fn place(client: Consumer, product: &str, key: String) -> Accepted {
    for sends in 1.. {
        if let Some(id) = try_place(&client, product, &key).await {
            return Accepted { key, id, sends };
        }
        sleep(Duration::from_millis(10)).await;
    }
    unreachable!("an order is sent until it gets a response")
}

/// Returns the order's id if a complete 202 response arrived.
async fn try_place(client: &Consumer, product: &str, key: &str) -> Option<i64> {
    match client.try_place(product, 1, Some(key)).await {
        Ok(placed) => Some(placed.order.id),
        Err(ClientError::NoResponse(_)) => None,
        Err(error) if error.kind() == Some(&ProblemKind::Unavailable) => None,
        Err(error) => panic!("an order failed with {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standalone_killed_at_random_times_loses_no_order_and_settles_none_twice() {
    let kills = scale::pick(5, 100);
    let stock: &[(&str, i64)] = &[("many", STOCK), ("few", SMALL_STOCK)];
    let mut standalone = Standalone::start(&[("vendor-a", stock)], "").await;
    let client = standalone.client();
    let mut load = start_load(&client);
    let mut random = fastrand::Rng::with_seed(17);
    let mut accepted: Vec<Accepted> = Vec::new();
    for kill in 0..kills {
        // Kill every third process while it starts.
        if kill % 3 != 2 {
            standalone.ready().await;
        }
        sleep(Duration::from_millis(random.u64(0..700))).await;
        standalone.process.kill().await;
        standalone.audit().await;
        standalone.start_again();
        let since = load.results();
        if kill % 3 == 0 {
            standalone.ready().await;
            repeat_some(&client, &since, &mut random).await;
        }
        accepted.extend(since);
    }
    standalone.ready().await;
    accepted.extend(load.stop().await);
    client.all_settled().await;
    let orders = client.all_orders().await;
    let resent = accepted.iter().filter(|order| order.sends > 1).count();
    println!(
        "{kills} kills: {} orders accepted, {resent} of them sent more than once, {} settled",
        accepted.len(),
        orders.len()
    );
    check(&accepted, &orders);
    for (product, stock) in stock {
        let sold = sold(&orders, product);
        assert_eq!(client.quantity(product).await, stock - sold, "{product}");
    }
    assert_eq!(
        sold(&orders, "few"),
        SMALL_STOCK,
        "the load did not sell all units"
    );
    assert!(
        accepted.len() > 200,
        "only {} orders were accepted",
        accepted.len()
    );
    standalone.audit().await;
    assert!(standalone.process.terminate().await);
    standalone.audit().await;
}

/// Asserts that orders accepted before a crash are found by their keys after it.
async fn repeat_some(client: &Consumer, accepted: &[Accepted], random: &mut fastrand::Rng) {
    for _ in 0..accepted.len().min(20) {
        let order = &accepted[random.usize(..accepted.len())];
        let product = client.order(order.id).await.product_id;
        let id = try_place(client, &product, &order.key).await;
        assert_eq!(id, Some(order.id), "{}", order.key);
    }
}

/// Asserts that each accepted order exists once and is settled, and that no other order exists.
fn check(accepted: &[Accepted], orders: &[Order]) {
    let by_id: BTreeMap<i64, &Order> = orders.iter().map(|order| (order.id, order)).collect();
    let by_key: BTreeMap<&str, i64> = accepted
        .iter()
        .map(|order| (order.key.as_str(), order.id))
        .collect();
    assert_eq!(by_key.len(), accepted.len(), "a key was used twice");
    let lost: Vec<&str> = accepted
        .iter()
        .filter(|order| !by_id.contains_key(&order.id))
        .map(|order| order.key.as_str())
        .collect();
    assert!(lost.is_empty(), "accepted but missing: {lost:?}");
    // Each key was sent until it got a response, so an additional order is one that was created twice.
    assert_eq!(orders.len(), accepted.len());
    assert_eq!(by_id.len(), orders.len());
    for order in orders {
        let allocated: u32 = order.allocations.iter().map(|part| part.quantity).sum();
        match order.status {
            OrderStatus::Confirmed => assert_eq!(allocated, order.quantity, "{order:?}"),
            OrderStatus::Rejected => assert_eq!(allocated, 0, "{order:?}"),
            _ => panic!("not settled: {order:?}"),
        }
    }
}
