//! Tests of batches: written as one, limited by their number of orders, and found again by their key.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fake::{
    FakeStore, Fault, batch, keyed, open, place, run_until_blocked, settings, start, unkeyed, wire,
};
use super::*;

type BatchResult = PlaceResult<PlacedBatch>;

fn place_all(
    batcher: &OrderBatcher,
    quantities: &[u32],
    key: Option<&str>,
) -> JoinHandle<BatchResult> {
    let (batcher, batch) = (batcher.clone(), batch(quantities, key));
    tokio::spawn(async move { batcher.place_all(batch).await })
}

async fn place_keyed(batcher: &OrderBatcher, quantities: &[u32], key: &str) -> BatchResult {
    batcher.place_all(batch(quantities, Some(key))).await
}

#[track_caller]
fn units(result: &BatchResult) -> Vec<u32> {
    let placed = result.as_ref().unwrap();
    let orders = placed.orders.iter();
    orders.map(|order| order.quantity.units()).collect()
}

fn is_reused<T>(result: &PlaceResult<T>) -> bool {
    matches!(result, Err(PlaceOrderError::KeyReused))
}

#[tokio::test]
async fn a_batch_is_written_in_one_transaction() {
    let store = FakeStore::closed();
    let batcher = start(&store, 4, 100);
    let first = place(&batcher, unkeyed(9));
    run_until_blocked().await;
    let small = place_all(&batcher, &[1, 2, 3], None);
    let large = place_all(&batcher, &[1, 2, 3, 4, 5, 6, 7], None);
    let last = place(&batcher, unkeyed(9));
    run_until_blocked().await;
    store.let_begin(100);
    first.await.unwrap().unwrap();
    assert_eq!(units(&small.await.unwrap()), [1, 2, 3]);
    assert_eq!(units(&large.await.unwrap()), [1, 2, 3, 4, 5, 6, 7]);
    last.await.unwrap().unwrap();
    assert_eq!(store.batches(), [1, 10, 1]);
    assert_eq!(store.notifications(), 3);
}

#[tokio::test]
async fn an_empty_batch_writes_nothing() {
    let (store, batcher) = open(4, 4);
    for key in [None, Some("k")] {
        let placed = batcher.place_all(batch(&[], None)).await.unwrap();
        assert_eq!(placed, PlacedBatch::default(), "{key:?}");
    }
    assert_eq!(store.begun(), 0);
}

#[tokio::test]
async fn each_order_of_a_batch_counts_towards_the_capacity() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 5));
    let pending = place_all(&batcher, &[1, 2, 3], None);
    run_until_blocked().await;
    let refused = timeout(Duration::ZERO, batcher.place_all(batch(&[1, 2, 3], None))).await;
    assert!(matches!(refused, Ok(Err(PlaceOrderError::Full))));
    let others = [place(&batcher, unkeyed(1)), place(&batcher, unkeyed(1))];
    run_until_blocked().await;
    let refused = timeout(Duration::ZERO, batcher.place(unkeyed(1))).await;
    assert!(matches!(refused, Ok(Err(PlaceOrderError::Full))));

    tokio::spawn(writer.run());
    pending.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    // While no order is pending, a batch of any size fits.
    let large = batcher.place_all(batch(&[1; 9], None)).await;
    assert_eq!(units(&large).len(), 9);
    assert_eq!(store.batches(), [5, 9]);
}

#[tokio::test]
async fn cancelled_callers_release_their_capacity() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 3));
    let leaving = place_all(&batcher, &[1, 2, 3], None);
    run_until_blocked().await;
    leaving.abort();
    tokio::spawn(writer.run());
    run_until_blocked().await;
    assert_eq!(
        units(&batcher.place_all(batch(&[4, 5, 6], None)).await),
        [4, 5, 6]
    );
    assert_eq!(store.batches(), [3]);
}

#[tokio::test]
async fn a_repeat_returns_the_same_batch() {
    let (store, batcher) = open(8, 100);
    let first = place_keyed(&batcher, &[1, 2, 3], "k").await.unwrap();
    assert!(!first.replayed);
    let repeat = place_keyed(&batcher, &[1, 2, 3], "k").await.unwrap();
    assert!(repeat.replayed);
    assert_eq!(repeat.orders, first.orders);
    assert_eq!((store.committed(), store.notifications()), (3, 1));
    // Another key identifies another batch.
    let other = place_keyed(&batcher, &[1, 2, 3], "l").await.unwrap();
    assert!(!other.replayed);
    assert_eq!(store.committed(), 6);
}

