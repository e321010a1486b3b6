//! Who waits for which order to be settled.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::identifiers::OrderId;
use domain::order::Order;
use tokio::sync::oneshot;

/// The waiters of this process, by order: there may be several for one, who sent the same request.
#[derive(Default)]
pub(super) struct Waits {
    waiting: Mutex<HashMap<OrderId, Vec<Waiter>>>,
    last_number: AtomicU64,
}

struct Waiter {
    number: u64,
    tell: oneshot::Sender<Order>,
}

/// One that waits, until it is dropped.
pub(super) struct Wait {
    waits: Arc<Waits>,
    id: OrderId,
    number: u64,
    told: oneshot::Receiver<Order>,
}

impl Waits {
    fn waiting(&self) -> MutexGuard<'_, HashMap<OrderId, Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait. Whoever looks from now on looks for this order too.
    pub(super) fn add(self: &Arc<Self>, id: OrderId) -> Wait {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        let waiter = Waiter { number, tell };
        self.waiting().entry(id).or_default().push(waiter);
        Wait {
            waits: Arc::clone(self),
            id,
            number,
            told,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// The orders that are waited for.
    pub(super) fn ids(&self) -> Vec<OrderId> {
        self.waiting().keys().copied().collect()
    }

    /// Tells everybody who waits for this order.
    pub(super) fn tell(&self, order: &Order) {
        let waiters = self.waiting().remove(&order.id);
        for waiter in waiters.into_iter().flatten() {
            // One who is gone meanwhile does not need it.
            let _ = waiter.tell.send(order.clone());
        }
    }

    fn remove(&self, id: OrderId, number: u64) {
        if let Entry::Occupied(mut waiters) = self.waiting().entry(id) {
            waiters.get_mut().retain(|waiter| waiter.number != number);
            if waiters.get().is_empty() {
                waiters.remove();
            }
        }
    }
}

impl Wait {
    pub(super) async fn settled(mut self) -> Option<Order> {
        (&mut self.told).await.ok()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.remove(self.id, self.number);
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
    async fn everybody_who_waits_for_an_order_is_told_and_nobody_else() {
        let waits = Arc::new(Waits::default());
        let (one, same, other) = (
            waits.add(OrderId(1)),
            waits.add(OrderId(1)),
            waits.add(OrderId(2)),
        );
        let mut ids = waits.ids();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2].map(OrderId));
        waits.tell(&order(1));
        assert_eq!(one.settled().await, Some(order(1)));
        assert_eq!(same.settled().await, Some(order(1)));
        assert_eq!(waits.ids(), [OrderId(2)]);
        drop(other);
        assert!(waits.is_empty());
    }

    #[tokio::test]
    async fn whoever_stops_waiting_leaves_the_others_alone() {
        let waits = Arc::new(Waits::default());
        let (gone, stays) = (waits.add(OrderId(1)), waits.add(OrderId(1)));
        drop(gone);
        assert_eq!(waits.ids(), [OrderId(1)]);
        waits.tell(&order(1));
        assert_eq!(stays.settled().await, Some(order(1)));
        assert_eq!(waits.ids(), []);
    }
}
