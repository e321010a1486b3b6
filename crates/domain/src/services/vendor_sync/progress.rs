//! The progress of the application of one report, and its end.

use super::report_plan::Plan;
use crate::identifiers::ProductId;
use crate::ports::FinishedSync;
use crate::timestamp::Timestamp;

/// The progress of a sync.
pub(super) struct Progress {
    pub(super) started: Timestamp,
    /// Number of products that changed.
    pub(super) changed: u64,
    /// Whether the report's order is recorded, so that no older report of the vendor is applied from now on.
    pub(super) is_begun: bool,
    /// Whether the report affects any product.
    pub(super) affects_any: bool,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
    /// Deferred products, which other transactions hold.
    pub(super) held: Vec<ProductId>,
    /// Products that were still held in the last attempt.
    pub(super) left: Vec<ProductId>,
}

impl Progress {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            changed: 0,
            is_begun: false,
            affects_any: false,
            is_repaired: false,
            held: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Restarts with the first product; the counts of earlier changes are kept.
    pub(super) fn restart(&mut self) {
        *self = Self {
            changed: self.changed,
            is_repaired: self.is_repaired,
            ..Self::new(self.started)
        };
    }

    /// The reason why the report is not applied to all of its products; `None` if it is.
    pub(super) fn left_reason(&self) -> Option<String> {
        let first = self.left.first()?;
        let products = match self.left.len() - 1 {
            0 => format!("product {first}"),
            others => format!("product {first} and {others} more"),
        };
        Some(format!(
            "other transactions hold the rows of {products}; the report was not applied there"
        ))
    }
}

/// A handled report, whether it was applied or not.
pub(super) struct Handled<'r> {
    pub(super) ended: Ended,
    pub(super) plan: Plan<'r>,
}

/// The end of a sync.
pub(super) struct Ended {
    pub(super) finished: FinishedSync,
    /// Number of outbox entries that become due with the end of the vendor's first sync.
    pub(super) freed: u64,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
}

/// The progress after a chunk.
pub(super) enum Step {
    /// There are more chunks.
    Written,
    /// The sync has ended; `None` if the plan is outdated.
    Ended(Option<Ended>),
}

/// The result of the transaction of a chunk.
pub(super) enum Written {
    Committed {
        /// Whether the report affects any product of the chunk.
        affects_any: bool,
        changed: u64,
        /// Products that other transactions hold; they were not written.
        held: Vec<ProductId>,
        is_repaired: bool,
        /// Set with the last chunk, if no product of any chunk was held.
        end: Option<Ended>,
    },
    /// The plan is outdated; nothing was written.
    Outdated,
    /// A newer report was begun meanwhile; nothing was written.
    Superseded,
}
