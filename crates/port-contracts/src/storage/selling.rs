//! Orders from placing to settlement and cancellation: the use cases over the store, also concurrently. (P1: no unit is sold
//! twice. P4: a cancelled order returns its stock exactly once.)

use domain::identifiers::{BatchDigest, OrderId};
use domain::order::{Order, OrderState, OrderStatus, RejectReason};
use domain::ports::OrderFilter;
use domain::services::{ChangeStatusError, NewBatch, PlaceOrderError};
use tokio::task::JoinSet;

use super::StorageUnderTest;
use crate::builders::{full, key, keyed_order, new_order, product, request};
use crate::use_cases::UseCases;

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

/// Concurrent requests with one key place one order; a different body is refused.
pub async fn an_order_is_placed_once_for_a_key(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &[]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let batcher = use_cases.batcher.clone();
        tasks.spawn(async move { batcher.place(keyed_order("p", 1, "k")).await.unwrap() });
    }
    let placed = tasks.join_all().await;
    assert_eq!(placed.iter().filter(|it| !it.replayed).count(), 1);
    assert!(placed.iter().all(|it| it.order == placed[0].order));
    let other = use_cases.batcher.place(keyed_order("p", 2, "k")).await;
    other.unwrap_err();
}

fn batch(name: &str, units: &[u32]) -> NewBatch {
    let digest: Vec<String> = units.iter().map(u32::to_string).collect();
    let digest = BatchDigest::parse(digest.join("+")).unwrap();
    NewBatch {
        requests: units.iter().map(|&units| request("p", units)).collect(),
        key: Some((key("", name), digest)),
        trace: None,
    }
}

/// Concurrent equal batches with one key place their orders once, all of them.
pub async fn a_batch_is_placed_once_for_a_key(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &[]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let batcher = use_cases.batcher.clone();
        tasks.spawn(async move { batcher.place_all(batch("k", &[1, 2, 3])).await.unwrap() });
    }
    let placed = tasks.join_all().await;
    assert_eq!(placed.iter().filter(|it| !it.replayed).count(), 1);
    assert!(placed.iter().all(|it| it.orders == placed[0].orders));
    let units = placed[0].orders.iter().map(|order| order.quantity.units());
    assert!(units.eq([1, 2, 3]));
    assert_eq!(orders_of(storage, "p").await, placed[0].orders);
}

/// Returns all orders of a product, oldest first.
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

/// Of concurrent different batches with one key, one is placed as a whole, and the others are not placed at all. Orders that
/// share their transactions are placed.
pub async fn one_of_several_different_batches_with_one_key_is_placed(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &[]).await;
    let mut of_batches = Vec::new();
    for round in 0..4 {
        let mut placements = JoinSet::new();
        let mut alone = JoinSet::new();
        for count in 1..8 {
            let batch = batch(&format!("k{round}"), &vec![2; count]);
            let batcher = use_cases.batcher.clone();
            placements.spawn(async move { batcher.place_all(batch).await });
            let batcher = use_cases.batcher.clone();
            alone.spawn(async move { batcher.place(new_order("q", 1)).await.unwrap() });
        }
        alone.join_all().await;
        let mut placed = Vec::new();
        for result in placements.join_all().await {
            match result {
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

/// In a batch the oldest order is first; one that is too large is rejected, and a later, smaller one is still confirmed.
pub async fn a_batch_is_settled_oldest_first(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let requested = [("p", 3), ("p", 3), ("q", 1), ("p", 2), ("p", 1)];
    let orders = requested.map(|(product_id, units)| new_order(product_id, units));
    let mut ids = storage.place_all(&orders).await;
    let expected = [
        None,
        Some(RejectReason::InsufficientStock),
        Some(RejectReason::UnknownProduct),
        None,
        Some(RejectReason::InsufficientStock),
    ];
    ids.reverse();
    use_cases.settle(&ids).await;
    ids.reverse();
    for (id, expected) in ids.into_iter().zip(expected) {
        let order = storage.order(id).await;
        assert_eq!(order.state.reject_reason(), expected, "{order:?}");
    }
    assert_eq!(storage.numbers("p", "v").await, (5, 5, 0));
    storage.assert_sound().await;
}

/// A redelivered order is not settled again.
pub async fn an_order_is_settled_once(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let order = use_cases.sell(storage, "p", 2).await;
    for _ in 0..3 {
        use_cases.settle(&[order.id, order.id]).await;
    }
    assert_eq!(storage.order(order.id).await, order);
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// Two hundred orders of one unit, settled concurrently and each twice, share fifty units.
pub async fn concurrent_settlements_never_oversell(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 30)])).await;
    use_cases.report("w", full(&[("p", 20)])).await;
    let ids = place_units(storage, "p", 200).await;
    let mut tasks = JoinSet::new();
    for chunk in ids.chunks(20).chain(ids.chunks(8)) {
        let (use_cases, chunk) = (use_cases.clone(), chunk.to_vec());
        let orders = storage.orders.clone();
        tasks.spawn(async move { use_cases.settle_all(orders.as_ref(), &chunk).await });
    }
    tasks.join_all().await;
    assert_eq!(count(storage, &ids, OrderStatus::Confirmed).await, 50);
    assert_eq!(count(storage, &ids, OrderStatus::Rejected).await, 150);
    assert_eq!(storage.sellable("p").await, 0);
    assert_eq!(storage.numbers("p", "v").await, (30, 30, 0));
    assert_eq!(storage.numbers("p", "w").await, (20, 20, 0));
    storage.assert_sound().await;
}

