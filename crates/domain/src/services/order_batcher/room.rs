//! How many orders may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts orders that wait, each of a batch by itself: they take their memory whether they came together or not.
pub(super) struct Room {
    most: usize,
    taken: AtomicUsize,
}

/// Room for some orders, given back when it is dropped.
pub(super) struct Place {
    room: Arc<Room>,
    orders: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: AtomicUsize::new(0),
        }
    }

    /// Whether not even one more order may wait.
    pub(super) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most
    }

    /// Takes room for so many orders together, if there is any. Where nobody waits, there is room for any number.
    pub(super) fn take(self: &Arc<Self>, orders: usize) -> Option<Place> {
        let fits = |taken: usize| {
            let after = taken.saturating_add(orders);
            (taken == 0 || after <= self.most).then_some(after)
        };
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()?;
        Some(Place {
            room: Arc::clone(self),
            orders,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.orders, Ordering::Relaxed);
    }
}
