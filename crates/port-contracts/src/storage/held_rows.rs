//! Rows that another transaction has locked: orders that need them are delayed, all others are settled immediately.

use std::time::{Duration, Instant};

use domain::identifiers::{OrderId, ProductId};
use domain::order::{OrderState, OrderStatus};
use domain::ports::{LockedBatch, LockedStock, SyncOutcome, UnitOfWork};
use domain::services::{QuarantineDecision, SyncError};
use domain::settlement::products_of;
use tokio::time::sleep;

use super::{SHORT_DELAY, StorageUnderTest, immediately};
use crate::builders::{delta, full, new_order, product, vendor};
use crate::use_cases::UseCases;

const LONG: Duration = Duration::from_hours(1);

/// Creates stock of `p` and of five other products, and an order for each. If no row can be held, because the store has one
/// unit of work at a time, the orders are settled instead, and `None` is returned.
async fn open_with_held_rows(storage: &StorageUnderTest) -> Option<(UseCases, Vec<OrderId>)> {
    let (use_cases, placed) = open_with_orders(storage).await;
    if storage.pool_size == 1 {
        use_cases.settle(&placed).await;
        return None;
    }
    Some((use_cases, placed))
}

async fn open_with_orders(storage: &StorageUnderTest) -> (UseCases, Vec<OrderId>) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let names = ["p", "q0", "q1", "q2", "q3", "q4"];
    use_cases
        .report("v", full(&names.map(|name| (name, 5))))
        .await;
    let placed = storage
        .place_all(&names.map(|name| new_order(name, 1)))
        .await;
    storage.empty_outbox().await;
    (use_cases, placed)
}

/// Settles all orders while the first is blocked, and checks that the others do not wait for it.
async fn settle_neighbours(storage: &StorageUnderTest, use_cases: &UseCases, placed: &[OrderId]) {
    let started = Instant::now();
    let settling = use_cases.clone();
    let batch = placed.to_vec();
    let settling = tokio::spawn(async move { settling.settle(&batch).await });
    immediately(async {
        while storage.orders.find_settled(placed).await.unwrap().len() < placed.len() - 1 {
            sleep(SHORT_DELAY / 10).await;
        }
    })
    .await;
    settling.await.unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "the batch took {took:?}");
    assert_eq!(storage.order(placed[0]).await.state, OrderState::Pending);
}

/// Settles all orders while the first is blocked by `holder`, and the first after `holder` has ended.
async fn settle_around(
    storage: &StorageUnderTest,
    holder: Box<dyn UnitOfWork>,
    use_cases: &UseCases,
    placed: &[OrderId],
) {
    settle_neighbours(storage, use_cases, placed).await;
    drop(holder);
    settle_postponed(storage, use_cases, placed[0]).await;
}

/// Claims the postponed order after its delay, and settles it.
async fn settle_postponed(storage: &StorageUnderTest, use_cases: &UseCases, id: OrderId) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while storage.order(id).await.state == OrderState::Pending {
        assert!(Instant::now() < deadline, "the order was lost");
        let claimed = storage.claim_orders(LONG).await;
        use_cases.settle(&claimed).await;
        sleep(SHORT_DELAY).await;
    }
    let status = storage.order(id).await.state.status();
    assert_eq!(status, OrderStatus::Confirmed);
    storage.assert_sound().await;
}

/// Orders that another transaction has locked are left out immediately. A store with one transaction at a time has no such
/// case.
pub async fn try_lock_pending_leaves_out_locked_orders(storage: &StorageUnderTest) {
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
    let found = immediately(work.try_lock_pending(&ids)).await.unwrap();
    let found: Vec<OrderId> = found.into_iter().map(|order| order.id).collect();
    assert_eq!(found, [ids[0], ids[2]]);
}

/// Products that another transaction has locked are returned as held immediately; unknown ones are in neither list.
pub async fn try_lock_stock_names_held_products(storage: &StorageUnderTest) {
    for name in ["p", "q", "r"] {
        storage.stock_up(name, &[("v", 5), ("w", 7)]).await;
    }
    let requested = ["p", "q", "r", "unknown"].map(product);
    let mut work = storage.begin().await;
    let expected = LockedStock {
        locked: work.lock_stock(&requested).await.unwrap(),
        held: Vec::new(),
    };
    assert_eq!(work.try_lock_stock(&requested).await.unwrap(), expected);
    let none = work.try_lock_stock(&[product("none")]).await.unwrap();
    assert_eq!(none, LockedStock::default());
    drop(work);
    if storage.pool_size == 1 {
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("q")]).await.unwrap();
    let mut work = storage.begin().await;
    let found = immediately(work.try_lock_stock(&requested)).await.unwrap();
    assert_eq!(found.held, [product("q")]);
    let [p, _, r] = expected.locked.try_into().unwrap();
    assert_eq!(found.locked, [p, r]);
}