/// Cancelling a confirmed order returns its stock to each vendor, and only once.
pub async fn cancelling_returns_stock_once(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    use_cases.report("w", full(&[("p", 7)])).await;
    let kept = use_cases.sell(storage, "p", 1).await;
    let order = use_cases.sell(storage, "p", 9).await;
    for round in 0..3 {
        let done = use_cases.change(order.id, OrderStatus::Cancelled).await;
        assert_eq!(done.unwrap().changed, round == 0);
        assert_eq!(storage.sellable("p").await, 11);
    }
    assert_eq!(storage.order(order.id).await.state, OrderState::Cancelled);
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    assert_eq!(storage.numbers("p", "w").await, (7, 1, 6));
    storage.assert_sound().await;

    use_cases.ship(kept.id).await;
    let late = use_cases.change(kept.id, OrderStatus::Cancelled).await;
    let error = late.unwrap_err();
    assert!(matches!(error, ChangeStatusError::Illegal(_)), "{error}");
    assert_eq!(storage.sellable("p").await, 11);
    storage.assert_sound().await;
}

/// Of sixteen concurrent cancellations of an order, one returns the stock.
pub async fn concurrent_cancellations_return_stock_once(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    use_cases.sell(storage, "p", 1).await;
    let order = use_cases.sell(storage, "p", 3).await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let use_cases = use_cases.clone();
        tasks.spawn(async move { use_cases.cancel(order.id).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|it| it.changed).count(), 1);
    assert_eq!(storage.numbers("p", "v").await, (5, 1, 4));
    assert_eq!(storage.sellable("p").await, 4);
    storage.assert_sound().await;
}

/// An order that is cancelled during its settlement is cancelled and holds no stock, whichever commits first.
pub async fn an_order_cancelled_during_settlement_holds_no_stock(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 40)])).await;
    let ids = place_units(storage, "p", 40).await;
    let mut tasks = JoinSet::new();
    for (index, chunk) in ids.chunks(4).enumerate() {
        let (settler, chunk) = (use_cases.clone(), chunk.to_vec());
        let cancelled = chunk[index % 4];
        tasks.spawn(async move { settler.settle(&chunk).await });
        let use_cases = use_cases.clone();
        tasks.spawn(async move {
            let done = use_cases.change(cancelled, OrderStatus::Cancelled).await;
            assert!(done.unwrap().changed);
        });
    }
    tasks.join_all().await;
    assert_eq!(count(storage, &ids, OrderStatus::Cancelled).await, 10);
    assert_eq!(count(storage, &ids, OrderStatus::Confirmed).await, 30);
    assert_eq!(storage.numbers("p", "v").await, (40, 30, 10));
    storage.assert_sound().await;
}

/// Concurrent settlements, syncs, shipments, cancellations and configurations over the same products, in different orders:
/// all succeed, and every balance is right.
pub async fn concurrent_use_cases_leave_the_balances_right(storage: &StorageUnderTest) {
    const NAMES: [&str; 4] = ["p", "q", "r", "s"];
    let lines = NAMES.map(|name| (name, 60));
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&lines)).await;
    use_cases.report("w", full(&[])).await;
    let orders: Vec<_> = (0..240).map(|it| new_order(NAMES[it % 4], 1)).collect();
    let ids = storage.place_all(&orders).await;

    let mut tasks = JoinSet::new();
    for chunk in ids.chunks(20) {
        let (use_cases, mut chunk) = (use_cases.clone(), chunk.to_vec());
        let orders = storage.orders.clone();
        chunk.reverse();
        tasks.spawn(async move {
            use_cases.settle_all(orders.as_ref(), &chunk).await;
            use_cases.cancel(chunk[0]).await;
            use_cases.ship(chunk[1]).await;
        });
    }
    for vendor_id in ["v", "w", "v"] {
        let use_cases = use_cases.clone();
        tasks.spawn(async move {
            for round in 0..5 {
                let lines = NAMES.map(|name| (name, 60 + round));
                use_cases.report(vendor_id, full(&lines)).await;
            }
        });
    }
    let configurer = use_cases.clone();
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
