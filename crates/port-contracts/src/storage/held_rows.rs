//! Rows that another transaction keeps locked: what needs them waits, everything else is settled at once.

use std::time::{Duration, Instant};

use domain::identifiers::OrderId;
use domain::order::{OrderState, OrderStatus};
use domain::ports::{LockedStock, SyncOutcome};
use domain::services::SyncError;
use tokio::time::sleep;

use super::{A_MOMENT, StorageUnderTest, at_once};
use crate::builders::{delta, full, new_order, product, vendor};
use crate::shop::Shop;

const LONG: Duration = Duration::from_hours(1);

/// Stock of `p` and of five other products, and an order for each.
async fn shop(storage: &StorageUnderTest) -> (Shop, Vec<OrderId>) {
    let shop = Shop::open(storage, &["v"]).await;
    let names = ["p", "q0", "q1", "q2", "q3", "q4"];
    shop.report("v", full(&names.map(|name| (name, 5)))).await;
    let placed = storage
        .place_all(&names.map(|name| new_order(name, 1)))
        .await;
    storage.empty_outbox().await;
    (shop, placed)
}

/// Settles all orders while the first one cannot be, and checks that the others do not wait for it.
async fn settle_neighbours(storage: &StorageUnderTest, shop: &Shop, placed: &[OrderId]) {
    let started = Instant::now();
    let settling = shop.clone();
    let batch = placed.to_vec();
    let settling = tokio::spawn(async move { settling.settle(&batch).await });
    at_once(async {
        while storage.orders.find_settled(placed).await.unwrap().len() < placed.len() - 1 {
            sleep(A_MOMENT / 10).await;
        }
    })
    .await;
    settling.await.unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "the batch took {took:?}");
    assert_eq!(storage.order(placed[0]).await.state, OrderState::Pending);
}

/// Claims what was put back, once its time has come, and settles it.
async fn settle_postponed(storage: &StorageUnderTest, shop: &Shop, id: OrderId) {
    let give_up = Instant::now() + Duration::from_secs(10);
    while storage.order(id).await.state == OrderState::Pending {
        assert!(Instant::now() < give_up, "the order was lost");
        let claimed = storage.claim_orders(LONG).await;
        shop.settle(&claimed).await;
        sleep(A_MOMENT).await;
    }
    let status = storage.order(id).await.state.status();
    assert_eq!(status, OrderStatus::Confirmed);
    storage.assert_sound().await;
}

/// Orders that another transaction holds are left out at once; a store that has one transaction at a time has no such
/// other.
pub async fn try_lock_pending_leaves_out_held_orders(storage: &StorageUnderTest) {
    let ids = storage
        .place_all(&[new_order("p", 1), new_order("p", 2), new_order("q", 3)])
        .await;
    let mut work = storage.begin().await;
    let free = work.try_lock_pending(&ids).await.unwrap();
    assert_eq!(free, work.lock_pending(&ids).await.unwrap());
    assert_eq!(free.len(), 3);
    drop(work);
    if storage.pool_size == 1 {
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_order(ids[1]).await.unwrap();
    let mut work = storage.begin().await;
    let found = at_once(work.try_lock_pending(&ids)).await.unwrap();
    let found: Vec<OrderId> = found.into_iter().map(|order| order.id).collect();
    assert_eq!(found, [ids[0], ids[2]]);
}

/// Products that another transaction holds are named at once, and unknown ones are in neither list.
pub async fn try_lock_stock_names_held_products(storage: &StorageUnderTest) {
    for name in ["p", "q", "r"] {
        storage.stock_up(name, &[("v", 5), ("w", 7)]).await;
    }
    let asked = ["p", "q", "r", "unknown"].map(product);
    let mut work = storage.begin().await;
    let expected = LockedStock {
        locked: work.lock_stock(&asked).await.unwrap(),
        held: Vec::new(),
    };
    assert_eq!(work.try_lock_stock(&asked).await.unwrap(), expected);
    let none = work.try_lock_stock(&[product("none")]).await.unwrap();
    assert_eq!(none, LockedStock::default());
    drop(work);
    if storage.pool_size == 1 {
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("q")]).await.unwrap();
    let mut work = storage.begin().await;
    let found = at_once(work.try_lock_stock(&asked)).await.unwrap();
    assert_eq!(found.held, [product("q")]);
    let [p, _, r] = expected.locked.try_into().unwrap();
    assert_eq!(found.locked, [p, r]);
}