/// A batch of any size is locked with the stock of its products. Orders that another transaction has locked are left out, and
/// products are returned as held, without a wait for either.
pub async fn try_lock_batch_locks_orders_and_their_stock(storage: &StorageUnderTest) {
    let names = ["p", "q", "r", "unknown"];
    for name in &names[..3] {
        storage.stock_up(name, &[("v", 5), ("w", 7)]).await;
    }
    let empty = storage.begin().await.try_lock_batch(&[]).await.unwrap();
    assert_eq!(empty, LockedBatch::default());
    for size in [4, 100] {
        let orders: Vec<_> = names.iter().cycle().take(size).collect();
        let orders: Vec<_> = orders.iter().map(|name| new_order(name, 1)).collect();
        let ids = storage.place_all(&orders).await;
        let mut work = storage.begin().await;
        let locked = work.try_lock_batch(&ids).await.unwrap();
        assert_eq!(locked.pending, work.lock_pending(&ids).await.unwrap());
        assert_eq!(locked.pending.len(), size);
        let stock = work.lock_stock(&names.map(product)).await.unwrap();
        assert_eq!((&locked.stock.locked, stock.len()), (&stock, 3));
        assert_eq!(locked.stock.held, []);
        if storage.pool_size == 1 {
            continue;
        }
        let mut other = storage.begin().await;
        let held = immediately(other.try_lock_batch(&ids)).await.unwrap();
        assert_eq!(held.pending, []);
        let held = immediately(other.try_lock_stock(&names.map(product))).await;
        assert_eq!(held.unwrap().held, ["p", "q", "r"].map(product));
        drop((work, other));

        let mut holder = storage.begin().await;
        holder.lock_order(ids[0]).await.unwrap();
        holder.lock_stock(&[product("q")]).await.unwrap();
        let mut work = storage.begin().await;
        let found = immediately(work.try_lock_batch(&ids)).await.unwrap();
        assert_eq!(found.pending, locked.pending[1..]);
        assert_eq!(found.stock.held, [product("q")]);
        let of_pending = products_of(&found.pending);
        let is_free = |id: &ProductId| of_pending.contains(id) && *id != product("q");
        let free = stock.iter().filter(|it| is_free(&it.product_id));
        assert!(found.stock.locked.iter().eq(free), "{:?}", found.stock);
    }
}

/// A wait for a lock ends after the given limit.
pub async fn lock_waits_are_limited(storage: &StorageUnderTest) {
    let id = storage.place(new_order("p", 1)).await.id;
    let mut work = storage.begin().await;
    work.limit_lock_waits(SHORT_DELAY).await.unwrap();
    assert_eq!(work.lock_pending(&[id]).await.unwrap().len(), 1);
    drop(work);
    if storage.pool_size == 1 {
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_order(id).await.unwrap();
    let mut work = storage.begin().await;
    work.limit_lock_waits(SHORT_DELAY).await.unwrap();
    let error = immediately(work.lock_pending(&[id])).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    drop(work);
    // The limit ends with its transaction.
    let store = storage.store.clone();
    let found = super::wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        sleep(SHORT_DELAY * 2).await;
        work.lock_pending(&[id]).await.unwrap()
    })
    .await;
    assert_eq!(found.len(), 1);
}

/// A locked product delays only its own orders, which are settled after it is released.
pub async fn a_locked_product_delays_only_its_own_orders(storage: &StorageUnderTest) {
    let Some((use_cases, placed)) = open_with_held_rows(storage).await else {
        return;
    };
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    settle_around(storage, holder, &use_cases, &placed).await;
}

/// A locked order delays no other order, and is settled after it is released.
pub async fn a_locked_order_delays_no_other_order(storage: &StorageUnderTest) {
    let Some((use_cases, placed)) = open_with_held_rows(storage).await else {
        return;
    };
    let mut holder = storage.begin().await;
    holder.lock_order(placed[0]).await.unwrap();
    settle_around(storage, holder, &use_cases, &placed).await;
}

/// While a product stays locked, batches that contain its orders are not delayed by it again.
pub async fn a_product_that_stays_locked_does_not_delay_later_batches(storage: &StorageUnderTest) {
    let Some((use_cases, placed)) = open_with_held_rows(storage).await else {
        return;
    };
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    use_cases.settle(&placed).await;
    let started = Instant::now();
    for _ in 0..20 {
        let orders = [new_order("p", 1), new_order("q0", 1)];
        let placed = storage.place_all(&orders).await;
        use_cases.settle(&placed).await;
        assert_ne!(storage.order(placed[1]).await.state, OrderState::Pending);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "20 batches took {took:?}");
    assert_eq!(storage.order(placed[0]).await.state, OrderState::Pending);
}

/// A short lock is waited for: no order is postponed.
pub async fn settlement_waits_for_a_short_lock(storage: &StorageUnderTest) {
    let Some((use_cases, placed)) = open_with_held_rows(storage).await else {
        return;
    };
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    let settling = use_cases.clone();
    let batch = placed.clone();
    let settling = tokio::spawn(async move { settling.settle(&batch).await });
    sleep(SHORT_DELAY * 2).await;
    holder.commit().await.unwrap();
    immediately(settling).await.unwrap();
    assert_eq!(
        storage.order(placed[0]).await.state.status(),
        OrderStatus::Confirmed
    );
    assert_eq!(storage.probe.count_outbox(1).await.unwrap(), 0);
}

