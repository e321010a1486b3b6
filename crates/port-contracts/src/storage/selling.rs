//! From an order to its settlement, and back: the use cases over the store, also all at once. (P1: no unit is sold twice.
//! P4: a cancelled order gives its stock back exactly once.)

use domain::identifiers::{BatchDigest, OrderId};
use domain::order::{Order, OrderState, OrderStatus, RejectReason};
use domain::ports::OrderFilter;
use domain::services::{ChangeStatusError, NewBatch, PlaceOrderError};
use tokio::task::JoinSet;

use super::StorageUnderTest;
use crate::builders::{full, key, keyed_order, new_order, product, request};
use crate::shop::Shop;

async fn place_units(storage: &StorageUnderTest, product_id: &str, count: usize) -> Vec<OrderId> {
    let orders: Vec<_> = (0..count).map(|_| new_order(product_id, 1)).collect();
    storage.place_all(&orders).await
}

async fn count(storage: &StorageUnderTest, ids: &[OrderId], status: OrderStatus) -> usize {
    let mut found = 0;
    for &id in ids {
        found += usize::from(storage.order(id).await.state.status() == status);
    }
    found
}

/// Requests with one key, at the same time, place one order; another body is refused.
pub async fn an_order_is_placed_once_for_a_key(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &[]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let batcher = shop.batcher.clone();
        tasks.spawn(async move { batcher.place(keyed_order("p", 1, "k")).await.unwrap() });
    }
    let placed = tasks.join_all().await;
    assert_eq!(placed.iter().filter(|it| !it.replayed).count(), 1);
    assert!(placed.iter().all(|it| it.order == placed[0].order));
    let other = shop.batcher.place(keyed_order("p", 2, "k")).await;
    other.unwrap_err();
}

fn batch(name: &str, units: &[u32]) -> NewBatch {
    let digest: Vec<String> = units.iter().map(u32::to_string).collect();
    let digest = BatchDigest::parse(digest.join("+")).unwrap();
    NewBatch {
        requests: units.iter().map(|&units| request("p", units)).collect(),
        key: Some((key("", name), digest)),
    }
}

/// Batches with one key that ask for the same, at the same time, place their orders once, all of them.
pub async fn a_batch_is_placed_once_for_a_key(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &[]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let batcher = shop.batcher.clone();
        tasks.spawn(async move { batcher.place_all(batch("k", &[1, 2, 3])).await.unwrap() });
    }
    let placed = tasks.join_all().await;
    assert_eq!(placed.iter().filter(|it| !it.replayed).count(), 1);
    assert!(placed.iter().all(|it| it.orders == placed[0].orders));
    let units = placed[0].orders.iter().map(|order| order.quantity.units());
    assert!(units.eq([1, 2, 3]));
    assert_eq!(orders_of(storage, "p").await, placed[0].orders);
}

/// All orders of a product, oldest first.
async fn orders_of(storage: &StorageUnderTest, product_id: &str) -> Vec<Order> {
    let filter = OrderFilter {
        product_id: Some(product(product_id)),
        ..OrderFilter::default()
    };
    let listed = storage.orders.list_orders(&filter, None, 1_000).await;
    let mut listed = listed.unwrap();
    listed.reverse();
    listed
}

/// Of batches with one key that ask for different things, at the same time, one is placed whole, and of the others nothing.
/// Orders that share their transactions are placed all the same.
pub async fn of_different_batches_with_one_key_one_is_placed(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &[]).await;
    let mut of_batches = Vec::new();
    for round in 0..4 {
        let mut batches = JoinSet::new();
        let mut alone = JoinSet::new();
        for count in 1..8 {
            let batch = batch(&format!("k{round}"), &vec![2; count]);
            let batcher = shop.batcher.clone();
            batches.spawn(async move { batcher.place_all(batch).await });
            let batcher = shop.batcher.clone();
            alone.spawn(async move { batcher.place(new_order("q", 1)).await.unwrap() });
        }
        alone.join_all().await;
        let mut placed = Vec::new();
        for answer in batches.join_all().await {
            match answer {
                Ok(batch) => placed.push(batch),
                Err(PlaceOrderError::KeyReused) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(placed.len(), 1, "{placed:?}");
        of_batches.append(&mut placed[0].orders);
        assert_eq!(orders_of(storage, "p").await, of_batches);
    }
    assert_eq!(orders_of(storage, "q").await.len(), 4 * 7);
}

/// In a batch the oldest comes first; one that is too large is rejected, and a later, smaller one is still confirmed.
pub async fn a_batch_is_settled_oldest_first(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    let asked = [("p", 3), ("p", 3), ("q", 1), ("p", 2), ("p", 1)];
    let orders = asked.map(|(product_id, units)| new_order(product_id, units));
    let mut ids = storage.place_all(&orders).await;
    let expected = [
        None,
        Some(RejectReason::InsufficientStock),
        Some(RejectReason::UnknownProduct),
        None,
        Some(RejectReason::InsufficientStock),
    ];
    ids.reverse();
    shop.settle(&ids).await;
    ids.reverse();
    for (id, expected) in ids.into_iter().zip(expected) {
        let order = storage.order(id).await;
        assert_eq!(order.state.reject_reason(), expected, "{order:?}");
    }
    assert_eq!(storage.numbers("p", "v").await, (5, 5, 0));
    storage.assert_sound().await;
}

/// What is delivered again is not settled again.
pub async fn an_order_is_settled_once(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    let order = shop.sell(storage, "p", 2).await;
    for _ in 0..3 {
        shop.settle(&[order.id, order.id]).await;
    }
    assert_eq!(storage.order(order.id).await, order);
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// Two hundred orders of one unit, settled by many at the same time and each by two of them, share fifty units.
pub async fn concurrent_settlements_never_oversell(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 30)])).await;
    shop.report("w", full(&[("p", 20)])).await;
    let ids = place_units(storage, "p", 200).await;
    let mut tasks = JoinSet::new();
    for chunk in ids.chunks(20).chain(ids.chunks(8)) {
        let (shop, chunk) = (shop.clone(), chunk.to_vec());
        let orders = storage.orders.clone();
        tasks.spawn(async move { shop.settle_all(orders.as_ref(), &chunk).await });
    }
    tasks.join_all().await;
    assert_eq!(count(storage, &ids, OrderStatus::Confirmed).await, 50);
    assert_eq!(count(storage, &ids, OrderStatus::Rejected).await, 150);
    assert_eq!(storage.sellable("p").await, 0);
    assert_eq!(storage.numbers("p", "v").await, (30, 30, 0));
    assert_eq!(storage.numbers("p", "w").await, (20, 20, 0));
    storage.assert_sound().await;
}

