//! Rows of `vendor_runs`. The refused records are a JSON array of objects with the members of [`Refusal`].

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::evidence::Proven;
use domain::identifiers::VendorId;
use domain::ports::{FinishedSync, Run, RunId, StoreError, SyncRecord};
use domain::refusal::{Refusal, Refusals};
use domain::run::{ProductCounts, ReportSize, RunDetails};
use domain::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::vendors::parse_outcome;
use crate::{Bind, Instant, corrupt};

const TABLE: &str = "vendor_runs";

/// Inserts a run. Takes the values of [`run_binds`].
pub const RECORD_RUN: &str = "
INSERT INTO vendor_runs (vendor_id, started_at, finished_at, outcome, evidence, as_of, bytes, rows, added, changed, unchanged,
    zeroed, refused, refused_count, guard, error, file)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

/// Appends a note to the error of a vendor's newest run, if that ended at an instant. Takes the values of [`note_binds`].
pub const ADD_NOTE_TO_RUN: &str = "
UPDATE vendor_runs SET error = coalesce(error || '; ', '') || $1
WHERE id = (SELECT max(id) FROM vendor_runs WHERE vendor_id = $2) AND finished_at = $3";

/// Appends a note to the error of a vendor's last sync, if that ended at an instant. Takes the values of [`note_binds`].
pub const ADD_NOTE_TO_SYNC: &str = "
UPDATE vendor_syncs SET error = coalesce(error || '; ', '') || $1 WHERE vendor_id = $2 AND finished_at = $3";

/// Query for at most a number of a vendor's runs with ids below one, newest first.
pub const RUNS: &str = "
SELECT id, started_at, finished_at, outcome, evidence, as_of, bytes, rows, added, changed, unchanged, zeroed, refused,
    refused_count, guard, error, file
FROM vendor_runs WHERE vendor_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

/// Returns the values of [`RECORD_RUN`] for a sync that ended at `finished_at`.
#[must_use]
pub fn run_binds(vendor_id: &VendorId, record: &SyncRecord, finished_at: Timestamp) -> Vec<Bind> {
    let RunDetails {
        proven,
        size,
        file,
        products,
        refused,
        guard,
    } = &record.details;
    let took = FinishedSync::new(finished_at, record.clone()).took;
    let number = |count: Option<u64>| count.map_or(Bind::BigInt(None), Bind::count);
    vec![
        vendor_id.into(),
        finished_at.minus(took).into(),
        finished_at.into(),
        <&str>::from(record.outcome).into(),
        proven.map(|proven| proven.evidence.as_str()).into(),
        proven.map(|proven| proven.as_of).into(),
        number(size.bytes),
        number(size.rows),
        Bind::count(products.added),
        Bind::count(products.changed),
        Bind::count(products.unchanged),
        Bind::count(products.zeroed),
        refused_text(refused).as_deref().into(),
        Bind::count(refused.count()),
        guard.as_deref().into(),
        record.error.as_deref().into(),
        file.as_deref().into(),
    ]
}

/// Returns the values of [`ADD_NOTE_TO_RUN`] and [`ADD_NOTE_TO_SYNC`].
#[must_use]
pub fn note_binds(vendor_id: &VendorId, finished_at: Timestamp, note: &str) -> Vec<Bind> {
    vec![note.into(), vendor_id.into(), finished_at.into()]
}

fn refused_text(refused: &Refusals) -> Option<String> {
    let rows = refused.kept().iter().map(|refusal| {
        let Refusal {
            place,
            column,
            value,
            rule,
        } = refusal;
        json!({"place": place, "column": column, "value": value, "rule": rule})
    });
    (refused.count() > 0).then(|| Value::Array(rows.collect()).to_string())
}

/// A row of [`RUNS`].
#[derive(QueryableByName)]
pub struct RunRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Instant)]
    started_at: Timestamp,
    #[diesel(sql_type = Instant)]
    finished_at: Timestamp,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Nullable<Text>)]
    evidence: Option<String>,
    #[diesel(sql_type = Nullable<Instant>)]
    as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    rows: Option<i64>,
    #[diesel(sql_type = BigInt)]
    added: i64,
    #[diesel(sql_type = BigInt)]
    changed: i64,
    #[diesel(sql_type = BigInt)]
    unchanged: i64,
    #[diesel(sql_type = BigInt)]
    zeroed: i64,
    #[diesel(sql_type = Nullable<Text>)]
    refused: Option<String>,
    #[diesel(sql_type = BigInt)]
    refused_count: i64,
    #[diesel(sql_type = Nullable<Text>)]
    guard: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    file: Option<String>,
}

/// Returns each run with its id.
pub fn each_run(rows: Vec<RunRow>) -> impl Iterator<Item = (i64, Result<Run, StoreError>)> {
    rows.into_iter().map(|row| (row.id, run(row)))
}

fn run(row: RunRow) -> Result<Run, StoreError> {
    let id = row.id;
    let evidence = row.evidence.map(|text| text.parse());
    let evidence = evidence
        .transpose()
        .map_err(corrupt(TABLE, "evidence", id))?;
    let refused = match row.refused {
        None => Vec::new(),
        Some(text) => parse_refused(&text)
            .ok_or(())
            .map_err(corrupt(TABLE, "refused", id))?,
    };
    Ok(Run {
        id: RunId(id),
        started_at: row.started_at,
        finished_at: row.finished_at,
        outcome: parse_outcome(&row.outcome, row.error.is_some()),
        details: RunDetails {
            proven: row
                .as_of
                .zip(evidence)
                .map(|(as_of, evidence)| Proven { as_of, evidence }),
            size: ReportSize {
                bytes: row.bytes.map(i64::unsigned_abs),
                rows: row.rows.map(i64::unsigned_abs),
            },
            file: row.file,
            products: ProductCounts {
                added: row.added.unsigned_abs(),
                changed: row.changed.unsigned_abs(),
                unchanged: row.unchanged.unsigned_abs(),
                zeroed: row.zeroed.unsigned_abs(),
            },
            refused: Refusals::from_stored(refused, row.refused_count.unsigned_abs()),
            guard: row.guard,
        },
        error: row.error,
    })
}

/// Parses the array of refused records; `None` if it is not one.
fn parse_refused(text: &str) -> Option<Vec<Refusal>> {
    let rows: Vec<Value> = serde_json::from_str(text).ok()?;
    rows.iter()
        .map(|row| {
            let member = |name: &str| row.get(name)?.as_str().map(str::to_owned);
            Some(Refusal {
                place: member("place")?,
                column: member("column")?,
                value: member("value"),
                rule: member("rule")?,
            })
        })
        .collect()
}