/// A wait for a lock ends after the limit that was set.
pub async fn waits_for_locks_are_limited(storage: &StorageUnderTest) {
    let id = storage.place(new_order("p", 1)).await.id;
    let mut work = storage.begin().await;
    work.limit_lock_waits(A_MOMENT).await.unwrap();
    assert_eq!(work.lock_pending(&[id]).await.unwrap().len(), 1);
    drop(work);
    if storage.pool_size == 1 {
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_order(id).await.unwrap();
    let mut work = storage.begin().await;
    work.limit_lock_waits(A_MOMENT).await.unwrap();
    let error = at_once(work.lock_pending(&[id])).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    drop(work);
    // The limit ends with its transaction.
    let store = storage.store.clone();
    let found = super::wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        sleep(A_MOMENT * 2).await;
        work.lock_pending(&[id]).await.unwrap()
    })
    .await;
    assert_eq!(found.len(), 1);
}

/// A product whose row is held keeps its own orders waiting and no other, and they are settled once it is free.
pub async fn a_held_product_keeps_only_its_own_orders_waiting(storage: &StorageUnderTest) {
    let (shop, placed) = shop(storage).await;
    if storage.pool_size == 1 {
        shop.settle(&placed).await;
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    settle_neighbours(storage, &shop, &placed).await;
    drop(holder);
    settle_postponed(storage, &shop, placed[0]).await;
}

/// An order whose row is held keeps no other order waiting, and is settled once it is free.
pub async fn a_held_order_keeps_no_other_waiting(storage: &StorageUnderTest) {
    let (shop, placed) = shop(storage).await;
    if storage.pool_size == 1 {
        shop.settle(&placed).await;
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_order(placed[0]).await.unwrap();
    settle_neighbours(storage, &shop, &placed).await;
    drop(holder);
    settle_postponed(storage, &shop, placed[0]).await;
}

/// While a product stays held, batches that contain its orders are not slowed down by it.
pub async fn a_product_that_stays_held_costs_no_further_batch_a_wait(storage: &StorageUnderTest) {
    let (shop, placed) = shop(storage).await;
    if storage.pool_size == 1 {
        shop.settle(&placed).await;
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    shop.settle(&placed).await;
    let started = Instant::now();
    for _ in 0..20 {
        let orders = [new_order("p", 1), new_order("q0", 1)];
        let placed = storage.place_all(&orders).await;
        shop.settle(&placed).await;
        assert_ne!(storage.order(placed[1]).await.state, OrderState::Pending);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "20 batches took {took:?}");
    assert_eq!(storage.order(placed[0]).await.state, OrderState::Pending);
}

/// Another transaction that is short is waited for: nothing is put back.
pub async fn a_product_that_is_held_for_a_moment_is_waited_for(storage: &StorageUnderTest) {
    let (shop, placed) = shop(storage).await;
    if storage.pool_size == 1 {
        shop.settle(&placed).await;
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    let settling = shop.clone();
    let batch = placed.clone();
    let settling = tokio::spawn(async move { settling.settle(&batch).await });
    sleep(A_MOMENT * 2).await;
    holder.commit().await.unwrap();
    at_once(settling).await.unwrap();
    assert_eq!(
        storage.order(placed[0]).await.state.status(),
        OrderStatus::Confirmed
    );
    assert_eq!(storage.probe.count_outbox(1).await.unwrap(), 0);
}

/// A report is applied to its other products within a bounded time while one stays held; meanwhile other vendors' reports are
/// applied. A full report names the product that was left out, a delta fails. Once the product is free, the next full report
/// is applied to it.
pub async fn a_report_waits_a_bounded_time_for_a_held_product(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 5), ("q", 5)])).await;
    let changed = || full(&[("p", 6), ("q", 6)]);
    if storage.pool_size == 1 {
        shop.report("v", changed()).await;
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("q")]).await.unwrap();
    let started = Instant::now();
    let syncing = shop.clone();
    let report = changed();
    let syncing = tokio::spawn(async move { syncing.try_report("v", Ok(report)).await });
    sleep(A_MOMENT).await;
    at_once(shop.report("w", full(&[("r", 1)]))).await;
    let done = syncing.await.unwrap().unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(30), "the report took {took:?}");
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert!(done.error.unwrap().contains("product q"));
    assert_eq!(storage.sellable("p").await, 6);
    // A delta may not state its lines again.
    let report = delta(&[("p", 7), ("q", 7)]);
    let failed = shop.try_report("v", Ok(report)).await.unwrap_err();
    assert!(matches!(failed, SyncError::Store(_)), "{failed}");
    assert_eq!(storage.sellable("p").await, 7);
    drop(holder);
    assert_eq!(storage.sellable("q").await, 5);
    storage.assert_sound().await;
    shop.report("v", changed()).await;
    assert_eq!(storage.sellable("p").await, 6);
    assert_eq!(storage.sellable("q").await, 6);
}

