//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{ProductId, VendorId};
use crate::report::Report;
use crate::timestamp::Timestamp;
use crate::words::words;

words! {
    /// How a sync ended.
    SyncOutcome {
        /// A report was applied.
        Applied = "APPLIED",
        /// The report is older than one that was applied before, and was left alone.
        Stale = "STALE",
        /// There was no report to apply.
        Failed = "FAILED",
    }
}

/// What is kept of a vendor's last sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRecord {
    /// How it ended.
    pub outcome: SyncOutcome,
    /// For which moment the applied report is true; none unless one was applied.
    pub as_of: Option<Timestamp>,
    /// Whether the applied report was a full one.
    pub full: bool,
    /// From asking the vendor to the end.
    pub took: Duration,
    /// Lines in the report.
    pub received: u64,
    /// Products that changed.
    pub changed: u64,
    /// What was wrong, in one line.
    pub error: Option<String>,
}

/// A sync that has ended, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedSync {
    /// How it ended.
    pub outcome: SyncOutcome,
    /// When it ended, by the store's clock.
    pub finished_at: Timestamp,
    /// From asking the vendor to the end, to the millisecond.
    pub took: Duration,
    /// Lines in the report.
    pub received: u64,
    /// Products that changed.
    pub changed: u64,
    /// What was wrong, in one line.
    pub error: Option<String>,
}

impl FinishedSync {
    /// A record that was kept, and when.
    #[must_use]
    pub fn new(finished_at: Timestamp, record: SyncRecord) -> Self {
        Self {
            outcome: record.outcome,
            finished_at,
            // Stores keep no more.
            took: Duration::from_millis(u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX)),
            received: record.received,
            changed: record.changed,
            error: record.error,
        }
    }
}

/// What is known of a vendor's syncs, while its row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorSyncState {
    /// The as-of of the last report that was applied.
    pub last_as_of: Option<Timestamp>,
}

/// Reads and writes what syncs need beyond stock.
#[async_trait]
pub trait SyncRepository {
    /// Locks a configured vendor's sync row; `None` if the vendor is not configured. Two syncs of one vendor MUST NOT
    /// pass it at a time.
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError>;

    /// The products that a report may change, by product id: those it gives another quantity, those that a full report
    /// leaves out and that had one, and those of which it is the first to know a shipment. Products that are new are
    /// created with nothing to sell, so that they can be locked.
    async fn affected_by(
        &mut self,
        vendor_id: &VendorId,
        report: &Report,
        as_of: Timestamp,
    ) -> Result<Vec<ProductId>, StoreError>;

    /// Marks this vendor's shipped units of the given products, of which no report knew yet and of which a report that
    /// is true as of `as_of` knows (see [`knows_of`](crate::reconciliation::knows_of)), as known, and returns how many
    /// that are by product.
    async fn mark_known(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError>;

    /// Keeps the result of a sync as the vendor's last, and returns the store's time of this call as its end.
    async fn record_sync(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
    ) -> Result<Timestamp, StoreError>;
}
