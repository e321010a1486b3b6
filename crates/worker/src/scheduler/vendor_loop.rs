//! Syncs one vendor at its interval, which grows while the vendor fails.
//!
//! The pause of a vendor that fails is in the store, so a process that takes the lease over, or is restarted, asks the vendor
//! no earlier than the one before it would have.

use std::time::Duration;

use domain::ports::StoreError;
use domain::services::{SetStatus, SyncError, VendorSetError, VendorSets, VendorSync};
use domain::timestamp::Timestamp;
use domain::vendor_set::VendorSet;
use readiness::{Cause, TaskHealth};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tracing::{debug, info};

use super::ScheduledVendor;
use crate::backoff::Backoff;

/// A sync that failed only because the store was away is tried again after pauses of this to [`LONGEST_PAUSE`], or to the
/// vendor's interval if that is shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// During a vendor's pause the store is read at this interval: a sync on demand that succeeds ends the pause.
const PAUSE_CHECK: Duration = Duration::from_secs(10);

/// The loop of one vendor.
pub(super) struct VendorLoop {
    pub(super) sync: VendorSync,
    pub(super) vendor_sets: VendorSets,
    pub(super) set: VendorSet,
    pub(super) vendor: ScheduledVendor,
    pub(super) health: TaskHealth,
}

impl VendorLoop {
    pub(super) async fn sync_for_ever(&self) {
        let mut ticks = interval(self.vendor.sync_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut announced = None;
        loop {
            ticks.tick().await;
            self.sync_once(&mut ticks, &mut announced).await;
        }
    }

    /// Syncs until it works, or fails for a reason that is not the store's absence: an interval may be a day, and until a
    /// vendor was tried once rejections wait.
    async fn sync_once(&self, ticks: &mut Interval, announced: &mut Option<Timestamp>) {
        let vendor_id = self.vendor.feed.vendor_id();
        let longest = LONGEST_PAUSE.min(self.vendor.sync_interval);
        let mut backoff = Backoff::new(FIRST_PAUSE.min(longest), longest);
        loop {
            let synced = match self.wait_while_paused(ticks, announced).await {
                Ok(()) => self.sync.sync(self.vendor.feed.as_ref()).await,
                Err(error) => Err(error.into()),
            };
            let error = match synced {
                Err(error @ (SyncError::Store(_) | SyncError::NotConfigured(_))) => error,
                synced => {
                    self.health.succeeded();
                    if let Err(error) = synced {
                        // The use case has logged it and recorded when the vendor is asked next.
                        debug!(vendor.id = %vendor_id, %error, "sync failed");
                    }
                    return;
                }
            };
            let is_worth_a_retry = if let SyncError::Store(failure) = &error {
                self.health.failed(Cause::from(failure), &error);
                failure.is_retryable()
            } else {
                self.health.failed(Cause::NotConfigured, &error);
                self.is_configured_again().await
            };
            if !is_worth_a_retry {
                return;
            }
            debug!(vendor.id = %vendor_id, "the sync is retried");
            sleep(backoff.next()).await;
        }
    }

    /// Waits until the vendor may be asked. The interval then counts from here. A pause is logged once, not at each check of it.
    async fn wait_while_paused(
        &self,
        ticks: &mut Interval,
        announced: &mut Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let vendor_id = self.vendor.feed.vendor_id();
        while let Some(pending) = self.sync.pending_attempt(vendor_id).await? {
            if *announced != Some(pending.at) {
                info!(
                    vendor.id = %vendor_id, failures = pending.failures, next_attempt_at = %pending.at,
                    "the vendor failed and is not asked for now"
                );
                *announced = Some(pending.at);
            }
            sleep(pending.wait.min(PAUSE_CHECK)).await;
            ticks.reset();
        }
        Ok(())
    }

    /// Something switched off a vendor that this process syncs. Brings the set again; if it is not the current one, the
    /// vendor is left alone.
    async fn is_configured_again(&self) -> bool {
        match self.vendor_sets.apply_if_new(&self.set).await {
            Ok(brought) => brought.status == SetStatus::Current,
            Err(VendorSetError::Store(error)) => error.is_retryable(),
            Err(VendorSetError::SourceTaken { .. }) => false,
        }
    }
}

#[cfg(test)]
mod tests;
