//! Ports of syncs: the state that a report is compared with, and its application inside a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use strum::{Display, EnumString, IntoStaticStr};

use super::StoreError;
use crate::comparison::ReportedStock;
use crate::evidence::ReportOrder;
use crate::identifiers::{ProductId, VendorId};
use crate::report_history::ReportHistory;
use crate::run::RunDetails;
use crate::timestamp::Timestamp;

/// The outcome of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SyncOutcome {
    /// A report was applied.
    Applied,
    /// The report is older than one that was applied before, and was not applied.
    Stale,
    /// No report was received, or it could not be applied.
    Failed,
    /// The report takes away more than the vendor's guard allows, or is empty and the previous one was not: it stays in
    /// quarantine until a later report agrees with it or an operator decides.
    Quarantined,
    /// The vendor stated that its report is still the one that was applied last: nothing changed.
    NotModified,
    /// The vendor has not finished its report: nothing changed, and this is no failure. The vendor does not count as tried.
    NotReady,
}

impl SyncOutcome {
    /// The outcome as the API and the commands show it. Stores write it differently: `APPLIED` for `OK`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Applied => "OK",
            other => other.into(),
        }
    }
}

/// The result of a sync, to be stored as the vendor's last and as a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRecord {
    /// The outcome.
    pub outcome: SyncOutcome,
    /// The time from the request to the end.
    pub took: Duration,
    /// Number of lines in the report.
    pub received: u64,
    /// Number of products that changed.
    pub changed: u64,
    /// The error, on one line.
    pub error: Option<String>,
    /// The report that the run read, and its changes. Empty if the record was read from the vendor's row, which has only the result.
    pub details: RunDetails,
}

/// The result of a sync that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedSync {
    /// The outcome.
    pub outcome: SyncOutcome,
    /// When the sync ended, by the store's clock.
    pub finished_at: Timestamp,
    /// The time from the request to the end, in whole milliseconds.
    pub took: Duration,
    /// Number of lines in the report.
    pub received: u64,
    /// Number of products that changed.
    pub changed: u64,
    /// The error, on one line.
    pub error: Option<String>,
}

impl FinishedSync {
    /// A record that was stored at `finished_at`.
    #[must_use]
    pub fn new(finished_at: Timestamp, record: SyncRecord) -> Self {
        Self {
            outcome: record.outcome,
            finished_at,
            // Stores have a resolution of one millisecond.
            took: Duration::from_millis(u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX)),
            received: record.received,
            changed: record.changed,
            error: record.error,
        }
    }
}

/// The state of a vendor's reports, read without a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct VendorSyncState {
    /// The store's clock at the time of the read.
    pub now: Timestamp,
    /// The history of the vendor's reports.
    pub history: ReportHistory,
    /// When the vendor was last switched on.
    pub configured_at: Option<Timestamp>,
    /// Whether its reports left the vendor with units of any product.
    pub has_stock: bool,
    /// Whether any of its shipments is later than `now`.
    pub has_future_shipments: bool,
    /// Whether the last applied report proves to include any of its shipments that is not marked as included. The row of
    /// such a shipment was held when the report was applied.
    pub has_unmarked_shipments: bool,
    /// Whether lines of any report of the vendor are kept for its quarantine.
    pub has_quarantined_lines: bool,
}

/// The stock of a vendor in total, as its reports left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedTotals {
    /// Number of reported units.
    pub units: u64,
    /// Number of products with reported units.
    pub products: u64,
}

/// The state of a vendor's reports, read while its sync row is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedVendor {
    /// The history of the vendor's reports.
    pub history: ReportHistory,
    /// When the vendor was last switched on.
    pub configured_at: Option<Timestamp>,
}

/// Reads the state that a report is compared with, outside of a transaction.
///
/// No decision is based on these reads alone: the unit of work that applies a report locks the vendor, checks that its
/// history is unchanged, and decides from locked rows.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait SyncQueries: Send + Sync {
    /// Returns the state of a configured vendor's reports; MUST return `None` if the vendor is not configured.
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError>;

    /// Returns at most `limit` of the vendor's stock rows with product ids after `after`, in byte order. MUST return fewer
    /// only if there are no more. MUST take time proportional to `limit`, and MUST NOT hold a resource between calls: a
    /// vendor can have a million products. MUST leave out and count a row that cannot be read.
    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError>;

    /// Returns the sums of the vendor's stock rows; 0 for an unknown vendor. This reads all rows of the vendor.
    async fn sum_reported_stock(&self, vendor_id: &VendorId) -> Result<ReportedTotals, StoreError>;

    /// Returns at most `limit` lines, with product ids after `after`, in byte order, of the vendor's report that was requested
    /// at `requested_at` and is or was in quarantine. MUST return fewer only if there are no more, and MUST fail if a line
    /// cannot be read: a report is applied as a whole.
    async fn list_quarantined_lines(
        &self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<(ProductId, u32)>, StoreError>;
}

/// Reads and writes what syncs need beyond stock.
#[async_trait]
pub trait SyncRepository {
    /// Locks a configured vendor's sync row; `None` if the vendor is not configured. At most one transaction at a time MUST
    /// hold the lock.
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError>;

    /// Returns the vendor's stock rows of those products that have one. MUST see the committed rows of earlier syncs: no
    /// other sync of the vendor changes them while its sync row is locked.
    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError>;

    /// Creates those of the products that are unknown, with quantity 0, so that they can be locked. MUST NOT change existing
    /// products.
    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError>;

    /// Marks the shipments of this vendor and these products that no report included before and that a report with the
    /// effective as-of `as_of` includes (see [`includes_shipment`](crate::reconciliation::includes_shipment)), and returns
    /// the number of their units by product. MUST leave out a shipment whose row another transaction holds: its units stay
    /// in flight until a later report.
    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError>;

    /// Sets the report order of this vendor's stock rows of the products to `order`. MUST NOT change their quantities.
    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError>;

    /// Sets the shipping time of this vendor's shipments that no report includes and that are later than the store's clock
    /// to the store's clock. MUST return their number.
    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError>;

    /// Returns at most `limit` products after `after`, by product id, whose stock row of the vendor is marked as expired, or
    /// is not, as `is_expired` says. The first page of marked rows MUST be cheap if there are none.
    async fn find_by_expiry(
        &mut self,
        vendor_id: &VendorId,
        is_expired: bool,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError>;

    /// Stores the history of a vendor's reports. MUST NOT change the result of its last sync.
    async fn save_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError>;

    /// Stores the result of a sync as the vendor's last and as a new [`Run`](super::Run), and the history if it is given. MUST
    /// return the store's time of this call as the end of the sync. The run began earlier by the duration of the sync.
    async fn record_sync<'r>(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError>;
}
