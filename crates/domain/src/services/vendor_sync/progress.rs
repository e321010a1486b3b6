//! The progress of a sync, and its end.

use std::time::Duration;

use super::counts::Counted;
use super::plan::Plan;
use crate::identifiers::ProductId;
use crate::ports::{FinishedSync, ReadFile, SyncOutcome, SyncRecord};
use crate::run::{ProductCounts, RunDetails};
use crate::timestamp::Timestamp;

/// The progress of a sync.
pub(super) struct Progress {
    pub(super) started: Timestamp,
    /// Number of products that changed.
    pub(super) changed: u64,
    /// The products of the written chunks.
    pub(super) counted: Counted,
    /// The report that the run has read. Its products are counted in `counted`.
    pub(super) details: RunDetails,
    /// Whether stored instants were later than the store's clock.
    pub(super) is_repaired: bool,
    pub(super) stage: Stage,
    /// Deferred products, which other transactions hold.
    pub(super) held: Vec<ProductId>,
    /// Products that were still held in the last attempt.
    pub(super) left: Vec<ProductId>,
    /// The file that the report was read from.
    pub(super) read_file: Option<ReadFile>,
    /// The modification time of the file that was found, and the time of the request.
    pub(super) file_seen: Option<(Timestamp, Timestamp)>,
    /// The time by which the modification time of the file is wrong.
    pub(super) file_ahead: Duration,
}

/// Whether the report's order is recorded in the history. That of a delta is recorded with the first product that the delta
/// affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not: the vendor's reports must still be those that the plan was made from.
    Planned,
    /// It is: no older report of the vendor is applied from now on, and a newer one ends this sync.
    Begun,
}

impl Progress {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            changed: 0,
            counted: Counted::default(),
            details: RunDetails::default(),
            is_repaired: false,
            stage: Stage::Planned,
            held: Vec::new(),
            left: Vec::new(),
            read_file: None,
            file_seen: None,
            file_ahead: Duration::ZERO,
        }
    }

    /// Restarts with the first product; the counts of earlier changes are kept.
    pub(super) fn restart(&mut self) {
        *self = Self {
            changed: self.changed,
            counted: self.counted,
            details: std::mem::take(&mut self.details),
            is_repaired: self.is_repaired,
            read_file: self.read_file.take(),
            file_seen: self.file_seen,
            file_ahead: self.file_ahead,
            ..Self::new(self.started)
        };
    }

    /// The result of a sync that ends at `now`.
    pub(super) fn record(
        &self,
        now: Timestamp,
        outcome: SyncOutcome,
        received: u64,
        error: Option<String>,
    ) -> SyncRecord {
        SyncRecord {
            outcome,
            took: now.since(self.started),
            received,
            changed: self.changed,
            error,
            details: RunDetails {
                products: self.counted.products,
                ..self.details.clone()
            },
        }
    }

    /// The products of a run whose last chunk is `last`.
    pub(super) fn products_after(
        &self,
        plan: &Plan<'_>,
        last: Counted,
        outcome: SyncOutcome,
    ) -> ProductCounts {
        let mut counted = self.counted;
        counted.add(last);
        match outcome {
            SyncOutcome::Applied => counted.of_applied(plan, &self.left),
            _ => counted.products,
        }
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

/// The end of the sync of a report, whether it was applied or not.
pub(super) struct Ended {
    pub(super) finished: FinishedSync,
    /// Number of outbox entries that become due with the end of the vendor's first sync.
    pub(super) freed: u64,
}
