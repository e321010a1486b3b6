//! The limit on the number of pending orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Limits the number of pending orders. Each order of a batch counts, because it uses memory like a single one.
pub(super) struct CapacityLimiter {
    limit: usize,
    used: AtomicUsize,
}

/// The capacity for some orders, released when it is dropped.
pub(super) struct Permit {
    limiter: Arc<CapacityLimiter>,
    orders: usize,
}

impl CapacityLimiter {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// Whether there is no capacity for one more order.
    pub(super) fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit
    }

    /// Acquires capacity for this number of orders, if it is available. While no order is pending, any number fits.
    pub(super) fn try_acquire(self: &Arc<Self>, orders: usize) -> Option<Permit> {
        let fits = |used: usize| {
            let after = used.saturating_add(orders);
            (used == 0 || after <= self.limit).then_some(after)
        };
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()?;
        Some(Permit {
            limiter: Arc::clone(self),
            orders,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.used.fetch_sub(self.orders, Ordering::Relaxed);
    }
}