/// A confirmed order that is cancelled gives its stock back, to each vendor its own, and only once.
pub async fn cancelling_gives_stock_back_once(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    shop.report("w", full(&[("p", 7)])).await;
    let kept = shop.sell(storage, "p", 1).await;
    let order = shop.sell(storage, "p", 9).await;
    for round in 0..3 {
        let done = shop.change(order.id, OrderStatus::Cancelled).await;
        assert_eq!(done.unwrap().changed, round == 0);
        assert_eq!(storage.sellable("p").await, 11);
    }
    assert_eq!(storage.order(order.id).await.state, OrderState::Cancelled);
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    assert_eq!(storage.numbers("p", "w").await, (7, 1, 6));
    storage.assert_sound().await;

    shop.change(kept.id, OrderStatus::Shipped).await.unwrap();
    let late = shop.change(kept.id, OrderStatus::Cancelled).await;
    let error = late.unwrap_err();
    assert!(matches!(error, ChangeStatusError::Illegal(_)), "{error}");
    assert_eq!(storage.sellable("p").await, 11);
    storage.assert_sound().await;
}

/// Of sixteen who cancel one order at the same time, one gives the stock back.
pub async fn concurrent_cancellations_give_stock_back_once(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    shop.sell(storage, "p", 1).await;
    let order = shop.sell(storage, "p", 3).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let shop = shop.clone();
        tasks.spawn(async move { shop.change(order.id, OrderStatus::Cancelled).await.unwrap() });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|it| it.changed).count(), 1);
    assert_eq!(storage.numbers("p", "v").await, (5, 1, 4));
    assert_eq!(storage.sellable("p").await, 4);
    storage.assert_sound().await;
}

/// An order that is cancelled while it is settled is cancelled, and holds no stock, whoever came first.
pub async fn a_cancellation_that_races_with_settlement_leaves_no_stock_behind(
    storage: &StorageUnderTest,
) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 40)])).await;
    let ids = place_units(storage, "p", 40).await;
    let mut tasks = JoinSet::new();
    for (index, chunk) in ids.chunks(4).enumerate() {
        let (settler, chunk) = (shop.clone(), chunk.to_vec());
        let cancelled = chunk[index % 4];
        tasks.spawn(async move { settler.settle(&chunk).await });
        let shop = shop.clone();
        tasks.spawn(async move {
            let done = shop.change(cancelled, OrderStatus::Cancelled).await;
            assert!(done.unwrap().changed);
        });
    }
    tasks.join_all().await;
    assert_eq!(count(storage, &ids, OrderStatus::Cancelled).await, 10);
    assert_eq!(count(storage, &ids, OrderStatus::Confirmed).await, 30);
    assert_eq!(storage.numbers("p", "v").await, (40, 30, 10));
    storage.assert_sound().await;
}

/// Settling, syncing, shipping, cancelling and configuring at the same time, over the same products in different orders:
/// all succeed, and every balance is right.
pub async fn everything_at_once_leaves_the_balances_right(storage: &StorageUnderTest) {
    const NAMES: [&str; 4] = ["p", "q", "r", "s"];
    let lines = NAMES.map(|name| (name, 60));
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&lines)).await;
    shop.report("w", full(&[])).await;
    let orders: Vec<_> = (0..240).map(|it| new_order(NAMES[it % 4], 1)).collect();
    let ids = storage.place_all(&orders).await;

    let mut tasks = JoinSet::new();
    for chunk in ids.chunks(20) {
        let (shop, mut chunk) = (shop.clone(), chunk.to_vec());
        let orders = storage.orders.clone();
        chunk.reverse();
        tasks.spawn(async move {
            shop.settle_all(orders.as_ref(), &chunk).await;
            shop.change(chunk[0], OrderStatus::Cancelled).await.unwrap();
            shop.change(chunk[1], OrderStatus::Shipped).await.unwrap();
        });
    }
    for vendor_id in ["v", "w", "v"] {
        let shop = shop.clone();
        tasks.spawn(async move {
            for round in 0..5 {
                let lines = NAMES.map(|name| (name, 60 + round));
                shop.report(vendor_id, full(&lines)).await;
            }
        });
    }
    let configurer = shop.clone();
    tasks.spawn(async move {
        for _ in 0..5 {
            configurer.configure(&["v", "w"]).await;
        }
    });
    tasks.join_all().await;
    storage.assert_sound().await;
    assert_eq!(count(storage, &ids, OrderStatus::Cancelled).await, 12);
    assert_eq!(count(storage, &ids, OrderStatus::Shipped).await, 12);
    assert_eq!(count(storage, &ids, OrderStatus::Confirmed).await, 216);
}
