//! The ids of new orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::identifiers::OrderId;

/// Assigns ascending ids, each once. An id whose transaction was rolled back is not reused, because a client may have
/// seen it. Clones share the sequence.
#[derive(Clone)]
pub(crate) struct OrderNumbers {
    last: Arc<AtomicI64>,
}

impl OrderNumbers {
    /// Creates a sequence that starts after `last`.
    pub(crate) fn after(last: i64) -> Self {
        Self {
            last: Arc::new(AtomicI64::new(last)),
        }
    }

    pub(crate) fn next(&self) -> OrderId {
        OrderId(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
