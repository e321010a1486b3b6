//! Requeueing overdue orders, and pruning old keys.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::RejectReason;
use domain::ports::{Acceptance, OutboxEntry, RequeueLimits};
use domain::settlement::Outcome;
use domain::timestamp::Timestamp;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::StorageUnderTest;
use crate::builders::{keyed_order, new_order};

const LEASE: Duration = Duration::from_mins(10);

/// Time for which an order is `PENDING` before it is overdue, where that matters.
const OVERDUE: Duration = Duration::from_millis(150);

async fn drain(storage: &StorageUnderTest) -> Vec<OrderId> {
    let claimed = storage.claim(1_000, LEASE).await;
    storage.remove(&claimed).await;
    claimed.iter().flat_map(OutboxEntry::order_ids).collect()
}

/// Orders that are `PENDING` for too long are requeued, oldest first and at most the given number. Orders that are in the
/// outbox, claimed or not, and decided orders are not requeued.
pub async fn overdue_orders_are_requeued(storage: &StorageUnderTest) {
    let orders = [new_order("p", 1), new_order("q", 1), new_order("p", 1)];
    let ids = storage.place_all(&orders).await;
    assert_eq!(storage.requeue(Duration::ZERO, 10).await, 0);
    let claimed = storage.claim(10, LEASE).await;
    assert_eq!(storage.requeue(Duration::ZERO, 10).await, 0);
    storage.remove(&claimed).await;
    let decided = storage.place(new_order("p", 1)).await.id;
    assert_eq!(drain(storage).await, [decided]);
    let outcome = Outcome::Rejected(RejectReason::InsufficientStock);
    storage.decide(decided, outcome).await;

    assert_eq!(storage.requeue(LEASE, 10).await, 0);
    assert_eq!(storage.requeue(Duration::ZERO, 2).await, 2);
    let back = storage.claim(10, LEASE).await;
    let orders = back.iter().flat_map(|entry| &entry.orders);
    let products: Vec<&str> = orders.map(|it| it.product_id.as_str()).collect();
    assert_eq!(products, ["p", "q"]);
    assert_eq!(back.len(), 1, "requeued orders share an entry");
    assert!(back[0].order_ids().eq(ids[..2].iter().copied()));
    assert_eq!(storage.requeue(Duration::ZERO, 10).await, 1);
    assert_eq!(drain(storage).await, ids[2..]);
}

/// Concurrent sweepers requeue no order twice.
pub async fn concurrent_sweepers_requeue_each_order_once(storage: &StorageUnderTest) {
    let orders: Vec<_> = (0..40).map(|_| new_order("p", 1)).collect();
    let ids = storage.place_all(&orders).await;
    drain(storage).await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = storage.store.clone();
        tasks.spawn(async move {
            let mut work = store.begin().await.unwrap();
            let limits = RequeueLimits {
                pending_for: Duration::ZERO,
                limit: 1_000,
            };
            work.requeue_overdue(limits).await.unwrap();
            work.commit().await.unwrap();
        });
    }
    tasks.join_all().await;
    // Each sweeper took orders that the others had not, so the order of the entries may differ.
    let mut back = drain(storage).await;
    back.sort_unstable();
    assert_eq!(back, ids);
}

/// After each requeue the wait for the next one doubles, counted from the last one.
pub async fn the_wait_doubles_with_each_requeue(storage: &StorageUnderTest) {
    let since = storage.probe.store_time().await.unwrap();
    let id = storage.place(new_order("p", 1)).await.id;
    drain(storage).await;
    let (since, first) = time_until_requeued(storage, since).await;
    assert!(first >= OVERDUE, "{first:?}");
    assert_eq!(drain(storage).await, [id]);
    let (since, second) = time_until_requeued(storage, since).await;
    assert!(second >= OVERDUE * 2, "{second:?}");
    assert_eq!(drain(storage).await, [id]);
    let (_, third) = time_until_requeued(storage, since).await;
    assert!(third >= OVERDUE * 4, "{third:?}");
}

/// Sweeps until the order is requeued. Returns a timestamp just before that, and the time since `since`.
async fn time_until_requeued(
    storage: &StorageUnderTest,
    since: Timestamp,
) -> (Timestamp, Duration) {
    loop {
        let before = storage.probe.store_time().await.unwrap();
        if storage.requeue(OVERDUE, 10).await == 1 {
            let done = storage.probe.store_time().await.unwrap();
            return (before, done.since(since));
        }
        assert!(
            before.since(since) < OVERDUE * 100,
            "the order was not requeued"
        );
        sleep(OVERDUE / 10).await;
    }
}

/// Keys that are older than a timestamp are pruned, oldest first and at most the given number, and can be used again.
pub async fn old_keys_are_pruned(storage: &StorageUnderTest) {
    let prune = async |before: Timestamp, limit: u32| {
        let mut work = storage.begin().await;
        let pruned = work.prune_keys(before, limit).await.unwrap();
        work.commit().await.unwrap();
        pruned
    };
    for name in ["one", "two", "three"] {
        storage.place(keyed_order("p", 1, name)).await;
    }
    let timestamp = storage.probe.store_time().await.unwrap();
    let kept = storage.place(keyed_order("p", 1, "kept")).await;

    assert_eq!(prune(Timestamp::from_micros(0), 10).await, 0);
    assert_eq!(prune(timestamp, 2).await, 2);
    let third = storage.accept(&[keyed_order("p", 1, "three")]).await;
    assert!(matches!(third[..], [Acceptance::Existing(_)]));
    assert_eq!(prune(timestamp, 2).await, 1);
    assert_eq!(prune(timestamp, 2).await, 0);
    for name in ["one", "two", "three"] {
        storage.place(keyed_order("p", 1, name)).await;
    }
    let again = storage.accept(&[keyed_order("p", 1, "kept")]).await;
    assert_eq!(again, [Acceptance::Existing(kept)]);
}
