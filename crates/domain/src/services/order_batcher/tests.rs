//! Tests of how orders share transactions, and of the result of each caller when a transaction fails.

use std::time::Duration;

use tokio::time::timeout;

use super::fake::{
    FakeStore, Fault, keyed, open, place, run_until_blocked, settings, start, unkeyed, wire,
};
use super::*;

async fn place_all(batcher: &OrderBatcher, orders: Vec<NewOrder>) -> Vec<PlaceResult<PlacedOrder>> {
    let pending: Vec<_> = orders
        .into_iter()
        .map(|order| place(batcher, order))
        .collect();
    let mut results = Vec::new();
    for task in pending {
        results.push(task.await.unwrap());
    }
    results
}

fn is_unavailable(result: &PlaceResult<PlacedOrder>) -> bool {
    matches!(
        result,
        Err(PlaceOrderError::Store(StoreError::Unavailable(_)))
    )
}

fn is_unknown(result: &PlaceResult<PlacedOrder>) -> bool {
    matches!(
        result,
        Err(PlaceOrderError::Store(StoreError::CommitUnknown(_)))
    )
}

#[tokio::test]
async fn a_single_order_is_written_immediately() {
    let (store, batcher) = open(8, 8);
    let placed = batcher.place(unkeyed(1)).await.unwrap();
    assert!(!placed.replayed);
    assert_eq!(store.batches(), [1]);
}

#[tokio::test]
async fn orders_that_arrive_during_a_write_share_the_next_transaction() {
    let store = FakeStore::closed();
    let batcher = start(&store, 4, 100);
    let first = place(&batcher, unkeyed(1));
    run_until_blocked().await;
    let others: Vec<_> = (0..6).map(|_| place(&batcher, unkeyed(1))).collect();
    run_until_blocked().await;
    store.let_begin(100);
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(store.batches(), [1, 4, 2], "at most 4 at a time");
    assert_eq!(store.notifications(), 3, "one notification per commit");
}

#[tokio::test]
async fn each_writer_has_its_own_transaction() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(100, 100));
    tokio::spawn(writer.clone().run());
    tokio::spawn(writer.run());
    let first = place(&batcher, unkeyed(1));
    run_until_blocked().await;
    let second = place(&batcher, unkeyed(1));
    run_until_blocked().await;
    let rest: Vec<_> = (0..5).map(|_| place(&batcher, unkeyed(1))).collect();
    run_until_blocked().await;
    assert_eq!(store.begun(), 2);
    store.let_begin(100);
    for task in [first, second].into_iter().chain(rest) {
        task.await.unwrap().unwrap();
    }
    let mut sizes = store.batches();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 5]);
}

#[tokio::test]
async fn a_full_queue_refuses_immediately_and_writes_nothing() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 2));
    assert!(batcher.check_capacity().is_ok());
    let pending = [place(&batcher, unkeyed(1)), place(&batcher, unkeyed(1))];
    run_until_blocked().await;
    assert!(matches!(
        batcher.check_capacity(),
        Err(PlaceOrderError::Full)
    ));
    let refused = timeout(Duration::ZERO, batcher.place(unkeyed(1))).await;
    assert!(matches!(refused, Ok(Err(PlaceOrderError::Full))));
    tokio::spawn(writer.run());
    for task in pending {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.batches(), [2]);
    assert!(batcher.check_capacity().is_ok());
    batcher.place(unkeyed(1)).await.unwrap();
}

#[tokio::test]
async fn an_order_that_cannot_be_written_fails_alone() {
    let store = FakeStore::open();
    store.poison(&[13, 14, 40]);
    let (batcher, writer) = wire(&store, settings(64, 64));
    let orders = (1..=50).map(unkeyed).collect();
    let results = place_all_before(&batcher, writer, orders).await;
    for (quantity, result) in (1..).zip(results) {
        match quantity {
            13 | 14 | 40 => assert!(matches!(
                result,
                Err(PlaceOrderError::Store(StoreError::Corrupt { .. }))
            )),
            _ => assert_eq!(result.unwrap().order.quantity.units(), quantity),
        }
    }
    assert_eq!(store.committed(), 47);
}

/// Enqueues all orders before a writer runs, so that they share a batch.
async fn place_all_before(
    batcher: &OrderBatcher,
    writer: BatchWriter,
    orders: Vec<NewOrder>,
) -> Vec<PlaceResult<PlacedOrder>> {
    let begins = async {
        run_until_blocked().await;
        tokio::spawn(writer.run());
    };
    tokio::join!(place_all(batcher, orders), begins).0
}

