//! The outbox: its claims, its lag and its size.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::identifiers::OrderId;
use domain::ports::{NewOrder, OutboxEntry, OutboxId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{StorageUnderTest, immediately};
use crate::builders::{keyed_order, new_order, span_context};

const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(200);

/// Places orders, each in its own entry.
async fn fill(storage: &StorageUnderTest, count: usize) -> Vec<OrderId> {
    let mut placed = Vec::new();
    for _ in 0..count {
        placed.push(storage.place(new_order("p", 1)).await.id);
    }
    placed
}

fn orders_of(entries: &[OutboxEntry]) -> Vec<OrderId> {
    entries.iter().flat_map(OutboxEntry::order_ids).collect()
}

fn ids_of(entries: &[OutboxEntry]) -> Vec<OutboxId> {
    entries.iter().map(|entry| entry.id).collect()
}

/// Claims return the oldest entries first, at most the requested number, and not again while the claims last.
pub async fn claims_return_the_oldest_entries_first_and_once(storage: &StorageUnderTest) {
    let placed = fill(storage, 5).await;
    let first = storage.claim(2, LONG).await;
    assert_eq!(orders_of(&first), placed[..2]);
    assert!(first[0].id < first[1].id);
    let second = storage.claim(10, LONG).await;
    assert_eq!(orders_of(&second), placed[2..]);
    assert_eq!(storage.claim(10, LONG).await, []);
}

/// The orders of one call are one entry, whatever the limit, which is claimed, released and removed as a whole.
pub async fn orders_of_one_call_share_an_entry(storage: &StorageUnderTest) {
    let orders: Vec<_> = (0..300).map(|_| new_order("p", 1)).collect();
    let placed = storage.place_all(&orders).await;
    let later = fill(storage, 1).await;
    let first = storage.claim(1, LONG).await;
    assert_eq!(first.len(), 1);
    assert_eq!(orders_of(&first), placed);
    let mut work = storage.begin().await;
    work.release(&ids_of(&first)).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(storage.claim(1, LONG).await, first);
    storage.remove(&first).await;
    assert_eq!(orders_of(&storage.claim(10, LONG).await), later);
}

/// A claim returns the trace of each created order that has one, also of orders with keys; a repeat has no entry.
pub async fn the_trace_of_an_order_is_claimed_with_it(storage: &StorageUnderTest) {
    let traced = |number, order: NewOrder| NewOrder {
        trace: Some(span_context(number)),
        ..order
    };
    let requests = [
        traced(1, new_order("p", 1)),
        new_order("q", 1),
        traced(2, keyed_order("r", 1, "k")),
    ];
    let placed = storage.place_all(&requests).await;
    storage.accept(&[traced(3, keyed_order("r", 1, "k"))]).await;
    storage
        .place_all(&[
            traced(4, new_order("p", 1)),
            new_order("p", 1),
            traced(5, new_order("p", 1)),
        ])
        .await;
    let entries = storage.claim(10, LONG).await;
    let claimed: Vec<Vec<_>> = entries
        .iter()
        .map(|entry| entry.orders.iter().map(|order| order.trace).collect())
        .collect();
    let of = |number| Some(span_context(number));
    assert_eq!(
        claimed,
        [vec![of(1), None, of(2)], vec![of(4), None, of(5)]]
    );
    assert_eq!(orders_of(&entries[..1]), placed);
}

/// The writes of a relaxed unit of work are visible after its commit, also to units of work that are not relaxed.
pub async fn relaxed_units_of_work_are_committed_or_rolled_back(storage: &StorageUnderTest) {
    let placed = fill(storage, 2).await;
    let mut work = storage.store.begin_relaxed().await.unwrap();
    let claimed = work.claim(1, LONG).await.unwrap();
    assert_eq!(orders_of(&claimed), placed[..1]);
    work.commit().await.unwrap();
    let mut dropped = storage.store.begin_relaxed().await.unwrap();
    dropped.remove(&ids_of(&claimed)).await.unwrap();
    drop(dropped);
    let mut work = storage.begin().await;
    assert_eq!(orders_of(&work.claim(10, LONG).await.unwrap()), placed[1..]);
    work.release(&ids_of(&claimed)).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(orders_of(&storage.claim(10, LONG).await), placed[..1]);
}

/// The claim of a dropped unit of work has no effect.
pub async fn a_rolled_back_claim_has_no_effect(storage: &StorageUnderTest) {
    let placed = fill(storage, 2).await;
    let mut work = storage.begin().await;
    assert_eq!(work.claim(10, LONG).await.unwrap().len(), 2);
    drop(work);
    // A claim skips locked entries, and a server notices the drop with a delay.
    let claimed = immediately(async {
        loop {
            let claimed = storage.claim(10, LONG).await;
            if !claimed.is_empty() {
                break claimed;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(orders_of(&claimed), placed);
}

/// The next claim returns released entries and no removed ones. Removing an entry again is not an error.
pub async fn entries_are_released_and_removed(storage: &StorageUnderTest) {
    let placed = fill(storage, 4).await;
    let entries = ids_of(&storage.claim(10, LONG).await);
    let mut work = storage.begin().await;
    work.remove(&entries[..2]).await.unwrap();
    work.release(&entries[1..3]).await.unwrap();
    work.commit().await.unwrap();

    let claimed = storage.claim(10, LONG).await;
    assert_eq!(orders_of(&claimed), placed[2..3]);
    let mut work = storage.begin().await;
    work.remove(&entries).await.unwrap();
    work.remove(&entries).await.unwrap();
    work.remove(&[]).await.unwrap();
    work.release(&entries).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(storage.claim(10, LONG).await, []);
}

/// A claim whose time has passed by the store's clock has no effect.
pub async fn claims_expire(storage: &StorageUnderTest) {
    let placed = fill(storage, 2).await;
    let claimed_at = storage.probe.store_time().await.unwrap();
    assert_eq!(storage.claim(10, SHORT).await.len(), 2);
    let deadline = Instant::now() + SHORT * 50;
    let again = loop {
        let again = storage.claim(10, LONG).await;
        if !again.is_empty() {
            break again;
        }
        assert!(Instant::now() < deadline, "the claims did not expire");
        sleep(SHORT / 10).await;
    };
    assert_eq!(orders_of(&again), placed);
    let now = storage.probe.store_time().await.unwrap();
    assert!(
        now.since(claimed_at) >= SHORT,
        "the claims expired too early"
    );
}

/// A claim that lasts longer than any claimant requests was made by a clock that was ahead, and is ignored.
pub async fn a_claim_that_lasts_too_long_is_ignored(storage: &StorageUnderTest) {
    let placed = fill(storage, 1).await;
    assert_eq!(storage.claim(10, 100 * LONG).await.len(), 1);
    assert_eq!(orders_of(&storage.claim(10, LONG).await), placed);
    assert_eq!(storage.claim(10, LONG).await, []);
}

/// Concurrent claimants share no entry, and together claim all of them.
pub async fn concurrent_claimants_never_share(storage: &StorageUnderTest) {
    let placed = fill(storage, 200).await;
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let store = storage.store.clone();
        tasks.spawn(async move {
            let mut all = Vec::new();
            loop {
                let mut work = store.begin().await.unwrap();
                let claimed = work.claim(7, LONG).await.unwrap();
                work.commit().await.unwrap();
                if claimed.is_empty() {
                    return all;
                }
                all.extend(claimed);
            }
        });
    }
    let claimed = orders_of(&tasks.join_all().await.concat());
    assert_eq!(claimed.len(), placed.len());
    let distinct: BTreeSet<OrderId> = claimed.into_iter().collect();
    assert!(distinct.into_iter().eq(placed));
}

/// A claim does not wait for entries that another transaction is claiming: it skips them. A store with one transaction at a
/// time has no such case.
pub async fn a_claim_does_not_wait_for_another(storage: &StorageUnderTest) {
    let placed = fill(storage, 4).await;
    if storage.pool_size == 1 {
        return;
    }
    let mut first = storage.begin().await;
    let claimed = first.claim(2, LONG).await.unwrap();
    assert_eq!(orders_of(&claimed), placed[..2]);
    let others = immediately(storage.claim(10, LONG)).await;
    assert_eq!(orders_of(&others), placed[2..]);
    first.commit().await.unwrap();
}

/// The lag is the age of the oldest entry, claimed or not; an empty outbox has no lag.
pub async fn the_lag_is_the_age_of_the_oldest_entry(storage: &StorageUnderTest) {
    let lag = async || storage.probe.outbox_lag().await.unwrap().oldest;
    assert_eq!(lag().await, None);
    storage.place(new_order("p", 1)).await;
    sleep(SHORT).await;
    let second = storage.place(new_order("p", 1)).await;
    let oldest = lag().await.unwrap();
    assert!(oldest >= SHORT, "{oldest:?}");

    let claimed = storage.claim(1, LONG).await;
    assert!(lag().await.unwrap() > oldest);
    storage.remove(&claimed).await;
    let next = lag().await.unwrap();
    let now = storage.probe.store_time().await.unwrap();
    // The entry is as old as its order.
    assert!(next <= now.since(second.created_at), "{next:?}");
    assert!(next.as_micros() > 0);

    let claimed = storage.claim(1, LONG).await;
    storage.remove(&claimed).await;
    assert_eq!(lag().await, None);
}

/// All entries are counted, claimed or not, up to the bound.
pub async fn the_outbox_is_counted_up_to_a_bound(storage: &StorageUnderTest) {
    let count = async |at_most| storage.probe.count_outbox(at_most).await.unwrap();
    assert_eq!(count(10).await, 0);
    for _ in 0..5 {
        // The orders of one call share an entry.
        storage
            .place_all(&[new_order("p", 1), new_order("q", 1)])
            .await;
    }
    let claimed = storage.claim(2, LONG).await;
    assert_eq!(count(10).await, 5);
    assert_eq!(count(5).await, 5);
    assert_eq!(count(4).await, 4);
    storage.remove(&claimed).await;
    assert_eq!(count(10).await, 3);
}
