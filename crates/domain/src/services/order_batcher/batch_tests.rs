//! Batches of orders: written as one, bounded as many, and found again by their one key.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fake::{FakeStore, Fault, batch, keyed, settings, unkeyed, wire};
use super::*;

type BatchAnswer = Answer<PlacedBatch>;

/// Lets every task run until it waits.
async fn settle_down() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn place_all(
    batcher: &OrderBatcher,
    quantities: &[u32],
    key: Option<&str>,
) -> JoinHandle<BatchAnswer> {
    let (batcher, batch) = (batcher.clone(), batch(quantities, key));
    tokio::spawn(async move { batcher.place_all(batch).await })
}

fn place(batcher: &OrderBatcher, order: NewOrder) -> JoinHandle<Answer<PlacedOrder>> {
    let batcher = batcher.clone();
    tokio::spawn(async move { batcher.place(order).await })
}

#[track_caller]
fn units(answer: &BatchAnswer) -> Vec<u32> {
    let placed = answer.as_ref().unwrap();
    let orders = placed.orders.iter();
    orders.map(|order| order.quantity.units()).collect()
}

fn is_reused<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Err(PlaceOrderError::KeyReused))
}

#[tokio::test]
async fn a_batch_is_written_as_a_whole_in_one_transaction() {
    let store = FakeStore::closed();
    let (batcher, writer) = wire(&store, settings(4, 100));
    tokio::spawn(writer.run());
    let first = place(&batcher, unkeyed(9));
    settle_down().await;
    let small = place_all(&batcher, &[1, 2, 3], None);
    let large = place_all(&batcher, &[1, 2, 3, 4, 5, 6, 7], None);
    let last = place(&batcher, unkeyed(9));
    settle_down().await;
    store.let_begin(100);
    first.await.unwrap().unwrap();
    assert_eq!(units(&small.await.unwrap()), [1, 2, 3]);
    assert_eq!(units(&large.await.unwrap()), [1, 2, 3, 4, 5, 6, 7]);
    last.await.unwrap().unwrap();
    assert_eq!(store.batches(), [1, 10, 1]);
    assert_eq!(store.wakes(), 3);
}

#[tokio::test]
async fn a_batch_of_none_is_nothing() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(4, 4));
    tokio::spawn(writer.run());
    for key in [None, Some("k")] {
        let placed = batcher.place_all(batch(&[], None)).await.unwrap();
        assert_eq!(placed, PlacedBatch::default(), "{key:?}");
    }
    assert_eq!(store.begun(), 0);
}

#[tokio::test]
async fn orders_of_a_batch_wait_as_many() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 5));
    let waiting = place_all(&batcher, &[1, 2, 3], None);
    settle_down().await;
    let refused = timeout(Duration::ZERO, batcher.place_all(batch(&[1, 2, 3], None))).await;
    assert!(matches!(refused, Ok(Err(PlaceOrderError::Full))));
    let others = [place(&batcher, unkeyed(1)), place(&batcher, unkeyed(1))];
    settle_down().await;
    let refused = timeout(Duration::ZERO, batcher.place(unkeyed(1))).await;
    assert!(matches!(refused, Ok(Err(PlaceOrderError::Full))));

    tokio::spawn(writer.run());
    waiting.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    // Where nobody waits there is room for a batch of any size.
    let large = batcher.place_all(batch(&[1; 9], None)).await;
    assert_eq!(units(&large).len(), 9);
    assert_eq!(store.batches(), [5, 9]);
}

#[tokio::test]
async fn room_is_given_back_by_those_who_leave() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 3));
    let leaving = place_all(&batcher, &[1, 2, 3], None);
    settle_down().await;
    leaving.abort();
    tokio::spawn(writer.run());
    settle_down().await;
    assert_eq!(
        units(&batcher.place_all(batch(&[4, 5, 6], None)).await),
        [4, 5, 6]
    );
    assert_eq!(store.batches(), [3]);
}

#[tokio::test]
async fn a_repeat_is_the_same_batch() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 100));
    tokio::spawn(writer.run());
    let first = batcher
        .place_all(batch(&[1, 2, 3], Some("k")))
        .await
        .unwrap();
    assert!(!first.replayed);
    let repeat = batcher
        .place_all(batch(&[1, 2, 3], Some("k")))
        .await
        .unwrap();
    assert!(repeat.replayed);
    assert_eq!(repeat.orders, first.orders);
    assert_eq!((store.committed(), store.wakes()), (3, 1));
    // Another key is another batch.
    let other = batcher
        .place_all(batch(&[1, 2, 3], Some("l")))
        .await
        .unwrap();
    assert!(!other.replayed);
    assert_eq!(store.committed(), 6);
}

