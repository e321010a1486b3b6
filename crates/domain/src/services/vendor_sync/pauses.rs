//! The pauses of vendors: those of an operator, and those after failures, which are recorded with the result of each sync, and observed by the next one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{SyncError, VendorSync};
use crate::identifiers::VendorId;
use crate::pacing::{Jitter, VendorFailure, VendorPause};
use crate::ports::{
    FeedError, FinishedSync, OperatorPause, StoreError, StoredPause, UnitOfWork, VendorFeed,
};
use crate::timestamp::Timestamp;

/// A scheduled sync that is not due yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingAttempt {
    /// The earliest instant at which the sync may begin, by the store's clock.
    pub at: Timestamp,
    /// The time until then.
    pub wait: Duration,
    /// Number of consecutive failures.
    pub failures: u32,
}

/// Why a scheduled sync may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncDelay {
    /// An operator has paused the vendor.
    PausedByOperator(OperatorPause),
    /// The vendor has failed.
    AfterFailures(PendingAttempt),
}

impl VendorSync {
    /// Sets the interval of each vendor's scheduled syncs, from which the backoff is computed. For a vendor without an
    /// interval only its `Retry-After` and its number of failures are recorded.
    #[must_use]
    pub fn with_intervals(
        mut self,
        intervals: impl IntoIterator<Item = (VendorId, Duration)>,
    ) -> Self {
        let intervals: BTreeMap<VendorId, Duration> = intervals.into_iter().collect();
        self.intervals = Arc::new(intervals);
        self
    }

    /// Syncs a vendor on an operator's request. Neither an operator's pause nor this service's own backoff prevents that; the
    /// vendor's `Retry-After` does.
    ///
    /// # Errors
    /// [`SyncError`]; [`SyncError::Paused`] if the vendor was not requested.
    pub async fn sync_on_demand(&self, feed: &dyn VendorFeed) -> Result<FinishedSync, SyncError> {
        let vendor_id = feed.vendor_id();
        if let Some(StoredPause { pause, now, .. }) = self.find_pause(vendor_id).await?
            && let Some(until) = pause.demanded_until(now)
        {
            return Err(SyncError::Paused {
                vendor_id: vendor_id.clone(),
                until,
                wait: until.since(now),
            });
        }
        self.sync(feed).await
    }

    /// The reason why the vendor's next scheduled sync may not begin; `None` if it is due.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delay(&self, vendor_id: &VendorId) -> Result<Option<SyncDelay>, StoreError> {
        let Some(stored) = self.find_pause(vendor_id).await? else {
            return Ok(None);
        };
        if let Some(paused) = stored.operator {
            return Ok(Some(SyncDelay::PausedByOperator(paused)));
        }
        let (pause, now) = (stored.pause, stored.now);
        Ok(pause.next_attempt_at(now).map(|at| {
            let (wait, failures) = (at.since(now), pause.failures);
            SyncDelay::AfterFailures(PendingAttempt { at, wait, failures })
        }))
    }

    /// The pauses of those of the vendors whose last sync failed or that an operator has paused, by vendor id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_pauses(
        &self,
        vendor_ids: &[VendorId],
    ) -> Result<Vec<StoredPause>, StoreError> {
        self.probe.find_pauses(vendor_ids).await
    }

    async fn find_pause(&self, vendor_id: &VendorId) -> Result<Option<StoredPause>, StoreError> {
        let found = self.find_pauses(std::slice::from_ref(vendor_id)).await?;
        Ok(found.into_iter().next())
    }
}

/// The result of the request to a vendor whose sync has ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum FetchOutcome<'e> {
    /// No request was sent, or its result does not count.
    None,
    /// The vendor returned a report.
    Succeeded,
    /// The vendor failed.
    Failed(&'e FeedError),
}

impl<'e> FetchOutcome<'e> {
    /// Records the result in the vendor's pause, in the transaction that records the end of the sync at `now`. `interval` is
    /// that of its scheduled syncs, if known.
    pub(super) async fn record(
        self,
        work: &mut dyn UnitOfWork,
        vendor_id: &VendorId,
        interval: Option<Duration>,
        now: Timestamp,
    ) -> Result<PauseChange<'e>, StoreError> {
        let error = match self {
            Self::None => return Ok(PauseChange::None),
            Self::Succeeded => {
                let ended = work.clear_pause(vendor_id).await?;
                return Ok(ended.map_or(PauseChange::None, PauseChange::Ended));
            }
            Self::Failed(error) => error,
        };
        let previous = work.find_pause(vendor_id).await?;
        let failure = VendorFailure {
            now,
            retry_after: error.retry_after(),
            interval,
            jitter: Jitter::derive(vendor_id, now),
        };
        let pause = VendorPause::after_failure(previous, failure);
        work.save_pause(vendor_id, &pause).await?;
        Ok(PauseChange::Extended(error, pause))
    }
}

/// The change of a vendor's pause, to be logged after the commit.
pub(super) enum PauseChange<'e> {
    None,
    Ended(VendorPause),
    Extended(&'e FeedError, VendorPause),
}

impl PauseChange<'_> {
    /// Logs the change. A failure itself is logged by its sync.
    pub(super) fn log(self, vendor_id: &VendorId) {
        let (error, pause) = match self {
            Self::None => return,
            Self::Ended(VendorPause { failures, .. }) => {
                info!(vendor.id = %vendor_id, failures, "a sync of the vendor succeeded after failures; its scheduled syncs, if any, are no longer delayed");
                return;
            }
            Self::Extended(error, pause) => (error, pause),
        };
        let failures = pause.failures;
        match (error.retry_after(), pause.not_before, pause.backoff_until) {
            (Some(_), Some(until), _) => warn!(
                vendor.id = %vendor_id, failures, %until,
                "the vendor sent Retry-After; no request is sent before then"
            ),
            (_, _, Some(until)) => debug!(
                vendor.id = %vendor_id, failures, %until,
                "the next scheduled sync is delayed"
            ),
            _ => {}
        }
    }
}
