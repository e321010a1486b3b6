//! Rows of `vendor_syncs`.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use domain::ports::{
    FinishedSync, StoreError, SyncOutcome, SyncRecord, TransferRecord, VendorRecord, VendorStatus,
};
use domain::run::RunDetails;
use domain::timestamp::Timestamp;

use crate::{Instant, StoredProof, StoredQuarantine, vendor_id};

/// Query for vendors after an id, at most a number of them.
pub const VENDORS: &str = "
SELECT vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms, received, changed, error
FROM vendor_syncs WHERE vendor_id > $1 ORDER BY vendor_id LIMIT $2";

/// A row of [`VENDORS`].
#[derive(QueryableByName)]
pub struct VendorRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Bool)]
    configured: bool,
    #[diesel(sql_type = Nullable<Instant>)]
    applied_as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    full_as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Instant>)]
    finished_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<BigInt>)]
    duration_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    received: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    changed: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

/// A vendor with its proof, its report in quarantine, its number of products and the store's clock.
#[derive(QueryableByName)]
pub struct StatusRow {
    #[diesel(embed)]
    vendor: VendorRow,
    #[diesel(embed)]
    proof: StoredProof,
    #[diesel(sql_type = Nullable<BigInt>)]
    clock_skew_ms: Option<i64>,
    #[diesel(embed)]
    quarantine: StoredQuarantine,
    #[diesel(sql_type = BigInt)]
    products: i64,
    #[diesel(sql_type = Bool)]
    is_expired: bool,
    #[diesel(sql_type = Instant)]
    now: Timestamp,
}

fn count(number: Option<i64>) -> u64 {
    number.map_or(0, i64::unsigned_abs)
}

/// Parses vendors with their last sync.
pub fn vendor_records(rows: Vec<VendorRow>) -> Result<Vec<TransferRecord>, StoreError> {
    let records = rows.into_iter().map(vendor);
    records.map(|it| it.map(TransferRecord::Vendor)).collect()
}

/// Parses a vendor with its last sync and its number of products, for readers.
pub fn vendor_status(row: StatusRow) -> Result<VendorStatus, StoreError> {
    let proof = crate::history::proof(&row.vendor.vendor_id, row.proof)?;
    let quarantined = row.quarantine.parse(&row.vendor.vendor_id)?;
    let record = vendor(row.vendor)?;
    Ok(VendorStatus {
        vendor_id: record.vendor_id,
        products: row.products.unsigned_abs(),
        last_sync: record
            .last_sync
            .map(|(finished_at, sync)| FinishedSync::new(finished_at, sync)),
        age: proof
            .and_then(Result::ok)
            .map(|proven| row.now.since(proven.as_of)),
        proof,
        clock_skew_ms: row.clock_skew_ms,
        is_expired: row.is_expired,
        quarantined,
    })
}

/// Parses an outcome. A newer version of this program may have stored one that this version does not know.
pub(crate) fn parse_outcome(text: &str, has_error: bool) -> SyncOutcome {
    text.parse().unwrap_or(if has_error {
        SyncOutcome::Failed
    } else {
        SyncOutcome::Applied
    })
}

fn vendor(row: VendorRow) -> Result<VendorRecord, StoreError> {
    let has_error = row.error.is_some();
    let outcome = row.outcome.map(|text| parse_outcome(&text, has_error));
    let last_sync = row.finished_at.zip(outcome).map(|(finished_at, outcome)| {
        let sync = SyncRecord {
            outcome,
            took: Duration::from_millis(count(row.duration_ms)),
            received: count(row.received),
            changed: count(row.changed),
            error: row.error,
            details: RunDetails::default(),
        };
        (finished_at, sync)
    });
    Ok(VendorRecord {
        vendor_id: vendor_id(row.vendor_id, "vendor_syncs")?,
        configured: row.configured,
        applied_as_of: row.applied_as_of,
        full_as_of: row.full_as_of,
        last_sync,
    })
}
