//! Vendors and their syncs.

use domain::identifiers::VendorId;
use domain::ports::{FinishedSync, SyncOutcome, VendorStatus};
use domain::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::contract::schemas;

/// How a sync ended. `NOT_MODIFIED`: the report was older than one that is applied already, so there was nothing new in it,
/// and `error` has the moments.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SyncStatus {
    /// A report was applied, whether or not it changed anything.
    Ok,
    NotModified,
    Failed,
    Never,
}

impl From<SyncOutcome> for SyncStatus {
    fn from(outcome: SyncOutcome) -> Self {
        match outcome {
            SyncOutcome::Applied => Self::Ok,
            SyncOutcome::Stale => Self::NotModified,
            SyncOutcome::Failed => Self::Failed,
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
}

impl<'a> VendorView<'a> {
    /// A vendor of which the store may know nothing yet.
    pub(crate) fn new(
        vendor_id: &'a VendorId,
        url: Option<&'a str>,
        status: Option<&'a VendorStatus>,
    ) -> Self {
        let last_sync = status.and_then(|status| status.last_sync.as_ref());
        Self {
            vendor_id: vendor_id.as_str(),
            url,
            products: status.map_or(0, |status| status.products),
            last_sync: last_sync.map_or_else(ResultView::never, ResultView::from),
        }
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
    /// Why it failed, or why there was nothing new.
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
