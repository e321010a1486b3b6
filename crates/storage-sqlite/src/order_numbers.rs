//! The numbers of new orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::identifiers::OrderId;

/// Gives rising numbers, each once, also those of orders whose acceptance is undone: nobody may take a new order for one
/// that was heard of before. Cloning shares it.
#[derive(Clone)]
pub(crate) struct OrderNumbers {
    last: Arc<AtomicI64>,
}

impl OrderNumbers {
    /// The numbers after `last`.
    pub(crate) fn after(last: i64) -> Self {
        Self {
            last: Arc::new(AtomicI64::new(last)),
        }
    }

    pub(crate) fn next(&self) -> OrderId {
        OrderId(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