/// A shipment whose row another transaction holds stays in flight until the next report, and the report does not wait for it.
pub async fn a_report_does_not_wait_for_a_held_shipment(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    let order = shop.sell(storage, "p", 2).await;
    shop.change(order.id, OrderStatus::Shipped).await.unwrap();
    if storage.pool_size > 1 {
        let mut holder = storage.begin().await;
        let now = holder.store_time().await.unwrap();
        let included = holder
            .mark_included(&vendor("v"), &[product("p")], now)
            .await;
        assert_eq!(included.unwrap()[&product("p")], 2);
        let done = at_once(shop.report("v", full(&[("p", 3)]))).await;
        assert_eq!((done.outcome, done.error), (SyncOutcome::Applied, None));
        drop(holder);
        assert_eq!(storage.numbers("p", "v").await, (3, 2, 1));
        storage.assert_sound().await;
    }
    shop.report("v", full(&[("p", 3)])).await;
    assert_eq!(storage.numbers("p", "v").await, (3, 0, 3));
    storage.assert_sound().await;
}

/// Orders that were put back are claimed after their delay and not before; those that are decided are not put back.
pub async fn postponed_orders_are_claimed_after_their_delay(storage: &StorageUnderTest) {
    let delay = A_MOMENT * 10;
    let (shop, placed) = shop(storage).await;
    shop.settle(&placed[..1]).await;
    let started = Instant::now();
    let mut work = storage.begin().await;
    let unknown = OrderId(placed[5].0 + 1_000);
    let asked = [placed[2], placed[0], unknown, placed[1]];
    let postponed = work.postpone(&asked, delay).await.unwrap();
    assert_eq!(postponed, placed[1..3]);
    assert_eq!(work.postpone(&[placed[0]], delay).await.unwrap(), []);
    work.commit().await.unwrap();
    assert_eq!(storage.claim(10, LONG).await, []);
    let claimed = loop {
        let claimed = storage.claim(10, LONG).await;
        if !claimed.is_empty() {
            break claimed;
        }
        assert!(started.elapsed() < delay * 10, "the entry was lost");
        sleep(A_MOMENT / 10).await;
    };
    assert!(started.elapsed() >= delay.checked_sub(A_MOMENT / 10).unwrap());
    assert_eq!(claimed.len(), 1);
    let products = claimed[0].orders.iter().map(|order| &order.product_id);
    let products: Vec<&str> = products
        .map(domain::identifiers::ProductId::as_str)
        .collect();
    assert_eq!(products, ["q0", "q1"]);
    assert!(claimed[0].order_ids().eq(placed[1..3].iter().copied()));
}
