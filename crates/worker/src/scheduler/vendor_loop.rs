//! Syncs one vendor at its interval, which grows while the vendor fails.
//!
//! The pause after a failure is in the store, so a process that takes over the lease, or is restarted, sends the next
//! request no earlier than the previous process would have.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{ConfiguredFeed, StoreError};
use domain::services::{SetStatus, SyncDelay, SyncError, VendorSetError, VendorSets, VendorSync};
use domain::timestamp::Timestamp;
use domain::vendor_set::VendorSet;
use readiness::{Cause, TaskHealth};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tracing::{Instrument as _, debug, info, info_span};

use crate::backoff::Backoff;

/// A sync that failed because of the store is retried after pauses from this to [`LONGEST_PAUSE`], or to the vendor's
/// interval if that is shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Interval at which a pause is read from the store: a successful on-demand sync or an operator ends it.
const PAUSE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// The loop of one vendor.
pub(super) struct VendorLoop {
    pub(super) sync: VendorSync,
    pub(super) vendor_sets: VendorSets,
    pub(super) set: VendorSet,
    pub(super) vendor: ConfiguredFeed,
    pub(super) health: TaskHealth,
}

impl VendorLoop {
    /// Syncs at the vendor's interval. Never returns.
    pub(super) async fn run(&self) {
        let mut ticks = interval(self.vendor.sync_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut logged_pause = None;
        loop {
            ticks.tick().await;
            self.sync_once(&mut ticks, &mut logged_pause).await;
        }
    }

    /// Syncs once; retries while the store is unavailable, because the interval may be a day and rejections are delayed
    /// until each vendor has been tried.
    async fn sync_once(&self, ticks: &mut Interval, logged_pause: &mut Option<Timestamp>) {
        let vendor_id = self.vendor.feed.vendor_id();
        let longest = LONGEST_PAUSE.min(self.vendor.sync_interval);
        let mut backoff = Backoff::new(FIRST_PAUSE.min(longest), longest);
        loop {
            let synced = match self.wait_while_paused(ticks, logged_pause).await {
                Ok(()) => {
                    let span = info_span!("sync", vendor.id = %vendor_id);
                    let sync = self.sync.sync(self.vendor.feed.as_ref());
                    sync.instrument(span).await
                }
                Err(error) => Err(error.into()),
            };
            let error = match synced {
                Err(error)
                    if error.store_error().is_some()
                        || matches!(error, SyncError::NotConfigured(_)) =>
                {
                    error
                }
                synced => {
                    self.health.succeeded();
                    if let Err(error) = synced {
                        // The use case has logged the failure and recorded the next attempt.
                        debug!(vendor.id = %vendor_id, %error, "sync failed");
                    }
                    return;
                }
            };
            let retry = if let Some(failure) = error.store_error() {
                self.health.failed(Cause::from(failure), &error);
                failure.is_retryable()
            } else {
                self.health.failed(Cause::NotConfigured, &error);
                self.is_configured_again().await
            };
            if !retry {
                return;
            }
            debug!(vendor.id = %vendor_id, "retrying the sync");
            sleep(backoff.next()).await;
        }
    }

    /// Waits until the vendor's pauses are over, and restarts the interval then. A pause is logged once, not at each check.
    async fn wait_while_paused(
        &self,
        ticks: &mut Interval,
        logged_pause: &mut Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let vendor_id = self.vendor.feed.vendor_id();
        while let Some(delay) = self.sync.delay(vendor_id).await? {
            let wait = match &delay {
                SyncDelay::AfterFailures(pending) => pending.wait.min(PAUSE_CHECK_INTERVAL),
                SyncDelay::PausedByOperator(_) => PAUSE_CHECK_INTERVAL,
            };
            log_once(vendor_id, &delay, logged_pause);
            sleep(wait).await;
            ticks.reset();
        }
        Ok(())
    }

    /// Applies the set again after the vendor was removed from the configured vendors. Returns whether to retry the sync:
    /// not if the set of this process is superseded.
    async fn is_configured_again(&self) -> bool {
        match self.vendor_sets.apply_if_new(&self.set).await {
            Ok(applied) => applied.status == SetStatus::Current,
            Err(VendorSetError::Store(error)) => error.is_retryable(),
            Err(VendorSetError::SourceTaken { .. }) => false,
        }
    }
}

/// Logs a pause, unless the last logged one is the same.
fn log_once(vendor_id: &VendorId, delay: &SyncDelay, logged: &mut Option<Timestamp>) {
    let instant = match delay {
        SyncDelay::AfterFailures(pending) => pending.at,
        SyncDelay::PausedByOperator(paused) => paused.since,
    };
    if logged.replace(instant) == Some(instant) {
        return;
    }
    match delay {
        SyncDelay::AfterFailures(pending) => info!(
            vendor.id = %vendor_id, failures = pending.failures, next_attempt_at = %pending.at,
            "the vendor's syncs failed, so its next scheduled sync is delayed; a sync that succeeds ends the delay"
        ),
        SyncDelay::PausedByOperator(paused) => info!(
            vendor.id = %vendor_id, since = %paused.since, reason = paused.reason,
            "an operator paused the scheduled syncs of the vendor; POST /api/v1/vendors/{vendor_id}/resume ends the pause"
        ),
    }
}

#[cfg(test)]
mod tests;
