//! Requests that wait for the settlement of an order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::identifiers::OrderId;
use domain::order::Order;
use tokio::sync::oneshot;

/// The waiters of this process, by order. Repeated requests may wait for the same order.
#[derive(Default)]
pub(super) struct SettlementWaiters {
    by_order: Mutex<HashMap<OrderId, Vec<Waiter>>>,
    last_number: AtomicU64,
}

struct Waiter {
    number: u64,
    sender: oneshot::Sender<Order>,
}

/// A registered waiter, removed when it is dropped.
pub(super) struct SettlementWait {
    waiters: Arc<SettlementWaiters>,
    id: OrderId,
    number: u64,
    receiver: oneshot::Receiver<Order>,
}

impl SettlementWaiters {
    fn by_order(&self) -> MutexGuard<'_, HashMap<OrderId, Vec<Waiter>>> {
        self.by_order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a waiter. All later polls include the order.
    pub(super) fn add(self: &Arc<Self>, id: OrderId) -> SettlementWait {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter { number, sender };
        self.by_order().entry(id).or_default().push(waiter);
        SettlementWait {
            waiters: Arc::clone(self),
            id,
            number,
            receiver,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_order().is_empty()
    }

    /// The ids of all orders that have waiters.
    pub(super) fn ids(&self) -> Vec<OrderId> {
        self.by_order().keys().copied().collect()
    }

    /// Notifies all waiters of a settled order.
    pub(super) fn notify(&self, order: &Order) {
        let waiters = self.by_order().remove(&order.id);
        for waiter in waiters.into_iter().flatten() {
            // The receiver may have been dropped in the meantime.
            let _ = waiter.sender.send(order.clone());
        }
    }

    fn remove(&self, id: OrderId, number: u64) {
        if let Entry::Occupied(mut waiters) = self.by_order().entry(id) {
            waiters.get_mut().retain(|waiter| waiter.number != number);
            if waiters.get().is_empty() {
                waiters.remove();
            }
        }
    }
}

impl SettlementWait {
    pub(super) async fn settled(mut self) -> Option<Order> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for SettlementWait {
    fn drop(&mut self) {
        self.waiters.remove(self.id, self.number);
    }
}

#[cfg(test)]
mod tests {
    use domain::identifiers::ProductId;
    use domain::order::OrderState;
    use domain::quantity::Quantity;
    use domain::timestamp::Timestamp;

    use super::*;

    fn order(id: i64) -> Order {
        Order {
            id: OrderId(id),
            product_id: ProductId::parse("p").unwrap(),
            quantity: Quantity::parse(1).unwrap(),
            state: OrderState::Cancelled,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[tokio::test]
    async fn only_the_waiters_of_a_settled_order_are_notified() {
        let waiters = Arc::new(SettlementWaiters::default());
        let (one, same, other) = (
            waiters.add(OrderId(1)),
            waiters.add(OrderId(1)),
            waiters.add(OrderId(2)),
        );
        let mut ids = waiters.ids();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2].map(OrderId));
        waiters.notify(&order(1));
        assert_eq!(one.settled().await, Some(order(1)));
        assert_eq!(same.settled().await, Some(order(1)));
        assert_eq!(waiters.ids(), [OrderId(2)]);
        drop(other);
        assert!(waiters.is_empty());
    }

    #[tokio::test]
    async fn dropped_waiter_does_not_affect_others() {
        let waiters = Arc::new(SettlementWaiters::default());
        let (dropped, kept) = (waiters.add(OrderId(1)), waiters.add(OrderId(1)));
        drop(dropped);
        assert_eq!(waiters.ids(), [OrderId(1)]);
        waiters.notify(&order(1));
        assert_eq!(kept.settled().await, Some(order(1)));
        assert_eq!(waiters.ids(), []);
    }
}
