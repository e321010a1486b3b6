//! Order states are written and read with their allocations and reasons.

use domain::identifiers::OrderId;
use domain::order::{Allocation, Order, OrderState, RejectReason};
use domain::ports::OrderFilter;
use domain::settlement::Outcome;

use super::StorageUnderTest;
use crate::builders::{allocation, new_order};

/// Reads an order in all ways, which must agree.
async fn read(storage: &StorageUnderTest, id: OrderId) -> Order {
    let found = storage.order(id).await;
    let above = OrderId(id.0 + 1);
    let listed = storage
        .orders
        .list_orders(&OrderFilter::default(), Some(above), 1)
        .await
        .unwrap();
    assert_eq!(listed.first(), Some(&found));
    let mut work = storage.begin().await;
    let locked = work.lock_order(id).await.unwrap();
    assert_eq!(locked, Some(found.clone()));
    found
}

fn units() -> Vec<Allocation> {
    vec![allocation("v", 2), allocation("w", 1)]
}

fn shipped() -> Vec<Allocation> {
    units().into_iter().map(Allocation::into_shipped).collect()
}

async fn confirmed(storage: &StorageUnderTest) -> Order {
    storage.stock_up("p", &[("v", 5), ("w", 5)]).await;
    let order = storage.place(new_order("p", 3)).await;
    let mut units = units();
    units.reverse();
    storage.decide(order.id, Outcome::Confirmed(units)).await;
    order
}

/// A confirmed order keeps its allocations, by vendor, until its delivery.
pub async fn an_order_keeps_its_allocations_until_delivery(storage: &StorageUnderTest) {
    let placed = confirmed(storage).await;
    let other = storage.place(new_order("p", 1)).await;
    let decided = Outcome::Confirmed(vec![allocation("w", 1)]);
    storage.decide(other.id, decided).await;

    let mut last = read(storage, placed.id).await;
    assert_eq!(last.state, OrderState::Confirmed(units()));
    assert!(last.updated_at > placed.updated_at);
    for state in [
        OrderState::Shipped(shipped()),
        OrderState::Delivered(shipped()),
    ] {
        let written = storage.write_state(placed.id, &state).await;
        assert_eq!(written.state, state);
        assert_eq!(read(storage, placed.id).await, written);
        assert!(written.updated_at > last.updated_at);
        assert_eq!(written.created_at, placed.created_at);
        last = written;
    }
    let other = read(storage, other.id).await;
    assert_eq!(other.state, OrderState::Confirmed(vec![allocation("w", 1)]));
}

/// A rejected order keeps its reason, whether settlement or an operator rejected it.
pub async fn rejected_orders_keep_their_reasons(storage: &StorageUnderTest) {
    for &reason in RejectReason::ALL {
        let id = storage.place(new_order("p", 1)).await.id;
        storage.decide(id, Outcome::Rejected(reason)).await;
        assert_eq!(read(storage, id).await.state, OrderState::Rejected(reason));

        let id = storage.place(new_order("p", 1)).await.id;
        let state = OrderState::Rejected(reason);
        let written = storage.write_state(id, &state).await;
        assert_eq!(written.state, state);
        assert_eq!(read(storage, id).await, written);
    }
}

/// A cancelled order has no allocations, whether or not it had any before.
pub async fn cancelling_removes_allocations(storage: &StorageUnderTest) {
    let with = confirmed(storage).await.id;
    let without = storage.place(new_order("p", 1)).await.id;
    for id in [with, without] {
        let written = storage.write_state(id, &OrderState::Cancelled).await;
        assert_eq!(written.state, OrderState::Cancelled);
        assert_eq!(read(storage, id).await, written);
    }
    // Nothing is in flight, so the audit would find the units of a cancelled order.
    storage.assert_sound().await;
}

/// Saving a state of an order that does not exist is an error.
pub async fn save_state_refuses_an_unknown_order(storage: &StorageUnderTest) {
    let unknown = OrderId(storage.place(new_order("p", 1)).await.id.0 + 1_000);
    let mut work = storage.begin().await;
    work.save_state(unknown, &OrderState::Cancelled)
        .await
        .unwrap_err();
}
