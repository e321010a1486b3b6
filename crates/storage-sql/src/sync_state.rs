//! The state of a vendor that its reports are compared with.

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Nullable};
use domain::identifiers::VendorId;
use domain::ports::{LockedVendor, StoreError, VendorSyncState};
use domain::timestamp::Timestamp;

use crate::history::report_history;
use crate::{Instant, StoredHistory};

/// The columns of [`history_columns!`](crate::history_columns).
#[derive(QueryableByName)]
pub struct HistoryRow {
    #[diesel(embed)]
    history: StoredHistory,
    #[diesel(sql_type = Nullable<Instant>)]
    configured_at: Option<Timestamp>,
}

/// Parses the history of a locked vendor; `None` without a row.
pub fn locked_vendor(
    vendor_id: &VendorId,
    rows: Vec<HistoryRow>,
) -> Result<Option<LockedVendor>, StoreError> {
    let row = rows.into_iter().next();
    row.map(|row| {
        Ok(LockedVendor {
            configured_at: row.configured_at,
            history: report_history(vendor_id.as_str(), row.history)?,
        })
    })
    .transpose()
}

/// The history of a vendor's reports, whether it has stock and shipments in the future, and the store's clock.
#[derive(QueryableByName)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
pub struct SyncStateRow {
    #[diesel(embed)]
    history: HistoryRow,
    #[diesel(sql_type = Bool)]
    has_stock: bool,
    #[diesel(sql_type = Bool)]
    has_future_shipments: bool,
    #[diesel(sql_type = Bool)]
    has_unmarked_shipments: bool,
    #[diesel(sql_type = Bool)]
    has_quarantined_lines: bool,
    #[diesel(sql_type = Instant)]
    now: Timestamp,
}

/// Parses the state that a vendor's report is compared with; `None` without a row.
pub fn sync_state(
    vendor_id: &VendorId,
    rows: Vec<SyncStateRow>,
) -> Result<Option<VendorSyncState>, StoreError> {
    let row = rows.into_iter().next();
    row.map(|row| {
        Ok(VendorSyncState {
            now: row.now,
            history: report_history(vendor_id.as_str(), row.history.history)?,
            configured_at: row.history.configured_at,
            has_stock: row.has_stock,
            has_future_shipments: row.has_future_shipments,
            has_unmarked_shipments: row.has_unmarked_shipments,
            has_quarantined_lines: row.has_quarantined_lines,
        })
    })
    .transpose()
}