#[tokio::test]
async fn a_commit_with_an_unknown_outcome_is_reported_as_unknown_and_not_retried() {
    let store = FakeStore::open();
    store.fail([Fault::CommitLost]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let results = place_all_before(&batcher, writer, (1..=3).map(unkeyed).collect()).await;
    assert!(results.iter().all(is_unknown), "{results:?}");
    assert_eq!((store.begun(), store.committed()), (1, 3));
    // The orders may exist, so the relay is notified.
    assert_eq!(store.notifications(), 1);
    batcher.place(unkeyed(1)).await.unwrap();
    assert_eq!(store.committed(), 4);
}

#[tokio::test]
async fn all_pending_orders_fail_when_no_transaction_can_begin() {
    let store = FakeStore::closed();
    store.fail([Fault::Begin]);
    let batcher = start(&store, 1, 8);
    let tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    run_until_blocked().await;
    store.let_begin(100);
    for task in tasks {
        assert!(is_unavailable(&task.await.unwrap()));
    }
    assert_eq!((store.begun(), store.committed()), (1, 0));
    batcher.place(unkeyed(1)).await.unwrap();
}

#[tokio::test]
async fn a_failed_transaction_fails_only_its_own_orders() {
    let store = FakeStore::closed();
    store.fail([Fault::Accept]);
    let batcher = start(&store, 1, 8);
    let mut tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    run_until_blocked().await;
    store.let_begin(100);
    assert!(is_unavailable(&tasks.remove(0).await.unwrap()));
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn halving_ends_when_the_store_becomes_unavailable() {
    let store = FakeStore::open();
    store.poison(&[1]);
    // The whole batch fails because of its first order; so does the older half, and then the store becomes unavailable.
    store.fail([Fault::None, Fault::None, Fault::Begin]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let results = place_all_before(&batcher, writer, (1..=4).map(unkeyed).collect()).await;
    assert!(results.iter().all(is_unavailable));
    assert_eq!((store.begun(), store.committed()), (3, 0));
}

#[tokio::test]
async fn a_conflict_retries_the_whole_batch() {
    let store = FakeStore::open();
    store.fail([Fault::Conflict, Fault::ConflictAtCommit]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    for result in place_all_before(&batcher, writer, (1..=3).map(unkeyed).collect()).await {
        result.unwrap();
    }
    assert_eq!(store.batches(), [3]);
    assert_eq!(store.notifications(), 1);
}

#[tokio::test]
async fn repeated_conflicts_end_with_an_error() {
    let store = FakeStore::open();
    store.fail([Fault::Conflict; 9]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let results = place_all_before(&batcher, writer, vec![unkeyed(1), unkeyed(2)]).await;
    for result in results {
        assert!(matches!(
            result,
            Err(PlaceOrderError::Store(StoreError::Conflict(_)))
        ));
    }
    assert_eq!((store.begun(), store.committed()), (9, 0));
}

#[tokio::test]
async fn a_key_used_twice_in_a_transaction_creates_one_order() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 8));
    let orders = vec![keyed(1, "k"), keyed(1, "k"), keyed(2, "k"), keyed(2, "l")];
    let results = place_all_before(&batcher, writer, orders).await;
    let [first, repeat, other, unrelated] = results.try_into().unwrap();
    let first = first.unwrap();
    assert!(!first.replayed);
    let repeat = repeat.unwrap();
    assert!(repeat.replayed);
    assert_eq!(repeat.order, first.order);
    assert!(matches!(other, Err(PlaceOrderError::KeyReused)));
    assert!(!unrelated.unwrap().replayed);
    assert_eq!(store.committed(), 2);
}

#[tokio::test]
async fn a_batch_that_creates_no_order_sends_no_notification() {
    let (store, batcher) = open(8, 8);
    batcher.place(keyed(1, "k")).await.unwrap();
    assert!(batcher.place(keyed(1, "k")).await.unwrap().replayed);
    assert_eq!(store.notifications(), 1);
}

#[tokio::test]
async fn cancelled_callers_do_not_affect_others() {
    let store = FakeStore::closed();
    let batcher = start(&store, 8, 8);
    let cancelled_while_written = place(&batcher, unkeyed(1));
    run_until_blocked().await;
    let cancelled_while_pending = place(&batcher, unkeyed(2));
    let uncancelled = place(&batcher, unkeyed(3));
    run_until_blocked().await;
    cancelled_while_written.abort();
    cancelled_while_pending.abort();
    run_until_blocked().await;
    store.let_begin(100);
    uncancelled.await.unwrap().unwrap();
    assert_eq!(
        store.batches(),
        [1, 1],
        "orders of cancelled callers are not written"
    );
}

#[tokio::test]
async fn pending_callers_get_an_error_when_the_last_writer_ends() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(1, 8));
    let running = [
        tokio::spawn(writer.clone().run()),
        tokio::spawn(writer.run()),
    ];
    let tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    run_until_blocked().await;
    running[0].abort();
    run_until_blocked().await;
    let finished = tasks.iter().filter(|task| task.is_finished()).count();
    assert_eq!(finished, 1, "the others still have a writer");
    running[1].abort();
    for task in tasks {
        assert!(is_unavailable(&task.await.unwrap()));
    }
    assert!(is_unavailable(&batcher.place(unkeyed(1)).await));
    assert_eq!(store.committed(), 0);
}

#[tokio::test]
async fn a_writer_that_panics_during_a_commit_leaves_the_outcome_unknown() {
    let store = FakeStore::open();
    store.fail([Fault::CommitPanic]);
    let (batcher, writer) = wire(&store, settings(2, 8));
    let results = place_all_before(&batcher, writer, (1..=3).map(unkeyed).collect()).await;
    assert!(
        is_unknown(&results[0]) && is_unknown(&results[1]),
        "{results:?}"
    );
    // The third order was not in that transaction.
    assert!(is_unavailable(&results[2]), "{results:?}");
}

#[tokio::test]
async fn callers_get_an_error_when_their_writer_panics() {
    let store = FakeStore::open();
    store.fail([Fault::Panic]);
    let (batcher, writer) = wire(&store, settings(8, 8));
    let spare = writer.clone();
    let results = place_all_before(&batcher, writer, vec![unkeyed(1), unkeyed(2)]).await;
    assert!(results.iter().all(is_unavailable));
    tokio::spawn(spare.run());
    batcher.place(unkeyed(1)).await.unwrap();
}

#[tokio::test]
async fn the_writer_writes_all_pending_orders_before_it_ends() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(2, 8));
    let tasks: Vec<_> = (1..=5).map(|n| place(&batcher, unkeyed(n))).collect();
    run_until_blocked().await;
    drop(batcher);
    timeout(Duration::from_secs(5), writer.run()).await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.batches(), [2, 2, 1]);
}
