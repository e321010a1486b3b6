//! The decision of an operator on a report in quarantine.

use std::time::Duration;

use tracing::info;

use super::plan::Plan;
use super::progress::Progress;
use super::{SyncError, VendorSync};
use crate::identifiers::VendorId;
use crate::ports::{FinishedSync, StoreError, SyncOutcome, Topic, VendorSyncState};
use crate::retry;
use crate::run::RunDetails;
use crate::services::stock_locks::MAX_LOCK_WAIT;

/// An operator's decision on a report in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineDecision {
    /// Apply it.
    Accept,
    /// Drop it.
    Discard,
}

impl VendorSync {
    /// Applies or drops a vendor's report in quarantine, and returns the result; `None` if there is no such report. `max_age` is
    /// the vendor's setting: a report that became too old in quarantine is applied, and not sold from.
    ///
    /// # Errors
    /// [`SyncError`]. The report then stays in quarantine, even if a part of it was applied, unless the error is that it has
    /// left the quarantine: it was discarded meanwhile, or a newer report has replaced it.
    pub async fn resolve_quarantine(
        &self,
        vendor_id: &VendorId,
        decision: QuarantineDecision,
        max_age: Option<Duration>,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let mut progress = Progress::new(self.clock.now());
        let result = match decision {
            QuarantineDecision::Accept => {
                self.accept_quarantined(vendor_id, max_age, &mut progress)
                    .await
            }
            QuarantineDecision::Discard => {
                let discard = || self.discard_quarantined(vendor_id, &progress);
                retry::on_conflict(&self.clock, discard).await
            }
        };
        if progress.changed > 0 {
            self.notifier.notify(Topic::Changes);
        }
        let result = result.map_err(|error| error.after_changes(progress.changed))?;
        if let Some(done) = &result {
            info!(vendor.id = %vendor_id, ?decision, changed = done.changed, "quarantine resolved");
            if done.outcome == SyncOutcome::Applied {
                self.enforce_max_age(vendor_id, max_age).await;
            }
        }
        Ok(result)
    }

    async fn accept_quarantined(
        &self,
        vendor_id: &VendorId,
        max_age: Option<Duration>,
        progress: &mut Progress,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let Some((quarantined, report)) = self.load_quarantined(vendor_id).await? else {
            return Ok(None);
        };
        progress.details.size = quarantined.size;
        progress.details.file.clone_from(&quarantined.file);
        let decide = |state: VendorSyncState| {
            let is_same = state.history.quarantined.as_ref() == Some(&quarantined);
            let plan = || Plan::of_quarantined(vendor_id, &report, &quarantined, max_age, state);
            is_same.then(plan)
        };
        match self.handle(vendor_id, progress, decide).await {
            Ok(Some((ended, _))) => {
                self.wake_relay(Some(&ended));
                Ok(Some(ended.finished))
            }
            Ok(None) if progress.changed > 0 => {
                let reason = "the report has left the quarantine while it was applied";
                Err(StoreError::Conflict(reason.to_owned()).into())
            }
            Ok(None) => Ok(None),
            Err(SyncError::NotConfigured(_)) if progress.changed == 0 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn discard_quarantined(
        &self,
        vendor_id: &VendorId,
        progress: &Progress,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        let Some(locked) = work.lock_vendor(vendor_id).await? else {
            return Ok(None);
        };
        let mut history = locked.history;
        let Some(discarded) = history.quarantined.take() else {
            return Ok(None);
        };
        // The order of a report is recorded with its first part.
        let is_begun = history.applied == Some(discarded.order);
        let part = if is_begun {
            ", after a part of it was applied"
        } else {
            ""
        };
        let error = format!("the quarantined report was discarded by an operator{part}");
        let now = self.clock.now();
        let mut record = progress.record(now, SyncOutcome::Quarantined, 0, Some(error));
        record.details = RunDetails {
            proven: discarded.proof.ok(),
            size: discarded.size,
            file: discarded.file.clone(),
            guard: discarded.guard().map(str::to_owned),
            ..record.details
        };
        let finished_at = work.record_sync(vendor_id, &record, Some(&history)).await?;
        work.commit().await?;
        if discarded.lines_of().is_some() {
            self.remove_lines(vendor_id).await;
        }
        Ok(Some(FinishedSync::new(finished_at, record)))
    }
}
