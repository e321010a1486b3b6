//! Vendors and their syncs.

use std::time::Duration;

use domain::evidence::NoEvidence;
use domain::identifiers::VendorId;
use domain::ports::{FinishedSync, StoredPause, SyncOutcome, VendorStatus};
use domain::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::contract::schemas;
use crate::vendors::VendorRules;

/// How a sync ended. `STALE`: the report is older than one that is applied already. `QUARANTINED`: the report is empty and the
/// one before was not; it waits for a second one or for an operator. `NOT_MODIFIED`: the vendor stated that nothing changed
/// since the last report (HTTP 304). `NOT_READY`: the vendor has not finished its report. In these cases the stock stays as
/// it was, and `error` has the reason.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SyncStatus {
    /// A report was applied, whether or not it changed anything.
    Ok,
    NotModified,
    Stale,
    Quarantined,
    NotReady,
    Failed,
    Never,
}

impl From<SyncOutcome> for SyncStatus {
    fn from(outcome: SyncOutcome) -> Self {
        match outcome {
            SyncOutcome::Applied => Self::Ok,
            SyncOutcome::Stale => Self::Stale,
            SyncOutcome::Failed => Self::Failed,
            SyncOutcome::Quarantined => Self::Quarantined,
            SyncOutcome::NotModified => Self::NotModified,
            SyncOutcome::NotReady => Self::NotReady,
        }
    }
}

/// A vendor that is configured.
#[derive(Serialize, ToSchema)]
#[schema(as = Vendor)]
pub(crate) struct VendorView<'a> {
    #[schema(schema_with = schemas::vendor_id)]
    vendor_id: &'a str,
    /// Where its reports are read; null for a vendor whose stock is entered by hand.
    #[schema(required)]
    url: Option<&'a str>,
    #[schema(schema_with = schemas::products)]
    products: u64,
    last_sync: ResultView<'a>,
    /// What the last applied report proves: units that were shipped before this instant are included in its counts and no
    /// longer in flight. `lag_ms` is subtracted already. Null if it proves nothing, or before the first report.
    #[schema(schema_with = schemas::timestamp_or_null, required)]
    #[serde(serialize_with = "super::text_or_null")]
    as_of: Option<Timestamp>,
    #[schema(schema_with = schemas::evidence, required)]
    evidence: Option<&'static str>,
    /// Why the last applied report proves nothing; null if it proves something, and before the first report.
    #[schema(required)]
    evidence_reason: Option<&'static str>,
    #[schema(schema_with = schemas::clock_skew_ms, required)]
    clock_skew_ms: Option<i64>,
    #[schema(schema_with = schemas::lag_ms)]
    lag_ms: u64,
    #[schema(schema_with = schemas::age_ms, required)]
    age_ms: Option<u64>,
    #[schema(schema_with = schemas::max_age_ms, required)]
    max_age_ms: Option<u64>,
    /// Whether its numbers are older than `max_age_ms`: then it is not sold from until a newer report is applied.
    expired: bool,
    #[schema(schema_with = schemas::next_attempt_at, required)]
    #[serde(serialize_with = "super::text_or_null")]
    next_attempt_at: Option<Timestamp>,
    #[schema(schema_with = schemas::consecutive_failures)]
    consecutive_failures: u32,
}

impl<'a> VendorView<'a> {
    /// A vendor of which the store may know nothing yet.
    pub(crate) fn new(
        vendor_id: &'a VendorId,
        rules: &'a VendorRules,
        status: Option<&'a VendorStatus>,
    ) -> Self {
        let proof = status.and_then(|status| status.proof);
        let proven = proof.and_then(Result::ok);
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let last_sync = status.and_then(|status| status.last_sync.as_ref());
        Self {
            vendor_id: vendor_id.as_str(),
            url: rules.url.as_deref(),
            products: status.map_or(0, |status| status.products),
            last_sync: last_sync.map_or_else(ResultView::never, ResultView::from),
            as_of: proven.map(|proven| proven.as_of),
            evidence: proven.map(|proven| proven.evidence.as_str()),
            evidence_reason: proof.and_then(Result::err).map(NoEvidence::explanation),
            clock_skew_ms: status.and_then(|status| status.clock_skew_ms),
            lag_ms: millis(rules.lag),
            age_ms: status.and_then(|status| status.age).map(millis),
            max_age_ms: rules.max_age.map(millis),
            expired: status.is_some_and(|status| status.is_expired),
            next_attempt_at: None,
            consecutive_failures: 0,
        }
    }

    /// The same vendor, after failures.
    pub(crate) fn with_pause(mut self, stored: Option<&StoredPause>) -> Self {
        if let Some(StoredPause { pause, now, .. }) = stored {
            self.next_attempt_at = pause.next_attempt_at(*now);
            self.consecutive_failures = pause.failures;
        }
        self
    }
}

/// A sync that was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = FinishedSync)]
pub(crate) struct SyncView<'a> {
    #[schema(schema_with = schemas::vendor_id)]
    vendor_id: &'a str,
    #[serde(flatten)]
    result: ResultView<'a>,
}

impl<'a> SyncView<'a> {
    pub(crate) fn new(vendor_id: &'a VendorId, finished: &'a FinishedSync) -> Self {
        Self {
            vendor_id: vendor_id.as_str(),
            result: ResultView::from(finished),
        }
    }
}

/// How a sync went; all but `status` is null if there was none yet.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncResult)]
struct ResultView<'a> {
    status: SyncStatus,
    #[schema(schema_with = schemas::timestamp_or_null, required)]
    #[serde(serialize_with = "super::text_or_null")]
    finished_at: Option<Timestamp>,
    #[schema(schema_with = schemas::duration_ms, required)]
    duration_ms: Option<u64>,
    #[schema(schema_with = schemas::received, required)]
    received: Option<u64>,
    #[schema(schema_with = schemas::changed, required)]
    changed: Option<u64>,
    /// Why it failed, why the report was not applied, or to which products it was not.
    #[schema(required)]
    error: Option<&'a str>,
}

impl ResultView<'_> {
    fn never() -> Self {
        Self {
            status: SyncStatus::Never,
            finished_at: None,
            duration_ms: None,
            received: None,
            changed: None,
            error: None,
        }
    }
}

impl<'a> From<&'a FinishedSync> for ResultView<'a> {
    fn from(finished: &'a FinishedSync) -> Self {
        Self {
            status: finished.outcome.into(),
            finished_at: Some(finished.finished_at),
            duration_ms: u64::try_from(finished.took.as_millis()).ok(),
            received: Some(finished.received),
            changed: Some(finished.changed),
            error: finished.error.as_deref(),
        }
    }
}
