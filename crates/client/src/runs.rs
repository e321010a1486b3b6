//! Runs of vendors: syncs that have ended, and decisions on quarantined reports.

use serde::Deserialize;

use crate::timestamp::{self, Timestamp};
use crate::vendor::{Evidence, SyncStatus};
use crate::{Client, ClientError, Items, Page};

/// A run of a vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Id of the run. A later run of the vendor has a greater id.
    pub id: i64,
    /// Time at which the run began.
    #[serde(deserialize_with = "timestamp::read")]
    pub started_at: Timestamp,
    /// Time at which the run ended.
    #[serde(deserialize_with = "timestamp::read")]
    pub finished_at: Timestamp,
    /// Status of the run.
    pub status: SyncStatus,
    /// Name of the file or object in its directory; `None` for a source without files.
    #[serde(default)]
    pub file: Option<String>,
    /// Source of `as_of`; `None` if the report proves nothing, or none was received.
    pub evidence: Option<Evidence>,
    /// Effective as-of of the report: units that were shipped before it are included in its counts.
    #[serde(deserialize_with = "timestamp::read_or_null")]
    pub as_of: Option<Timestamp>,
    /// Number of bytes that were transferred, before decompression.
    pub bytes: Option<u64>,
    /// Number of records in the document.
    pub rows: Option<u64>,
    /// Number of products that the vendor did not have before.
    pub added: u64,
    /// Number of products with another quantity, except those in `zeroed`.
    pub changed: u64,
    /// Number of products of the report with the same quantity as before.
    pub unchanged: u64,
    /// Number of products that had units before and have none now.
    pub zeroed: u64,
    /// First records that the vendor's rules do not cover.
    pub refused: Vec<RefusedRecord>,
    /// Number of records that the vendor's rules do not cover.
    #[serde(default)]
    pub refused_count: u64,
    /// Verdict of the vendor's guard; `None` if no guard was applied.
    #[serde(default)]
    pub guard: Option<String>,
    /// Reason why the sync failed or the report was not applied.
    pub error: Option<String>,
}

/// A record that the vendor's rules do not cover.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RefusedRecord {
    /// Position of the record in the document.
    pub place: String,
    /// Field, as the settings name it.
    pub column: String,
    /// Excerpt of the value; `None` if the record does not have the field.
    pub value: Option<String>,
    /// Problem, and the setting that would accept the value if there is one.
    pub rule: String,
}

impl Client {
    /// Returns a page of `GET /api/v1/vendors/{vendor_id}/runs`, newest first, with at most `limit` runs (1 to 1000, default
    /// 100), from `cursor` on. Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) for an unknown vendor.
    pub async fn vendor_runs_page(
        &self,
        vendor_id: &str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, ClientError> {
        self.page(&path(vendor_id), &[], limit, cursor).await
    }

    /// Returns all runs of a vendor that are kept, newest first, and requests pages as they are needed. Requires the role
    /// `operator`.
    pub fn vendor_runs(&self, vendor_id: &str) -> Items<Run> {
        Items::new(self.clone(), &path(vendor_id), Vec::new())
    }
}

fn path(vendor_id: &str) -> [&str; 5] {
    ["api", "v1", "vendors", vendor_id, "runs"]
}