/// While a product is locked, a report is applied to its other products within a bounded time, and other vendors' reports
/// are applied. A full report names the product that was left out; a delta fails. After the product is released, the next
/// full report is applied to it.
pub async fn a_report_waits_a_bounded_time_for_a_locked_product(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5), ("q", 5)])).await;
    let changed = || full(&[("p", 6), ("q", 6)]);
    if storage.pool_size == 1 {
        use_cases.report("v", changed()).await;
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("q")]).await.unwrap();
    let started = Instant::now();
    let syncing = use_cases.clone();
    let report = changed();
    let syncing = tokio::spawn(async move { syncing.try_report("v", Ok(report)).await });
    sleep(SHORT_DELAY).await;
    immediately(use_cases.report("w", full(&[("r", 1)]))).await;
    let done = syncing.await.unwrap().unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(30), "the report took {took:?}");
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert!(done.error.unwrap().contains("product q"));
    assert_eq!(storage.sellable("p").await, 6);
    // A delta may not repeat its lines.
    let report = delta(&[("p", 7), ("q", 7)]);
    let failed = use_cases.try_report("v", Ok(report)).await.unwrap_err();
    assert!(
        matches!(failed, SyncError::Incomplete { changed: 1, .. }),
        "{failed}"
    );
    assert_eq!(storage.sellable("p").await, 7);
    drop(holder);
    assert_eq!(storage.sellable("q").await, 5);
    storage.assert_sound().await;
    use_cases.report("v", changed()).await;
    assert_eq!(storage.sellable("p").await, 6);
    assert_eq!(storage.sellable("q").await, 6);
}

/// An accepted empty report that left a locked product out needs no further confirmation: the next empty report is applied to
/// the product.
pub async fn an_empty_report_with_a_locked_product_stays_confirmed(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5), ("q", 5)])).await;
    let quarantined = use_cases.report("v", full(&[])).await;
    assert_eq!(quarantined.outcome, SyncOutcome::Quarantined);
    let accept = QuarantineDecision::Accept;
    if storage.pool_size == 1 {
        use_cases.resolve_quarantine("v", accept).await.unwrap();
        return;
    }
    let mut holder = storage.begin().await;
    holder.lock_stock(&[product("p")]).await.unwrap();
    let accepted = use_cases.resolve_quarantine("v", accept).await.unwrap();
    assert_eq!(
        (accepted.outcome, accepted.changed),
        (SyncOutcome::Applied, 1)
    );
    assert!(accepted.error.unwrap().contains("product p"));
    drop(holder);
    assert_eq!(storage.sellable("p").await, 5);
    let next = use_cases.report("v", full(&[])).await;
    assert_eq!((next.outcome, next.changed), (SyncOutcome::Applied, 1));
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;
}

/// A shipment whose row another transaction has locked stays in flight until the next report, and the report does not wait
/// for it.
pub async fn a_report_does_not_wait_for_a_locked_shipment(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    use_cases.sell_and_ship(storage, "p", 2).await;
    if storage.pool_size > 1 {
        let mut holder = storage.begin().await;
        let now = holder.store_time().await.unwrap();
        let included = holder
            .mark_included(&vendor("v"), &[product("p")], now)
            .await;
        assert_eq!(included.unwrap()[&product("p")], 2);
        let done = immediately(use_cases.report("v", full(&[("p", 3)]))).await;
        assert_eq!((done.outcome, done.error), (SyncOutcome::Applied, None));
        drop(holder);
        assert_eq!(storage.numbers("p", "v").await, (3, 2, 1));
        storage.assert_sound().await;
    }
    use_cases.report("v", full(&[("p", 3)])).await;
    assert_eq!(storage.numbers("p", "v").await, (3, 0, 3));
    storage.assert_sound().await;
}

/// Postponed orders are claimed after their delay and not before; decided orders are not postponed.
pub async fn postponed_orders_are_claimed_after_their_delay(storage: &StorageUnderTest) {
    let delay = SHORT_DELAY * 10;
    let (use_cases, placed) = open_with_orders(storage).await;
    use_cases.settle(&placed[..1]).await;
    let started = Instant::now();
    let mut work = storage.begin().await;
    let unknown = OrderId(placed[5].0 + 1_000);
    let requested = [placed[2], placed[0], unknown, placed[1]];
    let postponed = work.postpone(&requested, delay).await.unwrap();
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
        sleep(SHORT_DELAY / 10).await;
    };
    assert!(started.elapsed() >= delay.checked_sub(SHORT_DELAY / 10).unwrap());
    assert_eq!(claimed.len(), 1);
    let products = claimed[0].orders.iter().map(|order| &order.product_id);
    let products: Vec<&str> = products
        .map(domain::identifiers::ProductId::as_str)
        .collect();
    assert_eq!(products, ["q0", "q1"]);
    assert!(claimed[0].order_ids().eq(placed[1..3].iter().copied()));
}