#[tokio::test]
async fn the_same_key_for_another_batch_is_refused_and_writes_nothing() {
    let (store, batcher) = open(8, 100);
    place_keyed(&batcher, &[1, 2, 3], "k").await.unwrap();
    for other in [
        &[1][..],
        &[1, 2],
        &[1, 2, 3, 4],
        &[3, 2, 1],
        &[1, 2, 4],
        &[4, 2, 3],
        &[9],
    ] {
        let result = place_keyed(&batcher, other, "k").await;
        assert!(is_reused(&result), "{other:?}");
        assert_eq!(store.committed(), 3, "{other:?}");
    }
}

#[tokio::test]
async fn a_key_cannot_be_used_for_both_a_single_order_and_a_batch() {
    let (store, batcher) = open(8, 100);
    place_keyed(&batcher, &[1], "b").await.unwrap();
    assert!(is_reused(&batcher.place(keyed(1, "b")).await));
    batcher.place(keyed(1, "o")).await.unwrap();
    for other in [&[1][..], &[1, 1]] {
        assert!(is_reused(&place_keyed(&batcher, other, "o").await));
    }
    assert_eq!(store.committed(), 2);
}

#[tokio::test]
async fn a_refused_batch_does_not_affect_other_requests() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(100, 100));
    let mut unrelated = vec![place(&batcher, unkeyed(7))];
    let first = place_all(&batcher, &[1, 2], Some("k"));
    run_until_blocked().await;
    let others: Vec<_> = [&[1][..], &[1, 2, 3], &[2, 1]]
        .map(|other| place_all(&batcher, other, Some("k")))
        .into();
    let repeat = place_all(&batcher, &[1, 2], Some("k"));
    unrelated.push(place(&batcher, unkeyed(7)));
    run_until_blocked().await;
    tokio::spawn(writer.run());
    let first = first.await.unwrap();
    assert_eq!(units(&first), [1, 2]);
    assert_eq!(repeat.await.unwrap().unwrap().orders, first.unwrap().orders);
    for other in others {
        assert!(is_reused(&other.await.unwrap()));
    }
    for order in unrelated {
        order.await.unwrap().unwrap();
    }
    // Written together first, then without the conflicting batches.
    assert_eq!((store.begun(), store.batches()), (2, vec![4]));
    assert_eq!(store.notifications(), 1);
}

#[tokio::test]
async fn a_batch_with_some_pruned_keys_fails_with_a_retryable_error() {
    let (store, batcher) = open(8, 100);
    place_keyed(&batcher, &[1, 2, 3], "k").await.unwrap();
    store.prune_keys(|key| key.key() == "2");
    let result = place_keyed(&batcher, &[1, 2, 3], "k").await;
    let Err(PlaceOrderError::Store(error)) = result else {
        panic!("{result:?}");
    };
    assert!(error.is_retryable(), "{error}");
    assert_eq!(store.committed(), 3);
    store.prune_keys(|_| true);
    let again = place_keyed(&batcher, &[1, 2, 3], "k").await.unwrap();
    assert!(!again.replayed);
    assert_eq!(store.committed(), 6);
}

#[tokio::test]
async fn a_batch_with_a_failing_order_fails_completely_and_alone() {
    let store = FakeStore::open();
    store.poison(&[13]);
    let (batcher, writer) = wire(&store, settings(64, 64));
    let good = place_all(&batcher, &[1, 2], Some("good"));
    let bad = place_all(&batcher, &[3, 13, 4], Some("bad"));
    let alone = place(&batcher, unkeyed(5));
    run_until_blocked().await;
    tokio::spawn(writer.run());
    assert_eq!(units(&good.await.unwrap()), [1, 2]);
    alone.await.unwrap().unwrap();
    let bad = bad.await.unwrap();
    assert!(matches!(
        bad,
        Err(PlaceOrderError::Store(StoreError::Corrupt { .. }))
    ));
    assert_eq!(store.committed(), 3);
}

#[tokio::test]
async fn a_repeat_finds_a_batch_whose_commit_result_was_lost() {
    let (store, batcher) = open(8, 100);
    store.fail([Fault::CommitLost]);
    let lost = place_keyed(&batcher, &[1, 2, 3], "k").await;
    assert!(matches!(
        lost,
        Err(PlaceOrderError::Store(StoreError::CommitUnknown(_)))
    ));
    let repeat = place_keyed(&batcher, &[1, 2, 3], "k").await;
    assert!(repeat.as_ref().unwrap().replayed);
    assert_eq!(units(&repeat), [1, 2, 3]);
    assert_eq!(store.committed(), 3);
}

#[tokio::test]
async fn a_conflict_retries_the_whole_batch() {
    let (store, batcher) = open(8, 100);
    store.fail([Fault::Conflict, Fault::ConflictAtCommit]);
    let placed = place_keyed(&batcher, &[1, 2, 3], "k").await;
    assert_eq!(units(&placed), [1, 2, 3]);
    assert_eq!((store.begun(), store.committed()), (3, 3));
}
