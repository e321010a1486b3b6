//! The end of a sync whose vendor has not finished its report.

use tracing::info;

use super::not_modified::after_unread_report;
use super::pauses::FetchOutcome;
use super::progress::Progress;
use super::{SyncError, VendorSync};
use crate::identifiers::VendorId;
use crate::ports::{FinishedSync, SyncOutcome};

impl VendorSync {
    /// Records that the vendor's report is not ready. That is no failure: the vendor's pause stays as it is, and the vendor
    /// does not count as tried, so that rejections wait for its report for the rest of the `first_sync_grace`.
    pub(super) async fn end_not_ready(
        &self,
        vendor_id: &VendorId,
        reason: String,
        progress: &Progress,
    ) -> Result<FinishedSync, SyncError> {
        let now = self.clock.now();
        let record = progress.record(now, SyncOutcome::NotReady, 0, Some(reason));
        let change = |locked| Ok(after_unread_report(locked, false, progress.file_seen));
        let ended = self.record_end(vendor_id, &record, FetchOutcome::None, change);
        let ended = ended.await?;
        let took = now.since(progress.started);
        self.observer.synced(vendor_id, SyncOutcome::NotReady, took);
        let ended = ended.ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
        info!(
            vendor.id = %vendor_id,
            reason = ended.finished.error,
            "the vendor has not finished its report; the next sync requests it again"
        );
        Ok(ended.finished)
    }
}
