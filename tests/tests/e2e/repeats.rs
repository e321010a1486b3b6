//! Promise P2 for clients that repeat themselves: an `Idempotency-Key` is one order, however many send it at once and
//! whatever dies meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use client::{NewOrder, Order, OrderStatus, Placed, Retries};
use tests::{Consumer, Deployment, Standalone, scale, sold};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

const CLIENTS: usize = 64;
const STOCK: i64 = 1_000_000;
const PRODUCTS: [&str; 2] = ["1", "2"];

/// For an API that dies now and then.
const PATIENT: Retries = Retries {
    most: 600,
    first_pause: Duration::from_millis(20),
    longest_pause: Duration::from_secs(1),
};

/// For one that does not.
const ONCE: Retries = Retries { most: 0, ..PATIENT };

fn order_of(key: usize) -> NewOrder {
    let quantity = u32::try_from(key % 3).unwrap() + 1;
    NewOrder::new(PRODUCTS[key % PRODUCTS.len()], quantity)
}

/// Has 64 clients send each order under its key at the same time. Returns what each client was answered, by key.
async fn repeat(consumers: Vec<Consumer>, keys: usize, retries: Retries) -> Vec<Vec<Placed>> {
    let together = Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let api = consumers[number % consumers.len()].api.clone();
        let together = Arc::clone(&together);
        clients.spawn(async move {
            let mut replies = Vec::with_capacity(keys);
            for key in 0..keys {
                together.wait().await;
                let (order, name) = (order_of(key), format!("key-{key}"));
                let placed = api.place_repeatedly(&order, &name, None, retries).await;
                replies.push(placed.unwrap());
            }
            replies
        });
    }
    clients.join_all().await
}

/// An order as it was accepted.
fn as_accepted(order: &Order) -> Order {
    let mut accepted = order.clone();
    accepted.status = OrderStatus::Pending;
    accepted.reason = None;
    accepted.allocations.clear();
    accepted.updated_at = accepted.created_at;
    accepted
}

/// There are as many orders as keys, and each reply of a key shows its order, before or after the settlement. Returns how
/// many keys have no reply that says that it was the first.
async fn check(client: &Consumer, replies: &[Vec<Placed>], keys: usize) -> usize {
    client.all_settled().await;
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), keys, "as many orders as keys");
    let by_id: HashMap<i64, &Order> = orders.iter().map(|order| (order.id, order)).collect();
    let mut seen = HashSet::new();
    let mut without_first = 0;
    for key in 0..keys {
        let settled = by_id[&replies[0][key].order.id];
        assert!(seen.insert(settled.id), "two keys have one order");
        let wanted = order_of(key);
        assert_eq!(settled.product_id, wanted.product_id);
        assert_eq!(settled.quantity, wanted.quantity);
        assert_eq!(settled.status, OrderStatus::Confirmed);
        let accepted = as_accepted(settled);
        let of_key = || replies.iter().map(|client| &client[key]);
        for placed in of_key() {
            let order = &placed.order;
            assert!(*order == *settled || *order == accepted, "{order:?}");
        }
        match of_key().filter(|placed| !placed.replayed).count() {
            0 => without_first += 1,
            firsts => assert_eq!(firsts, 1, "one request of a key is the first"),
        }
    }
    for product in PRODUCTS {
        let left = client.quantity(product).await;
        assert_eq!(left, STOCK - sold(&orders, product), "{product}");
    }
    without_first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_repeat_each_key_at_once_and_it_is_one_order() {
    let keys = scale::pick(20, 1_000);
    let deployment = Deployment::builder()
        .apis(2)
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, STOCK)))
        .start()
        .await;
    let consumers = vec![deployment.client(0), deployment.client(1)];
    let replies = repeat(consumers, keys, ONCE).await;
    let without_first = check(&deployment.client(0), &replies, keys).await;
    assert_eq!(without_first, 0, "no answer was lost");
    println!("{keys} keys, each sent by {CLIENTS} clients at once to two APIs: {keys} orders");
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_in_the_embedded_program() {
    let keys = scale::pick(20, 1_000);
    let stock = PRODUCTS.map(|product| (product, STOCK));
    let standalone = Standalone::start(&[("vendor-a", &stock)], "").await;
    let replies = repeat(vec![standalone.client()], keys, ONCE).await;
    let without_first = check(&standalone.client(), &replies, keys).await;
    assert_eq!(without_first, 0, "no answer was lost");
    println!("{keys} keys, each sent by {CLIENTS} clients at once to one program: {keys} orders");
    standalone.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_while_the_api_is_killed_in_the_midst() {
    let keys = scale::pick(60, 1_000);
    let mut deployment = Deployment::builder()
        .apis(2)
        .vendor("vendor-a", &PRODUCTS.map(|product| (product, STOCK)))
        .start()
        .await;
    let consumers = vec![deployment.client(0), deployment.client(1)];
    let load = tokio::spawn(repeat(consumers, keys, PATIENT));
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
    let replies = load.await.unwrap();
    let without_first = check(&deployment.client(0), &replies, keys).await;
    println!(
        "{keys} keys, each sent by {CLIENTS} clients at once to two APIs, of which one or the other was killed {kills} times: \
         {keys} orders; the first answer was lost with the API for {without_first} keys"
    );
    assert!(kills > 0, "nothing was killed");
    deployment.audit().await;
}
