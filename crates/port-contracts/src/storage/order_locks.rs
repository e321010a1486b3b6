//! Locking orders, and saving the decisions on locked orders.

use domain::identifiers::OrderId;
use domain::order::{OrderState, RejectReason};
use domain::settlement::{Outcome, PendingOrder, SettledOrder};
use tokio::task::JoinSet;

use super::{SHORT_DELAY, StorageUnderTest, wait_for_holder};
use crate::builders::{new_order, product, request};

fn rejected(id: OrderId, product_id: &str) -> SettledOrder {
    SettledOrder {
        id,
        product_id: product(product_id),
        outcome: Outcome::Rejected(RejectReason::InsufficientStock),
    }
}

/// Only `PENDING` orders are returned, by id and each once, whatever the order of the arguments.
pub async fn lock_pending_returns_pending_orders_by_id(storage: &StorageUnderTest) {
    let ids = storage
        .place_all(&[new_order("b", 2), new_order("a", 1), new_order("c", 3)])
        .await;
    let cancelled = storage.place(new_order("a", 1)).await.id;
    storage.write_state(cancelled, &OrderState::Cancelled).await;
    let unknown = OrderId(cancelled.0 + 1_000);

    let mut work = storage.begin().await;
    let requested = [ids[2], unknown, ids[0], cancelled, ids[2], ids[1]];
    let expected = [
        (ids[0], request("b", 2)),
        (ids[1], request("a", 1)),
        (ids[2], request("c", 3)),
    ]
    .map(|(id, request)| PendingOrder { id, request });
    assert_eq!(work.lock_pending(&requested).await.unwrap(), expected);
    assert_eq!(work.lock_pending(&[unknown]).await.unwrap(), []);
    assert_eq!(work.lock_pending(&[]).await.unwrap(), []);
}

/// A caller that waits for locked orders sees the holder's commit: orders that it settled are no longer `PENDING`.
pub async fn lock_pending_waits_for_the_holder_and_sees_its_commit(storage: &StorageUnderTest) {
    let ids = storage
        .place_all(&[new_order("p", 1), new_order("p", 1), new_order("p", 1)])
        .await;
    let mut holder = storage.begin().await;
    holder.lock_pending(&ids[1..2]).await.unwrap();
    holder.save_settled(&[rejected(ids[1], "p")]).await.unwrap();

    let (store, requested) = (storage.store.clone(), ids.clone());
    let found = wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        work.lock_pending(&requested).await.unwrap()
    })
    .await;
    let found: Vec<OrderId> = found.into_iter().map(|order| order.id).collect();
    assert_eq!(found, [ids[0], ids[2]]);
}

/// A caller that waits for a locked order sees the holder's commit.
pub async fn lock_order_waits_for_the_holder_and_sees_its_commit(storage: &StorageUnderTest) {
    let id = storage.place(new_order("p", 1)).await.id;
    let mut holder = storage.begin().await;
    holder.lock_order(id).await.unwrap();
    let written = holder.save_state(id, &OrderState::Cancelled).await.unwrap();
    let store = storage.store.clone();
    let found = wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        work.lock_order(id).await.unwrap()
    })
    .await;
    assert_eq!(found, Some(written));
}

/// An order that does not exist is `None`.
pub async fn an_unknown_order_is_not_found(storage: &StorageUnderTest) {
    let unknown = OrderId(storage.place(new_order("p", 1)).await.id.0 + 1_000);
    assert_eq!(storage.orders.find_order(unknown).await.unwrap(), None);
    let mut work = storage.begin().await;
    assert_eq!(work.lock_order(unknown).await.unwrap(), None);
}

/// Concurrent settlements of the same orders settle each exactly once.
pub async fn concurrent_settlements_settle_each_order_once(storage: &StorageUnderTest) {
    let orders: Vec<_> = (0..30).map(|_| new_order("p", 1)).collect();
    let ids = storage.place_all(&orders).await;
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let (store, mut requested) = (storage.store.clone(), ids.clone());
        if task % 2 == 0 {
            requested.reverse();
        }
        tasks.spawn(async move {
            let mut work = store.begin().await.unwrap();
            let pending = work.lock_pending(&requested).await.unwrap();
            tokio::time::sleep(SHORT_DELAY / 10).await;
            let settled: Vec<_> = pending.iter().map(|it| rejected(it.id, "p")).collect();
            work.save_settled(&settled).await.unwrap();
            work.commit().await.unwrap();
            settled.len()
        });
    }
    let settled: Vec<usize> = tasks.join_all().await;
    assert_eq!(settled.iter().sum::<usize>(), 30, "{settled:?}");
    for id in ids {
        let state = storage.order(id).await.state;
        assert_eq!(state.reject_reason(), Some(RejectReason::InsufficientStock));
    }
}

/// A decision on an order that is already decided or does not exist is an error, and the other orders are unchanged.
pub async fn save_settled_refuses_an_order_that_is_not_pending(storage: &StorageUnderTest) {
    let ids = storage
        .place_all(&[new_order("p", 1), new_order("p", 1)])
        .await;
    let unknown = OrderId(ids[1].0 + 1_000);
    let reason = RejectReason::UnknownProduct;
    storage.decide(ids[0], Outcome::Rejected(reason)).await;
    for wrong in [ids[0], unknown] {
        let mut work = storage.begin().await;
        work.lock_pending(&ids).await.unwrap();
        let decisions = [rejected(ids[1], "p"), rejected(wrong, "p")];
        work.save_settled(&decisions).await.unwrap_err();
        drop(work);
        let state = storage.order(ids[0]).await.state;
        assert_eq!(state, OrderState::Rejected(reason));
        assert_eq!(storage.order(ids[1]).await.state, OrderState::Pending);
    }
}
