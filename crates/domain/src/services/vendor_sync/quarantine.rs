//! The lines of reports in quarantine: kept when a report is held, read when it is compared or accepted, and removed when the
//! quarantine no longer needs them.
//!
//! Lines are written and removed in transactions of their own, each of a bounded number of lines. The history of the vendor's
//! reports names the quarantined report only after all of its lines are there, in a transaction that counts them. Lines that
//! no history names, such as those of a process that ended in between, are removed by a later sync of the vendor.

use std::collections::BTreeMap;

use tracing::warn;

use super::plan::Plan;
use super::{SyncError, VendorSync};
use crate::identifiers::{ProductId, VendorId};
use crate::ports::{MAX_QUARANTINED_LINES, StoreError};
use crate::report::Report;
use crate::report_history::QuarantinedReport;
use crate::retry;
use crate::services::stock_locks::MAX_LOCK_WAIT;
use crate::timestamp::Timestamp;

/// Maximum number of times that a report is read while others replace it in the quarantine.
const MAX_READS: usize = 8;

impl VendorSync {
    /// Keeps the lines of a report that goes into quarantine. Stops early if the plan is outdated.
    pub(super) async fn keep_lines(&self, plan: &Plan<'_>) -> Result<(), SyncError> {
        let Some(requested_at) = plan.lines_to_keep else {
            return Ok(());
        };
        let mut lines = plan.report.quantities().iter();
        loop {
            let chunk = lines.by_ref().take(self.lines_per_chunk());
            let chunk: Vec<(ProductId, u32)> = chunk
                .map(|(product_id, units)| (product_id.clone(), *units))
                .collect();
            if chunk.is_empty() {
                return Ok(());
            }
            let add = || self.add_lines(plan, requested_at, &chunk);
            if !retry::on_conflict(&self.clock, add).await? {
                return Ok(());
            }
        }
    }

    /// Returns whether the plan is still valid.
    async fn add_lines(
        &self,
        plan: &Plan<'_>,
        requested_at: Timestamp,
        lines: &[(ProductId, u32)],
    ) -> Result<bool, SyncError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let locked = work.lock_vendor(plan.vendor_id).await?;
        let locked = locked.ok_or_else(|| SyncError::NotConfigured(plan.vendor_id.clone()))?;
        if !plan.is_current(&locked.history) {
            return Ok(false);
        }
        let added = work.add_quarantined_lines(plan.vendor_id, requested_at, lines);
        added.await?;
        work.commit().await?;
        Ok(true)
    }

    /// Reads the report that a vendor has in quarantine; `None` if there is none.
    pub(super) async fn load_quarantined(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<(QuarantinedReport, Report)>, SyncError> {
        for _ in 0..MAX_READS {
            let state = self.queries.find_sync_state(vendor_id).await?;
            let Some(quarantined) = state.and_then(|state| state.history.quarantined) else {
                return Ok(None);
            };
            if let Some(report) = self.load_lines(vendor_id, &quarantined).await? {
                return Ok(Some((quarantined, report)));
            }
        }
        let reason = format!(
            "the lines of the quarantined report of vendor {vendor_id} are not complete; discard the report"
        );
        Err(StoreError::Failed(reason.into()).into())
    }

    /// Reads a report in quarantine; `None` if its lines are not complete, because it is no longer in quarantine.
    pub(super) async fn load_lines(
        &self,
        vendor_id: &VendorId,
        quarantined: &QuarantinedReport,
    ) -> Result<Option<Report>, SyncError> {
        let mut quantities = BTreeMap::new();
        if let Some(requested_at) = quarantined.lines_of() {
            let limit = u32::try_from(self.lines_per_chunk()).unwrap_or(u32::MAX);
            let mut after = None;
            loop {
                let lines =
                    self.queries
                        .list_quarantined_lines(vendor_id, requested_at, after, limit);
                let lines = lines.await?;
                let is_last = u32::try_from(lines.len()).is_ok_and(|lines| lines < limit);
                after = lines.last().map(|(product_id, _)| product_id.clone());
                quantities.extend(lines);
                if is_last {
                    break;
                }
            }
        }
        if quantities.len() as u64 != quarantined.lines {
            return Ok(None);
        }
        let report = Report::from_quantities(quarantined.kind, None, quantities);
        Ok(Some(
            report.map_err(|error| StoreError::Failed(Box::new(error)))?,
        ))
    }

    /// Removes the lines that the quarantine no longer needs after a sync.
    pub(super) async fn remove_unused_lines(&self, plan: &Plan<'_>) {
        if plan.leaves_unused_lines() {
            self.remove_lines(plan.vendor_id).await;
        }
    }

    /// Removes all lines of a vendor that are not those of its quarantined report. A failure is logged only: a later sync of
    /// the vendor removes the rest.
    pub(super) async fn remove_lines(&self, vendor_id: &VendorId) {
        let limit = u32::try_from(self.lines_per_chunk()).unwrap_or(u32::MAX);
        loop {
            let remove = || self.remove_some_lines(vendor_id, limit);
            match retry::on_conflict(&self.clock, remove).await {
                Ok(removed) if removed < u64::from(limit) => return,
                Ok(_) => {}
                Err(error) => {
                    warn!(
                        vendor.id = %vendor_id,
                        %error,
                        "lines of reports that are no longer in quarantine are left; a later sync removes them"
                    );
                    return;
                }
            }
        }
    }

    async fn remove_some_lines(&self, vendor_id: &VendorId, limit: u32) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let Some(locked) = work.lock_vendor(vendor_id).await? else {
            return Ok(0);
        };
        let quarantined = locked.history.quarantined.as_ref();
        let kept = quarantined.and_then(QuarantinedReport::lines_of);
        let removed = work.remove_quarantined_lines(vendor_id, kept, limit);
        let removed = removed.await?;
        if removed > 0 {
            work.commit().await?;
        }
        Ok(removed)
    }

    fn lines_per_chunk(&self) -> usize {
        self.chunk_size.clamp(1, MAX_QUARANTINED_LINES)
    }
}
