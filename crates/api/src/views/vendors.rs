//! Views of vendors and syncs.

use std::time::Duration;

use domain::evidence::NoEvidence;
use domain::identifiers::VendorId;
use domain::ports::{FinishedSync, OperatorPause, StoredPause, SyncOutcome, VendorStatus};
use domain::report::ReportKind;
use domain::report_history::QuarantinedReport;
use domain::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::schemas;
use crate::vendors::VendorRules;

/// The outcome of a sync. `STALE`: the report is older than the applied one. `QUARANTINED`: the report takes away more than
/// the vendor's guard allows, or is empty and the previous one was not; it is held until a later report agrees with it or an
/// operator decides. The decision to discard it has this status, too. `NOT_READY`: the vendor has not finished its report. In
/// these cases the stock is not changed, and `error` contains the reason. `NOT_MODIFIED`: the vendor states that its report
/// has not changed (HTTP 304).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum SyncStatus {
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

/// A configured vendor.
#[derive(Serialize, ToSchema)]
#[schema(as = Vendor)]
pub(crate) struct VendorView<'a> {
    #[schema(schema_with = schemas::vendor_id)]
    vendor_id: &'a str,
    /// The URL of the vendor's reports: `push:` and the id for a vendor that pushes them, null for a vendor whose stock is
    /// entered manually.
    #[schema(required)]
    url: Option<&'a str>,
    /// Number of products that the vendor has reported.
    products: u64,
    last_sync: ResultView<'a>,
    #[schema(schema_with = schemas::proven_as_of, required)]
    #[serde(serialize_with = "super::text_or_null")]
    as_of: Option<Timestamp>,
    #[schema(schema_with = schemas::evidence, required)]
    evidence: Option<&'static str>,
    /// The reason why the last applied report proves nothing. Null if it proves an as-of time, and before the first report.
    #[schema(required)]
    evidence_reason: Option<&'static str>,
    /// The vendor's clock minus the service's at the last response, in milliseconds, within the precision of `Date` (one
    /// second). Positive if the vendor's clock is ahead. A clock that is behind keeps units in flight longer than necessary.
    #[schema(required)]
    clock_skew_ms: Option<i64>,
    /// The vendor's setting `lag`: the maximum age of its counts at the time it reports them, in milliseconds.
    lag_ms: u64,
    /// The time since `as_of`, in milliseconds.
    #[schema(required)]
    age_ms: Option<u64>,
    /// The vendor's setting `max_age`: the age beyond which its stock is not sold, in milliseconds. Null if unlimited.
    #[schema(required)]
    max_age_ms: Option<u64>,
    /// Whether the counts are older than `max_age_ms`. If so, the vendor's stock is not sold until a newer report is
    /// applied.
    expired: bool,
    #[schema(schema_with = schemas::next_attempt_at, required)]
    #[serde(serialize_with = "super::text_or_null")]
    next_attempt_at: Option<Timestamp>,
    /// Number of failed syncs since the last successful one.
    #[schema(value_type = u64)]
    consecutive_failures: u32,
    // Without a description: generators do not support one next to a reference.
    #[schema(required)]
    paused: Option<PausedView<'a>>,
    #[schema(required)]
    quarantine: Option<QuarantineView<'a>>,
}

/// A report in quarantine, whatever the result of the last sync: it changes nothing until a later report agrees with it or an
/// operator accepts it. A newer report that the guard does not hold, or an operator who discards it, ends the quarantine.
/// `requested_at` is the time at which the report was requested, or arrived if the vendor pushed it, by the service's clock.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantinedReport)]
struct QuarantineView<'a> {
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "super::text")]
    requested_at: Timestamp,
    #[schema(schema_with = schemas::run_as_of, required)]
    #[serde(serialize_with = "super::text_or_null")]
    as_of: Option<Timestamp>,
    #[schema(schema_with = schemas::quarantine_evidence, required)]
    evidence: Option<&'static str>,
    kind: KindView,
    /// Number of products in the report.
    received: u64,
    /// The reason why the report is held.
    reason: &'a str,
}

