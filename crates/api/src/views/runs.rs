//! Views of runs.

use domain::ports::Run;
use domain::refusal::Refusal;
use domain::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::vendors::SyncStatus;
use crate::openapi::schemas;

/// A run of a vendor: a sync that has ended, or an operator's decision on a quarantined report. `added`, `changed`,
/// `unchanged` and `zeroed` are numbers of products by the change of their reported quantity; each product is counted once,
/// and a product that a full report leaves out only if it had units.
#[derive(Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunView<'a> {
    #[schema(schema_with = schemas::run_id)]
    id: i64,
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "super::text")]
    started_at: Timestamp,
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "super::text")]
    finished_at: Timestamp,
    status: SyncStatus,
    /// Name of the file or object in its directory. Null for a source without files.
    #[schema(required)]
    file: Option<&'a str>,
    #[schema(schema_with = schemas::run_evidence, required)]
    evidence: Option<&'static str>,
    #[schema(schema_with = schemas::run_as_of, required)]
    #[serde(serialize_with = "super::text_or_null")]
    as_of: Option<Timestamp>,
    /// Number of bytes that were transferred, before decompression. Null if no report was received completely.
    #[schema(required)]
    bytes: Option<u64>,
    /// Number of records in the document. Null if the document could not be read to its end.
    #[schema(required)]
    rows: Option<u64>,
    /// Products that the vendor did not have before.
    added: u64,
    /// Products with another quantity, except those that are counted in `zeroed`.
    changed: u64,
    /// Products of the report with the same quantity as before.
    unchanged: u64,
    /// Products that had units before and have none now.
    zeroed: u64,
    /// The first records that the vendor's rules do not cover, at most 20. A report with such a record is not applied.
    #[schema(max_items = 20)]
    refused: Vec<RefusedView<'a>>,
    /// Number of records that the vendor's rules do not cover.
    refused_count: u64,
    /// The verdict of the vendor's guard. Null if no guard was applied.
    #[schema(required)]
    guard: Option<&'a str>,
    /// The reason why the sync failed or the report was not applied, or the products that it was not applied to.
    #[schema(required)]
    error: Option<&'a str>,
}

/// A record that the vendor's rules do not cover.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedRecord)]
struct RefusedView<'a> {
    /// The position of the record in the document, such as `row 7`.
    place: &'a str,
    /// The field, as the settings name it.
    column: &'a str,
    /// An excerpt of the value. Null if the record does not have the field.
    #[schema(required)]
    value: Option<&'a str>,
    /// The problem, and the setting that would accept the value if there is one.
    rule: &'a str,
}

impl<'a> From<&'a Refusal> for RefusedView<'a> {
    fn from(refusal: &'a Refusal) -> Self {
        Self {
            place: &refusal.place,
            column: &refusal.column,
            value: refusal.value.as_deref(),
            rule: &refusal.rule,
        }
    }
}

impl<'a> From<&'a Run> for RunView<'a> {
    fn from(run: &'a Run) -> Self {
        let details = &run.details;
        Self {
            id: run.id.0,
            started_at: run.started_at,
            finished_at: run.finished_at,
            status: run.outcome.into(),
            file: details.file.as_deref(),
            evidence: details.proven.map(|proven| proven.evidence.as_str()),
            as_of: details.proven.map(|proven| proven.as_of),
            bytes: details.size.bytes,
            rows: details.size.rows,
            added: details.products.added,
            changed: details.products.changed,
            unchanged: details.products.unchanged,
            zeroed: details.products.zeroed,
            refused: details
                .refused
                .kept()
                .iter()
                .map(RefusedView::from)
                .collect(),
            refused_count: details.refused.count(),
            guard: details.guard.as_deref(),
            error: run.error.as_deref(),
        }
    }
}
