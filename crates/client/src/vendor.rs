//! Vendors and their syncs.

use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::timestamp::{self, Timestamp};
use crate::transport::with_json;
use crate::{Client, ClientError, Items, Page};

const LIST: [&str; 3] = ["api", "v1", "vendors"];

/// A vendor with its last sync.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Vendor {
    /// Vendor id.
    pub vendor_id: String,
    /// URL of its report; `None` for stock that is entered by hand.
    pub url: Option<String>,
    /// Number of its products.
    pub products: u64,
    /// Result of the last sync.
    pub last_sync: SyncResult,
    /// Effective as-of of the last applied report: units that were shipped before it are included in its counts.
    #[serde(default, deserialize_with = "timestamp::read_or_null")]
    pub as_of: Option<Timestamp>,
    /// Source of `as_of`; `None` if the report proves nothing.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// Reason why the report proves nothing.
    #[serde(default)]
    pub evidence_reason: Option<String>,
    /// Vendor's clock minus the service's clock, in milliseconds.
    #[serde(default)]
    pub clock_skew_ms: Option<i64>,
    /// Maximum age of the vendor's counts when it reports them, in milliseconds: a setting.
    #[serde(default)]
    pub lag_ms: u64,
    /// Time since `as_of`, in milliseconds.
    #[serde(default)]
    pub age_ms: Option<u64>,
    /// Age of the counts beyond which the vendor is not sold from, in milliseconds: a setting.
    #[serde(default)]
    pub max_age_ms: Option<u64>,
    /// Whether the counts are older than `max_age_ms`.
    #[serde(default)]
    pub expired: bool,
    /// Earliest time of the next scheduled sync after a failure; `None` unless the vendor is in backoff.
    #[serde(default, deserialize_with = "timestamp::read_or_null")]
    pub next_attempt_at: Option<Timestamp>,
    /// Number of failed syncs since the last successful one.
    #[serde(default)]
    pub consecutive_failures: u32,
    /// Pause that an operator ordered; `None` if scheduled syncs are not paused.
    #[serde(default)]
    pub paused: Option<VendorPause>,
    /// Report in quarantine, whatever the result of the last sync; `None` if there is none.
    #[serde(default)]
    pub quarantine: Option<QuarantinedReport>,
}

/// Report that changes nothing until a later report agrees with it or an operator accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct QuarantinedReport {
    /// Time at which the report was requested, or arrived if the vendor pushed it.
    #[serde(deserialize_with = "timestamp::read")]
    pub requested_at: Timestamp,
    /// Effective as-of of the report.
    #[serde(deserialize_with = "timestamp::read_or_null")]
    pub as_of: Option<Timestamp>,
    /// Source of `as_of`; `None` if the report proves nothing.
    pub evidence: Option<Evidence>,
    /// Kind of the report.
    pub kind: ReportKind,
    /// Number of products in the report.
    pub received: u64,
    /// Reason why the report is held.
    pub reason: String,
}

/// Kind of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReportKind {
    /// The report covers all of the vendor's stock.
    Full,
    /// The report covers the products that it names.
    Delta,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

/// Pause of a vendor that an operator ordered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VendorPause {
    /// Time at which the vendor was paused.
    #[serde(deserialize_with = "timestamp::read")]
    pub since: Timestamp,
    /// Reason, if the operator gave one.
    pub reason: Option<String>,
}

/// Source of the effective as-of of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// As-of in the document.
    Document,
    /// `Last-Modified` of the response.
    LastModified,
    /// `Date` of the response.
    Date,
    /// Modification time of a file.
    FileTime,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

/// Result of a sync.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SyncResult {
    /// Status of the sync.
    pub status: SyncStatus,
    /// Time at which the sync finished.
    #[serde(deserialize_with = "timestamp::read_or_null")]
    pub finished_at: Option<Timestamp>,
    /// Duration in milliseconds.
    pub duration_ms: Option<u64>,
    /// Number of products in the report.
    pub received: Option<u64>,
    /// Number of products whose stock the sync wrote, whether the quantity, the units in flight or the mark of `max_age`
    /// changed.
    pub changed: Option<u64>,
    /// Reason of a failure.
    pub error: Option<String>,
}

/// Status of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum SyncStatus {
    /// A report was applied.
    Ok,
    /// The vendor stated that nothing changed since the last report.
    NotModified,
    /// The report is older than the one that was applied last.
    Stale,
    /// The report takes away more than the vendor's guard allows, or is empty and the previous one was not: it is held until a
    /// later report agrees with it or an operator decides.
    Quarantined,
    /// The vendor has not finished its report.
    NotReady,
    /// The report could not be read.
    Failed,
    /// No sync was attempted yet.
    Never,
    /// A status that this version does not know.
    #[serde(other)]
    Other,
}