/// Whether a report covers the whole stock of its vendor, or only the products that it names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportKind)]
enum KindView {
    Full,
    Delta,
}

impl<'a> From<&'a QuarantinedReport> for QuarantineView<'a> {
    fn from(report: &'a QuarantinedReport) -> Self {
        let proven = report.proof.ok();
        Self {
            requested_at: report.order.requested_at,
            as_of: proven.map(|proven| proven.as_of),
            evidence: proven.map(|proven| proven.evidence.as_str()),
            kind: match report.kind {
                ReportKind::Full => KindView::Full,
                ReportKind::Delta => KindView::Delta,
            },
            received: report.lines,
            reason: &report.reason,
        }
    }
}

/// A pause that an operator ordered: no scheduled sync of the vendor begins until it is ended.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorPause)]
struct PausedView<'a> {
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "super::text")]
    since: Timestamp,
    /// The operator's reason. Null if none was given.
    #[schema(required)]
    reason: Option<&'a str>,
}

impl<'a> From<&'a OperatorPause> for PausedView<'a> {
    fn from(paused: &'a OperatorPause) -> Self {
        Self {
            since: paused.since,
            reason: paused.reason.as_deref(),
        }
    }
}

/// The pause of a vendor after a request to pause or to resume it: null once the vendor is resumed.
#[derive(Serialize, ToSchema)]
#[schema(as = PauseResult)]
pub(crate) struct PauseResultView<'a> {
    #[schema(schema_with = schemas::vendor_id)]
    vendor_id: &'a str,
    #[schema(required)]
    paused: Option<PausedView<'a>>,
}

impl<'a> PauseResultView<'a> {
    pub(crate) fn new(vendor_id: &'a VendorId, paused: Option<&'a OperatorPause>) -> Self {
        Self {
            vendor_id: vendor_id.as_str(),
            paused: paused.map(PausedView::from),
        }
    }
}

impl<'a> VendorView<'a> {
    /// The view of a vendor; `status` is `None` if the store has no status of it yet.
    pub(crate) fn new(
        vendor_id: &'a VendorId,
        rules: &'a VendorRules,
        status: Option<&'a VendorStatus>,
    ) -> Self {
        let proof = status.and_then(|status| status.proof);
        let proven = proof.and_then(Result::ok);
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let last_sync = status.and_then(|status| status.last_sync.as_ref());
        let quarantined = status.and_then(|status| status.quarantined.as_ref());
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
            paused: None,
            quarantine: quarantined.map(QuarantineView::from),
        }
    }

    /// Adds the state of a vendor whose last sync failed or that an operator has paused.
    pub(crate) fn with_pause(mut self, stored: Option<&'a StoredPause>) -> Self {
        if let Some(stored) = stored {
            self.next_attempt_at = stored.pause.next_attempt_at(stored.now);
            self.consecutive_failures = stored.pause.failures;
            self.paused = stored.operator.as_ref().map(PausedView::from);
        }
        self
    }
}

/// The result of a sync on demand.
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

/// The result of a sync. Before the first sync, all members except `status` are null.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncResult)]
struct ResultView<'a> {
    status: SyncStatus,
    #[schema(schema_with = schemas::timestamp_or_null, required)]
    #[serde(serialize_with = "super::text_or_null")]
    finished_at: Option<Timestamp>,
    /// Duration of the sync, in milliseconds.
    #[schema(required)]
    duration_ms: Option<u64>,
    /// Number of products in the report.
    #[schema(required)]
    received: Option<u64>,
    /// Number of products whose stock the sync wrote: those that its run counts in `added`, `changed` and `zeroed`, and those
    /// of the same quantity whose units in flight or whose mark of `max_age` changed.
    #[schema(required)]
    changed: Option<u64>,
    /// The reason why the sync failed or the report was not applied, or the products that it was not applied to.
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
