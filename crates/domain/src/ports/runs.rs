//! The runs of vendors' syncs. A run is written by [`record_sync`](super::SyncRepository::record_sync).

use std::fmt;

use async_trait::async_trait;

use super::{StoreError, SyncOutcome};
use crate::identifiers::VendorId;
use crate::run::RunDetails;
use crate::timestamp::Timestamp;

/// Identifies a run. A later run of the same vendor has a greater id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One run: a sync that has ended, or an operator's decision on a quarantined report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The id.
    pub id: RunId,
    /// When the run began, by the store's clock.
    pub started_at: Timestamp,
    /// When the run ended, by the store's clock.
    pub finished_at: Timestamp,
    /// The outcome.
    pub outcome: SyncOutcome,
    /// The report that the run read, and its changes.
    pub details: RunDetails,
    /// The reason why the sync failed or its report was not applied, on one line.
    pub error: Option<String>,
}

/// Reads the runs of vendors.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait RunQueries: Send + Sync {
    /// Returns at most `limit` runs of the vendor with ids below `before`, newest first. MUST return fewer only if there are
    /// no more. MUST take time proportional to `limit`. MUST leave out and count a run whose row cannot be read.
    async fn list_runs(
        &self,
        vendor_id: &VendorId,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<Run>, StoreError>;
}

/// Prunes runs inside a transaction.
#[async_trait]
pub trait RunRepository {
    /// Prunes at most `limit` runs, of each vendor only those that are older than its newest `keep`, and returns their number.
    /// MUST prune the oldest runs of a vendor first, and MUST NOT wait for another transaction that prunes runs.
    async fn prune_runs(&mut self, keep: u32, limit: u32) -> Result<u64, StoreError>;

    /// Appends a note to the error of the vendor's newest run, and to that of its last sync, if it ended at `finished_at`. MUST
    /// change nothing if a later run was recorded. A note is one line.
    async fn add_note(
        &mut self,
        vendor_id: &VendorId,
        finished_at: Timestamp,
        note: &str,
    ) -> Result<(), StoreError>;
}
