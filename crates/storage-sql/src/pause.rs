//! Rows of `vendor_pauses`.

use diesel::QueryableByName;
use diesel::sql_types::{Integer, Nullable, Text};
use domain::pacing::VendorPause;
use domain::ports::{StoreError, StoredPause};
use domain::timestamp::Timestamp;

use crate::{Instant, units, vendor_id};

/// Replaces the pause of a vendor. Takes the columns in their order.
pub const SAVE_PAUSE: &str = "
INSERT INTO vendor_pauses (vendor_id, not_before, backoff_until, failures) VALUES ($1, $2, $3, $4)
ON CONFLICT (vendor_id) DO UPDATE SET not_before = excluded.not_before, backoff_until = excluded.backoff_until,
    failures = excluded.failures";

/// A row of `vendor_pauses`, with the store's clock.
#[derive(QueryableByName)]
pub struct PauseRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Nullable<Instant>)]
    not_before: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    backoff_until: Option<Timestamp>,
    #[diesel(sql_type = Integer)]
    failures: i32,
    #[diesel(sql_type = Instant)]
    now: Timestamp,
}

/// Parses a vendor's pause.
pub fn stored_pause(row: PauseRow) -> Result<StoredPause, StoreError> {
    Ok(StoredPause {
        pause: VendorPause {
            failures: units(row.failures, "vendor_pauses", "failures", &row.vendor_id)?,
            not_before: row.not_before,
            backoff_until: row.backoff_until,
        },
        vendor_id: vendor_id(row.vendor_id, "vendor_pauses")?,
        now: row.now,
    })
}

/// Parses the pause of one vendor, if it has one.
pub fn vendor_pause(rows: Vec<PauseRow>) -> Result<Option<VendorPause>, StoreError> {
    let row = rows.into_iter().next();
    let stored = row.map(stored_pause).transpose()?;
    Ok(stored.map(|stored| stored.pause))
}
