//! Orders that settlement gave up, and their replay.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::{OrderState, RejectReason};
use domain::ports::{DeadLetter, MAX_DEAD_LETTER_REASON_CHARS};
use domain::settlement::Outcome;

use super::StorageUnderTest;
use crate::builders::new_order;

const LEASE: Duration = Duration::from_mins(10);

/// Records a dead letter, and returns whether it is new.
async fn dead_letter(storage: &StorageUnderTest, id: OrderId, reason: &str) -> bool {
    let mut work = storage.begin().await;
    let is_new = work.record_dead_letter(id, reason).await.unwrap();
    work.commit().await.unwrap();
    is_new
}

async fn listed(storage: &StorageUnderTest) -> Vec<DeadLetter> {
    let letters = storage.dead_letters.list_dead_letters(None, 100).await;
    letters.unwrap()
}

async fn ids(storage: &StorageUnderTest) -> Vec<OrderId> {
    let letters = listed(storage).await.into_iter();
    letters.map(|letter| letter.order_id).collect()
}

async fn replay(storage: &StorageUnderTest, ids: &[OrderId]) -> u64 {
    let mut work = storage.begin().await;
    let replayed = work.replay_orders(ids).await.unwrap();
    work.commit().await.unwrap();
    replayed
}

async fn prune(storage: &StorageUnderTest, limit: u32) -> u64 {
    let mut work = storage.begin().await;
    let pruned = work.prune_dead_letters(limit).await.unwrap();
    work.commit().await.unwrap();
    pruned
}

/// Places orders and removes them from the outbox: they are `PENDING` and lost.
async fn lost_orders(storage: &StorageUnderTest, number: usize) -> Vec<OrderId> {
    let orders: Vec<_> = (0..number).map(|_| new_order("p", 1)).collect();
    let ids = storage.place_all(&orders).await;
    storage.empty_outbox().await;
    ids
}

const REJECTED: Outcome = Outcome::Rejected(RejectReason::InsufficientStock);

/// An order that is given up several times has one dead letter, with the last reason.
pub async fn an_order_has_one_dead_letter_with_the_last_reason(storage: &StorageUnderTest) {
    let placed = lost_orders(storage, 2).await;
    assert!(dead_letter(storage, placed[1], "first\nline").await);
    assert!(dead_letter(storage, placed[0], "it's \"odd\" ?").await);
    let before = listed(storage).await;
    assert!(!dead_letter(storage, placed[1], &"ä".repeat(10_000)).await);
    let after = listed(storage).await;
    assert_eq!(before[0], after[0]);
    assert_eq!(before[0].reason, "it's \"odd\" ?");
    assert_eq!(before[1].reason, "first line");
    assert_eq!(
        after[1].reason.chars().count(),
        MAX_DEAD_LETTER_REASON_CHARS
    );
    assert_eq!((before[1].attempts, after[1].attempts), (1, 2));
    assert_eq!(before[1].created_at, after[1].created_at);
    assert!(before[1].updated_at < after[1].updated_at);
    assert_eq!(ids(storage).await, placed);
    let second = storage.dead_letters.list_dead_letters(Some(placed[0]), 1);
    assert_eq!(second.await.unwrap(), after[1..]);
    for (at_most, counted) in [(0, 0), (1, 1), (9, 2)] {
        let dead = storage.probe.count_dead_letters(at_most).await;
        assert_eq!(dead.unwrap(), counted);
    }
}

/// An order that is not `PENDING` or does not exist gets no dead letter, and a dead letter that is rolled back is gone.
pub async fn only_pending_orders_have_dead_letters(storage: &StorageUnderTest) {
    let placed = lost_orders(storage, 2).await;
    storage.decide(placed[0], REJECTED).await;
    assert!(!dead_letter(storage, placed[0], "late").await);
    assert!(!dead_letter(storage, OrderId(i64::MAX), "unknown").await);
    let mut dropped = storage.begin().await;
    dropped.record_dead_letter(placed[1], "no").await.unwrap();
    drop(dropped);
    assert_eq!(listed(storage).await, []);
}

/// A dead letter is no longer listed or counted after its order is settled or cancelled, and it is pruned.
pub async fn a_settled_order_has_no_dead_letter(storage: &StorageUnderTest) {
    let placed = lost_orders(storage, 4).await;
    for id in &placed {
        dead_letter(storage, *id, "why").await;
    }
    assert_eq!(prune(storage, 10).await, 0);
    storage.decide(placed[0], REJECTED).await;
    storage.decide(placed[2], REJECTED).await;
    storage.write_state(placed[3], &OrderState::Cancelled).await;
    assert_eq!(ids(storage).await, [placed[1]]);
    assert_eq!(storage.probe.count_dead_letters(9).await.unwrap(), 1);
    assert_eq!(prune(storage, 2).await, 2);
    assert_eq!(prune(storage, 2).await, 1);
    assert_eq!(prune(storage, 2).await, 0);
    assert_eq!(ids(storage).await, [placed[1]]);
}

/// Replayed orders are in the outbox once, in one entry, even if they are replayed again; settled orders stay settled.
pub async fn replayed_orders_are_in_the_outbox_once(storage: &StorageUnderTest) {
    let placed = lost_orders(storage, 4).await;
    for id in &placed[..3] {
        dead_letter(storage, *id, "why").await;
    }
    storage.decide(placed[1], REJECTED).await;
    let unknown = OrderId(i64::MAX);
    let requested = [placed[2], placed[0], placed[1], placed[0], unknown];
    assert_eq!(replay(storage, &requested).await, 2);
    assert_eq!(listed(storage).await, []);
    assert_eq!(replay(storage, &requested).await, 0);
    let claimed = storage.claim(10, LEASE).await;
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].order_ids().eq([placed[0], placed[2]]));
    assert_eq!(
        replay(storage, &requested).await,
        0,
        "claimed entries are in the outbox"
    );
    assert_eq!(
        replay(storage, &[placed[3]]).await,
        1,
        "a dead letter is not needed"
    );
    assert_eq!(storage.claim_orders(LEASE).await, [placed[3]]);
}

/// The sweeper's wait for a replayed order restarts with the replay.
pub async fn a_replay_restarts_the_wait_of_the_sweeper(storage: &StorageUnderTest) {
    let placed = lost_orders(storage, 1).await;
    assert_eq!(replay(storage, &placed).await, 1);
    storage.empty_outbox().await;
    assert_eq!(storage.requeue(LEASE, 10).await, 0);
    assert_eq!(storage.requeue(Duration::ZERO, 10).await, 1);
}

/// A discarded dead letter is gone; its order is unchanged.
pub async fn a_discarded_dead_letter_leaves_its_order(storage: &StorageUnderTest) {
    let placed = lost_orders(storage, 2).await;
    dead_letter(storage, placed[0], "why").await;
    dead_letter(storage, placed[1], "why").await;
    let mut work = storage.begin().await;
    let requested = [placed[0], OrderId(i64::MAX)];
    assert_eq!(work.discard_dead_letters(&requested).await.unwrap(), 1);
    work.commit().await.unwrap();
    assert_eq!(ids(storage).await, [placed[1]]);
    assert_eq!(storage.order(placed[0]).await.state, OrderState::Pending);
    assert!(storage.claim(10, LEASE).await.is_empty());
    assert!(dead_letter(storage, placed[0], "again").await);
}
