//! Rows of `vendor_pauses`, and the columns of `vendor_syncs` with an operator's pause.

use diesel::QueryableByName;
use diesel::sql_types::{Integer, Nullable, Text};
use domain::pacing::VendorPause;
use domain::ports::{OperatorPause, StoreError, StoredPause};
use domain::timestamp::Timestamp;

use crate::{Instant, units, vendor_id};

/// Replaces the pause of a vendor. Takes the columns in their order.
pub const SAVE_PAUSE: &str = "
INSERT INTO vendor_pauses (vendor_id, not_before, backoff_until, failures) VALUES ($1, $2, $3, $4)
ON CONFLICT (vendor_id) DO UPDATE SET not_before = excluded.not_before, backoff_until = excluded.backoff_until,
    failures = excluded.failures";

/// Reads the pause of an operator.
pub const FIND_OPERATOR_PAUSE: &str = "
SELECT paused_at AS since, pause_reason AS reason FROM vendor_syncs WHERE vendor_id = $1 AND paused_at IS NOT NULL";

/// Ends the pause of an operator.
pub const END_OPERATOR_PAUSE: &str =
    "UPDATE vendor_syncs SET paused_at = NULL, pause_reason = NULL WHERE vendor_id = $1";

/// An operator's pause.
#[derive(QueryableByName)]
pub struct OperatorPauseRow {
    #[diesel(sql_type = Instant)]
    since: Timestamp,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
}

/// Returns the pause of an operator, if there is one.
#[must_use]
pub fn operator_pause(rows: Vec<OperatorPauseRow>) -> Option<OperatorPause> {
    let row = rows.into_iter().next();
    row.map(|row| OperatorPause {
        since: row.since,
        reason: row.reason,
    })
}

/// The pauses of a vendor: a row of `vendor_pauses`, with 0 failures if there is none, and the columns of `vendor_syncs`.
#[derive(QueryableByName)]
pub struct StoredPauseRow {
    #[diesel(embed)]
    pause: PauseRow,
    #[diesel(sql_type = Nullable<Instant>)]
    paused_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Text>)]
    pause_reason: Option<String>,
}

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

/// Parses a vendor's pauses.
pub fn stored_pause(row: StoredPauseRow) -> Result<StoredPause, StoreError> {
    let StoredPauseRow {
        pause,
        paused_at,
        pause_reason,
    } = row;
    Ok(StoredPause {
        pause: parse(&pause)?,
        operator: paused_at.map(|since| OperatorPause {
            since,
            reason: pause_reason,
        }),
        vendor_id: vendor_id(pause.vendor_id, "vendor_pauses")?,
        now: pause.now,
    })
}

fn parse(row: &PauseRow) -> Result<VendorPause, StoreError> {
    Ok(VendorPause {
        failures: units(row.failures, "vendor_pauses", "failures", &row.vendor_id)?,
        not_before: row.not_before,
        backoff_until: row.backoff_until,
    })
}

/// Parses the pause of one vendor, if it has one.
pub fn vendor_pause(rows: Vec<PauseRow>) -> Result<Option<VendorPause>, StoreError> {
    let row = rows.into_iter().next();
    row.as_ref().map(parse).transpose()
}
