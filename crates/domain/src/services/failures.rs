//! Tests of failures with scripted ports, where the exact calls matter. The test `failures` of this crate runs the use cases
//! over the store in memory and fails every call of every port.

use std::sync::Arc;
use std::time::Duration;

use super::scripted::{clock, store};
use super::{Relay, RelayError, RelaySettings, SettleOrders, Sweeper, SweeperSettings};
use crate::allocation::most_available_first;
use crate::identifiers::{OrderId, ProductId};
use crate::ports::{
    Backlog, MockNotifier, MockObserver, MockOrderQueue, MockStore, MockUnitOfWork, OutboxEntry,
    OutboxId, QueueError, QueuedOrder, StoreError, UnitOfWork,
};
use crate::timestamp::Timestamp;

fn entries(count: i64) -> Vec<OutboxEntry> {
    (1..=count)
        .map(|number| OutboxEntry {
            id: OutboxId(number),
            orders: [number * 10, number * 10 + 1]
                .map(|id| QueuedOrder::new(OrderId(id), ProductId::parse("p").unwrap()))
                .to_vec(),
        })
        .collect()
}

fn claiming(count: i64) -> MockUnitOfWork {
    let mut work = MockUnitOfWork::new();
    work.expect_claim()
        .returning(move |_, _| Ok(entries(count)));
    work.expect_commit().times(1).returning(|| Ok(()));
    work
}

fn relay(works: Vec<MockUnitOfWork>, queue: MockOrderQueue) -> Relay {
    let settings = RelaySettings {
        batch: 10,
        lease: Duration::from_secs(30),
    };
    Relay::new(store(works), Arc::new(queue), clock(), settings)
}

#[tokio::test]
async fn relay_removes_only_entries_whose_orders_were_all_confirmed() {
    let mut queue = MockOrderQueue::new();
    // All orders of the second entry, half of the third, none of the first.
    let confirmed = [20, 21, 30].map(OrderId).to_vec();
    queue
        .expect_publish()
        .returning(move |_| Ok(confirmed.clone()));
    let mut finishing = MockUnitOfWork::new();
    finishing
        .expect_remove()
        .withf(|ids| ids == [OutboxId(2)])
        .times(1)
        .returning(|_| Ok(()));
    finishing
        .expect_release()
        .withf(|ids| ids == [OutboxId(1), OutboxId(3)])
        .times(1)
        .returning(|_| Ok(()));
    finishing.expect_commit().times(1).returning(|| Ok(()));
    let mut observer = MockObserver::new();
    observer
        .expect_relayed()
        .withf(|confirmed, unconfirmed| (*confirmed, *unconfirmed) == (3, 3))
        .times(1)
        .return_const(());
    let error = relay(vec![claiming(3), finishing], queue)
        .with_observer(Arc::new(observer))
        .run_once()
        .await
        .unwrap_err();
    assert!(matches!(error, RelayError::Unconfirmed(3)));
}

#[tokio::test]
async fn relay_releases_all_claims_when_the_queue_is_unavailable() {
    let mut queue = MockOrderQueue::new();
    queue
        .expect_publish()
        .returning(|_| Err(QueueError::Unavailable("connection refused".to_owned())));
    let mut finishing = MockUnitOfWork::new();
    finishing.expect_remove().never();
    finishing
        .expect_release()
        .withf(|ids| ids.len() == 3)
        .times(1)
        .returning(|_| Ok(()));
    finishing.expect_commit().times(1).returning(|| Ok(()));
    let error = relay(vec![claiming(3), finishing], queue)
        .run_once()
        .await
        .unwrap_err();
    assert!(matches!(error, RelayError::Queue(_)));
}

/// Units of work in which locking the order `unreadable` fails permanently, and all others are already settled.
fn store_with_unreadable_order(unreadable: OrderId) -> Arc<MockStore> {
    let mut store = MockStore::new();
    store.expect_begin().returning(move || {
        let mut work = MockUnitOfWork::new();
        work.expect_limit_lock_waits().returning(|_| Ok(()));
        work.expect_lock_pending().returning(|_| Ok(Vec::new()));
        work.expect_try_lock_pending().returning(move |ids| {
            if ids.contains(&unreadable) {
                return Err(StoreError::Corrupt {
                    table: "orders",
                    column: "quantity",
                    row: unreadable.to_string(),
                });
            }
            Ok(Vec::new())
        });
        work.expect_record_dead_letter()
            .withf(move |id, reason| *id == unreadable && reason.contains("quantity"))
            .returning(|_, _| Ok(true));
        work.expect_commit().returning(|| Ok(()));
        Ok(Box::new(work) as Box<dyn UnitOfWork>)
    });
    Arc::new(store)
}

fn settle_orders(store: Arc<MockStore>) -> SettleOrders {
    SettleOrders::new(store, clock(), most_available_first)
}

#[tokio::test]
async fn settlement_halves_a_failing_batch_until_only_the_unreadable_order_is_dead_lettered() {
    let unreadable = OrderId(13);
    let mut observer = MockObserver::new();
    observer
        .expect_dead_lettered()
        .withf(|orders| *orders == 1)
        .times(1)
        .return_const(());
    let batch: Vec<OrderId> = (1..=32).map(OrderId).collect();
    settle_orders(store_with_unreadable_order(unreadable))
        .with_observer(Arc::new(observer))
        .settle(&batch)
        .await
        .unwrap();
}

#[tokio::test]
async fn sweep_prunes_the_rest_and_requeues_orders_when_pruning_keys_fails() {
    let work = |commits| {
        let mut work = MockUnitOfWork::new();
        work.expect_store_time().returning(|| Ok(Timestamp::EPOCH));
        work.expect_commit().times(commits).returning(|| Ok(()));
        work
    };
    let mut pruning_keys = work(0);
    pruning_keys.expect_prune_keys().returning(|_, _| {
        Err(StoreError::Corrupt {
            table: "idempotency_keys",
            column: "key",
            row: "1".to_owned(),
        })
    });
    let mut pruning_changes = work(1);
    let pruned = pruning_changes.expect_prune_changes().times(1);
    pruned.returning(|_, _| Ok(5));
    let mut pruning_dead_letters = work(1);
    let pruned = pruning_dead_letters.expect_prune_dead_letters().times(1);
    pruned.returning(|_| Ok(0));
    let mut pruning_runs = work(1);
    let pruned = pruning_runs.expect_prune_runs().times(1);
    pruned.returning(|_, _| Ok(0));
    let mut requeueing = work(1);
    let requeued = requeueing.expect_requeue_overdue().times(1);
    requeued.returning(|_| Ok(2));
    let mut queue = MockOrderQueue::new();
    queue.expect_backlog().returning(|| Ok(Backlog::default()));
    let mut notifier = MockNotifier::new();
    notifier.expect_notify().times(1).return_const(());
    let settings = SweeperSettings {
        pending_for: Duration::from_mins(1),
        max_queue_depth: 10,
        key_retention: Duration::from_mins(1),
        change_log_retention: Duration::from_mins(1),
        max_runs: 1_000,
    };
    let store = store(vec![
        pruning_keys,
        pruning_changes,
        pruning_dead_letters,
        pruning_runs,
        requeueing,
    ]);
    let sweeper = Sweeper::new(
        store,
        Arc::new(queue),
        Arc::new(notifier),
        clock(),
        settings,
    );
    let error = sweeper.sweep().await.unwrap_err();
    assert!(matches!(
        error,
        RelayError::Store(StoreError::Corrupt { .. })
    ));
}