#[tokio::test]
async fn the_same_key_for_another_batch_is_refused_and_writes_nothing() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 100));
    tokio::spawn(writer.run());
    batcher
        .place_all(batch(&[1, 2, 3], Some("k")))
        .await
        .unwrap();
    for other in [
        &[1][..],
        &[1, 2],
        &[1, 2, 3, 4],
        &[3, 2, 1],
        &[1, 2, 4],
        &[4, 2, 3],
        &[9],
    ] {
        let answer = batcher.place_all(batch(other, Some("k"))).await;
        assert!(is_reused(&answer), "{other:?}");
        assert_eq!(store.committed(), 3, "{other:?}");
    }
}

#[tokio::test]
async fn a_key_is_of_an_order_alone_or_of_a_batch() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 100));
    tokio::spawn(writer.run());
    batcher.place_all(batch(&[1], Some("b"))).await.unwrap();
    assert!(is_reused(&batcher.place(keyed(1, "b")).await));
    batcher.place(keyed(1, "o")).await.unwrap();
    for other in [&[1][..], &[1, 1]] {
        assert!(is_reused(&batcher.place_all(batch(other, Some("o"))).await));
    }
    assert_eq!(store.committed(), 2);
}

#[tokio::test]
async fn a_batch_that_is_refused_takes_nobody_with_it() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(100, 100));
    let mut bystanders = vec![place(&batcher, unkeyed(7))];
    let first = place_all(&batcher, &[1, 2], Some("k"));
    settle_down().await;
    let others: Vec<_> = [&[1][..], &[1, 2, 3], &[2, 1]]
        .map(|other| place_all(&batcher, other, Some("k")))
        .into();
    let repeat = place_all(&batcher, &[1, 2], Some("k"));
    bystanders.push(place(&batcher, unkeyed(7)));
    settle_down().await;
    tokio::spawn(writer.run());
    let first = first.await.unwrap();
    assert_eq!(units(&first), [1, 2]);
    assert_eq!(repeat.await.unwrap().unwrap().orders, first.unwrap().orders);
    for other in others {
        assert!(is_reused(&other.await.unwrap()));
    }
    for bystander in bystanders {
        bystander.await.unwrap().unwrap();
    }
    // Tried together, then without those that are refused.
    assert_eq!((store.begun(), store.batches()), (2, vec![4]));
    assert_eq!(store.wakes(), 1);
}

#[tokio::test]
async fn a_batch_half_of_whose_keys_are_forgotten_is_for_later() {
    let store = FakeStore::open();
    let (batcher, writer) = wire(&store, settings(8, 100));
    tokio::spawn(writer.run());
    batcher
        .place_all(batch(&[1, 2, 3], Some("k")))
        .await
        .unwrap();
    store.forget(|key| key.key() == "2");
    let answer = batcher.place_all(batch(&[1, 2, 3], Some("k"))).await;
    let Err(PlaceOrderError::Store(error)) = answer else {
        panic!("{answer:?}");
    };
    assert!(error.is_retryable(), "{error}");
    assert_eq!(store.committed(), 3);
    store.forget(|_| true);
    let again = batcher
        .place_all(batch(&[1, 2, 3], Some("k")))
        .await
        .unwrap();
    assert!(!again.replayed);
    assert_eq!(store.committed(), 6);
}

#[tokio::test]
async fn a_batch_with_an_order_that_cannot_be_written_fails_alone_and_whole() {
    let store = FakeStore::open();
    store.poison(&[13]);
    let (batcher, writer) = wire(&store, settings(64, 64));
    let good = place_all(&batcher, &[1, 2], Some("good"));
    let bad = place_all(&batcher, &[3, 13, 4], Some("bad"));
    let alone = place(&batcher, unkeyed(5));
    settle_down().await;
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
async fn a_batch_whose_commit_is_lost_is_found_by_its_repeat() {
    let store = FakeStore::open();
    store.fail([Fault::CommitLost]);
    let (batcher, writer) = wire(&store, settings(8, 100));
    tokio::spawn(writer.run());
    let lost = batcher.place_all(batch(&[1, 2, 3], Some("k"))).await;
    assert!(matches!(
        lost,
        Err(PlaceOrderError::Store(StoreError::CommitUnknown(_)))
    ));
    let repeat = batcher.place_all(batch(&[1, 2, 3], Some("k"))).await;
    assert!(repeat.as_ref().unwrap().replayed);
    assert_eq!(units(&repeat), [1, 2, 3]);
    assert_eq!(store.committed(), 3);
}

#[tokio::test]
async fn a_conflict_repeats_the_whole_batch() {
    let store = FakeStore::open();
    store.fail([Fault::Conflict, Fault::ConflictAtCommit]);
    let (batcher, writer) = wire(&store, settings(8, 100));
    tokio::spawn(writer.run());
    let placed = batcher.place_all(batch(&[1, 2, 3], Some("k"))).await;
    assert_eq!(units(&placed), [1, 2, 3]);
    assert_eq!((store.begun(), store.committed()), (3, 3));
}