/// Pause of a vendor after it was paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PauseResult {
    /// Vendor id.
    pub vendor_id: String,
    /// Pause; `None` after the vendor was resumed.
    pub paused: Option<VendorPause>,
}

/// Result of a sync on demand, or of a decision on a quarantined report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VendorSync {
    /// Vendor id.
    pub vendor_id: String,
    /// Result of the sync.
    #[serde(flatten)]
    pub result: SyncResult,
}

/// Body of a request to pause a vendor.
#[derive(Serialize)]
struct PauseRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Client {
    /// Returns a page of `GET /api/v1/vendors` in the order of vendor ids. Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`] if the page cannot be read.
    pub async fn vendors_page(
        &self,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<Vendor>, ClientError> {
        self.page(&LIST, &[], limit, cursor).await
    }

    /// Returns all vendors in the order of vendor ids, and requests pages as they are needed. Requires the role `operator`.
    pub fn vendors(&self) -> Items<Vendor> {
        Items::new(self.clone(), &LIST, Vec::new())
    }

    /// Syncs a vendor now: `POST /api/v1/vendors/{vendor_id}/sync`. Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`VendorUnavailable`](crate::ProblemKind::VendorUnavailable) if the vendor failed;
    /// [`retry_after`](ClientError::retry_after) is set if the vendor sent `Retry-After`.
    pub async fn sync_vendor(&self, vendor_id: &str) -> Result<VendorSync, ClientError> {
        self.change_vendor(&[vendor_id, "sync"]).await
    }

    /// Pauses the scheduled syncs of a vendor: `POST /api/v1/vendors/{vendor_id}/pause`. Pausing again replaces the reason, which
    /// is one line of at most 200 characters. Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) for an unknown vendor.
    pub async fn pause_vendor(
        &self,
        vendor_id: &str,
        reason: Option<&str>,
    ) -> Result<PauseResult, ClientError> {
        let path = [&LIST[..], &[vendor_id, "pause"]].concat();
        let request = self.transport.post(self.transport.url(&path)?);
        let request = with_json(request, &PauseRequest { reason })?;
        self.transport.fetch(request).await
    }

    /// Resumes the scheduled syncs of a vendor: `POST /api/v1/vendors/{vendor_id}/resume`. Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) for an unknown vendor.
    pub async fn resume_vendor(&self, vendor_id: &str) -> Result<PauseResult, ClientError> {
        self.change_vendor(&[vendor_id, "resume"]).await
    }

    /// Pushes a report of a vendor, in the format of the vendor's settings:
    /// `POST /api/v1/vendors/{vendor_id}/reports`. Requires the role `vendor` of that vendor. A report with a time that is
    /// pushed again changes nothing.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`ValidationFailed`](crate::ProblemKind::ValidationFailed) if the report is malformed
    /// or has records that the vendor's settings do not cover.
    pub async fn push_report(
        &self,
        vendor_id: &str,
        report: impl Into<Vec<u8>>,
    ) -> Result<VendorSync, ClientError> {
        let path = [&LIST[..], &[vendor_id, "reports"]].concat();
        let request = self.transport.post(self.transport.url(&path)?);
        let request = request.header(CONTENT_TYPE, "application/octet-stream");
        self.transport.fetch(request.body(report.into())).await
    }

    /// Applies the vendor's quarantined report: `POST /api/v1/vendors/{vendor_id}/quarantine/accept`. Requires the role
    /// `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) if no report is in quarantine.
    pub async fn accept_quarantined(&self, vendor_id: &str) -> Result<VendorSync, ClientError> {
        self.change_vendor(&[vendor_id, "quarantine", "accept"])
            .await
    }

    /// Discards the vendor's quarantined report: `POST /api/v1/vendors/{vendor_id}/quarantine/discard`. Requires the role
    /// `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) if no report is in quarantine.
    pub async fn discard_quarantined(&self, vendor_id: &str) -> Result<VendorSync, ClientError> {
        self.change_vendor(&[vendor_id, "quarantine", "discard"])
            .await
    }

    /// Sends `POST` to a path below the list of vendors.
    async fn change_vendor<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        let url = self.transport.url(&[&LIST[..], path].concat())?;
        self.transport.fetch(self.transport.post(url)).await
    }
}
