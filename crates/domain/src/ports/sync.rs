//! Vendors' reports: what they are compared with, and how they are applied inside a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::comparison::ReportedStock;
use crate::evidence::ReportOrder;
use crate::identifiers::{ProductId, VendorId};
use crate::report_history::ReportHistory;
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
        /// The report is empty and the one before was not: it waits for a second one, or for an operator.
        Quarantined = "QUARANTINED",
        /// The vendor stated that nothing changed since the last report. Written by later versions.
        NotModified = "NOT_MODIFIED",
        /// The vendor has not finished its report. Written by later versions.
        NotReady = "NOT_READY",
    }
}

/// What is kept of a vendor's last sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRecord {
    /// How it ended.
    pub outcome: SyncOutcome,
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

/// A vendor's reports so far, read without a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorSyncState {
    /// The store's clock, now.
    pub now: Timestamp,
    /// What is kept of its reports.
    pub history: ReportHistory,
    /// When it was last switched on.
    pub configured_at: Option<Timestamp>,
    /// Whether its reports left it units of any product.
    pub has_stock: bool,
    /// Whether units of it are marked as shipped later than `now`.
    pub has_future_shipments: bool,
}

/// A vendor's reports so far, while its row is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedVendor {
    /// What is kept of its reports.
    pub history: ReportHistory,
    /// When it was last switched on.
    pub configured_at: Option<Timestamp>,
}

/// Reads what a report is compared with, outside a transaction.
///
/// Nothing here is a decision: a unit of work that applies a report locks the vendor, checks that its history is still
/// what was read, and decides from locked rows.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait SyncQueries: Send + Sync {
    /// A configured vendor's reports so far; `None` if the vendor is not configured.
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError>;

    /// At most `limit` of the vendor's stock rows with product ids after `after`, in byte order; fewer only if there are no
    /// more. MUST take time by `limit`, and MUST NOT hold anything between calls: a vendor can have a million products. A
    /// row that cannot be read MUST be left out and counted.
    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError>;
}

/// Reads and writes what syncs need beyond stock.
#[async_trait]
pub trait SyncRepository {
    /// Locks a configured vendor's sync row; `None` if the vendor is not configured. Two syncs of one vendor MUST NOT
    /// pass it at a time.
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError>;

    /// The vendor's stock rows of the given products, as far as there are any. No sync of the vendor changes them while its
    /// sync row is locked.
    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError>;

    /// Creates those of the products that are unknown, with nothing to sell, so that they can be locked.
    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError>;

    /// Marks those shipments of this vendor and the given products as included in a report that no report included before
    /// and that a report true as of `as_of` includes (see [`includes_shipment`](crate::reconciliation::includes_shipment)), and returns the
    /// number of their units by product. MUST leave out a shipment whose row another transaction holds: its units stay in
    /// flight until a later report.
    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError>;

    /// Records for this vendor's positions in the given products that they are of the report with this order.
    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError>;

    /// Sets shipments of this vendor that no report includes, and that are later than the store's clock, to the store's
    /// clock, and returns their number.
    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError>;

    /// At most `limit` products after `after`, by product id, of which the vendor has a position that is marked as expired, or
    /// is not, as `is_expired` says. The first page of marked positions MUST be cheap if there are none.
    async fn find_by_expiry(
        &mut self,
        vendor_id: &VendorId,
        is_expired: bool,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError>;

    /// Keeps what is known of a vendor's reports, without a result of a sync.
    async fn save_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError>;

    /// Keeps the result of a sync as the vendor's last, and the history if there is a new one. Returns the store's time of
    /// this call as the sync's end.
    async fn record_sync<'r>(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError>;
}
