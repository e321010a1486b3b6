//! Rows of `vendor_pauses`.

use crate::{units, vendor_id};
use domain::pacing::VendorPause;
use domain::ports::{StoreError, StoredPause};
use domain::timestamp::Timestamp;

/// A row of `vendor_pauses`.
#[derive(Debug, Clone)]
pub struct StoredPauseRow {
    /// Column `vendor_id`.
    pub vendor_id: String,
    /// Column `not_before`.
    pub not_before: Option<Timestamp>,
    /// Column `backoff_until`.
    pub backoff_until: Option<Timestamp>,
    /// Column `failures`.
    pub failures: i32,
}

/// Converts a row that was read at `now`.
pub fn vendor_pause(row: StoredPauseRow, now: Timestamp) -> Result<StoredPause, StoreError> {
    Ok(StoredPause {
        pause: VendorPause {
            failures: units(row.failures, "vendor_pauses", "failures", &row.vendor_id)?,
            not_before: row.not_before,
            backoff_until: row.backoff_until,
        },
        vendor_id: vendor_id(row.vendor_id, "vendor_pauses")?,
        now,
    })
}
