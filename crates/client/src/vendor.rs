//! Vendors, and how syncing them went.

use serde::Deserialize;

use crate::timestamp::{self, Timestamp};
use crate::{Client, ClientError, Items, Page};

const LIST: [&str; 3] = ["api", "v1", "vendors"];

/// A vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Vendor {
    /// Its id.
    pub vendor_id: String,
    /// Where its report is read; none for stock that is entered by hand.
    pub url: Option<String>,
    /// How many products it has.
    pub products: u64,
    /// How the last sync went.
    pub last_sync: SyncResult,
    /// What the last applied report proves: units that were shipped before are included in its counts.
    #[serde(default, deserialize_with = "timestamp::read_or_null")]
    pub as_of: Option<Timestamp>,
    /// The best time that the report has; `None` if it proves nothing.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// Why it proves nothing.
    #[serde(default)]
    pub evidence_reason: Option<String>,
    /// The vendor's clock less the service's, in milliseconds.
    #[serde(default)]
    pub clock_skew_ms: Option<i64>,
    /// How old the vendor's numbers may be when it states them, in milliseconds: a setting.
    #[serde(default)]
    pub lag_ms: u64,
    /// The time since `as_of`, in milliseconds.
    #[serde(default)]
    pub age_ms: Option<u64>,
    /// The age beyond which its numbers are not sold from, in milliseconds: a setting.
    #[serde(default)]
    pub max_age_ms: Option<u64>,
    /// Whether its numbers are older than that.
    #[serde(default)]
    pub expired: bool,
    /// The earliest instant of the next scheduled sync after a failure; `None` while none is pending.
    #[serde(default, deserialize_with = "timestamp::read_or_null")]
    pub next_attempt_at: Option<Timestamp>,
    /// Number of syncs that the vendor failed since the last one that it did not.
    #[serde(default)]
    pub consecutive_failures: u32,
}

/// The best time that a report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// The document states its own as-of.
    Document,
    /// `Last-Modified` of the response.
    LastModified,
    /// Only `Date` of the response.
    Date,
    /// The modification time of a file.
    FileTime,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

/// How a sync went.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SyncResult {
    /// In a word.
    pub status: SyncStatus,
    /// When it ended.
    #[serde(deserialize_with = "timestamp::read_or_null")]
    pub finished_at: Option<Timestamp>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// Products in the report.
    pub received: Option<u64>,
    /// Products that it changed.
    pub changed: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// How a sync went, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum SyncStatus {
    /// A report was applied.
    Ok,
    /// The vendor stated that nothing changed since the last report.
    NotModified,
    /// The report is older than one that is applied already.
    Stale,
    /// The report is empty and the one before was not: it waits for a second one or for an operator.
    Quarantined,
    /// The vendor has not finished its report.
    NotReady,
    /// There was no report, or none that can be read.
    Failed,
    /// None was tried yet.
    Never,
    /// A status that this version does not know.
    #[serde(other)]
    Other,
}

/// A sync that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VendorSync {
    /// Of which vendor.
    pub vendor_id: String,
    /// How it went.
    #[serde(flatten)]
    pub result: SyncResult,
}

impl Client {
    /// One page of `GET /api/v1/vendors`, by id. Needs the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn vendors_page(
        &self,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<Vendor>, ClientError> {
        self.page(&LIST, &[], limit, cursor).await
    }

    /// All vendors, page by page as they are read. Needs the role `operator`.
    pub fn vendors(&self) -> Items<Vendor> {
        Items::new(self.clone(), LIST, Vec::new())
    }

    /// `POST /api/v1/vendors/{vendor_id}/sync`: reads the vendor's report now. Needs the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`VendorUnavailable`](crate::ProblemKind::VendorUnavailable) if the vendor failed; with
    /// [`retry_after`](ClientError::retry_after) if the vendor demands to get no request for some time.
    pub async fn sync_vendor(&self, vendor_id: &str) -> Result<VendorSync, ClientError> {
        let path = ["api", "v1", "vendors", vendor_id, "sync"];
        let request = self.exchange.post(self.exchange.url(&path)?);
        let answer = self.exchange.send(request).await?;
        answer.expect(&[200])?.json()
    }

    /// `POST /api/v1/vendors/{vendor_id}/quarantine/accept`: applies the vendor's report in quarantine. Needs the role
    /// `operator`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`NotFound`](crate::ProblemKind::NotFound) if there is none.
    pub async fn accept_quarantined(&self, vendor_id: &str) -> Result<VendorSync, ClientError> {
        self.resolve_quarantine(vendor_id, "accept").await
    }

    /// `POST /api/v1/vendors/{vendor_id}/quarantine/discard`: drops the vendor's report in quarantine. Needs the role
    /// `operator`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`NotFound`](crate::ProblemKind::NotFound) if there is none.
    pub async fn discard_quarantined(&self, vendor_id: &str) -> Result<VendorSync, ClientError> {
        self.resolve_quarantine(vendor_id, "discard").await
    }

    async fn resolve_quarantine(
        &self,
        vendor_id: &str,
        decision: &str,
    ) -> Result<VendorSync, ClientError> {
        let path = ["api", "v1", "vendors", vendor_id, "quarantine", decision];
        let request = self.exchange.post(self.exchange.url(&path)?);
        let response = self.exchange.send(request).await?;
        response.expect(&[200])?.json()
    }
}
