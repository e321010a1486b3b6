//! How far the application of one report is, and how it ends.

use super::report_plan::Plan;
use crate::identifiers::ProductId;
use crate::ports::FinishedSync;
use crate::timestamp::Timestamp;

/// How far a sync is.
pub(super) struct Progress {
    pub(super) started: Timestamp,
    /// Products that changed.
    pub(super) changed: u64,
    /// Whether the report's order is recorded, so that no older report of the vendor is applied any more.
    pub(super) is_begun: bool,
    /// Whether the report was news of any product.
    pub(super) is_news: bool,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
    /// Products that other transactions hold, to be tried once more.
    pub(super) held: Vec<ProductId>,
    /// Products that were still held then.
    pub(super) left: Vec<ProductId>,
}

impl Progress {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            changed: 0,
            is_begun: false,
            is_news: false,
            is_repaired: false,
            held: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Begins with the first product again; what was changed before stays.
    pub(super) fn restart(&mut self) {
        *self = Self {
            changed: self.changed,
            is_repaired: self.is_repaired,
            ..Self::new(self.started)
        };
    }

    /// Why the report is not applied to all of its products, if it is not.
    pub(super) fn left_reason(&self) -> Option<String> {
        let first = self.left.first()?;
        let count = self.left.len();
        Some(format!(
            "another transaction holds the rows of product {first}, and of {} more; they stay as they were",
            count - 1
        ))
    }
}

/// A report that was handled, whether it was applied or not.
pub(super) struct Handled<'r> {
    pub(super) ended: Ended,
    pub(super) plan: Plan<'r>,
}

/// The end of a sync.
pub(super) struct Ended {
    pub(super) finished: FinishedSync,
    /// Orders that waited for the vendor's first sync and are free now.
    pub(super) freed: u64,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
}

/// After a chunk.
pub(super) enum Step {
    /// There is more to write.
    Written,
    /// The sync has ended; `None` if what the report was compared with has changed.
    Ended(Option<Ended>),
}

/// What became of a chunk.
pub(super) enum Written {
    Committed {
        /// Whether any product of it was news.
        is_news: bool,
        changed: u64,
        /// Products that other transactions hold: nothing of them was written.
        held: Vec<ProductId>,
        is_repaired: bool,
        /// With the last chunk, if no product of any chunk was held.
        end: Option<Ended>,
    },
    /// What the report was compared with has changed: nothing was written.
    Outdated,
    /// A newer report was begun meanwhile: nothing was written.
    Superseded,
}
