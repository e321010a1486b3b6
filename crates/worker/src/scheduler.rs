//! Syncs each vendor at start and then at its interval, in one process at a time.
//!
//! The lease decides which process; if two ever sync the same vendor all the same, because a lease was lost unnoticed,
//! the vendor's row lock keeps them apart.

use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{Leases, VendorFeed};
use domain::services::{SyncError, VendorSync};
use readiness::{Cause, TaskHealth};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;

/// The lease that the scheduler of a deployment holds.
pub const LEASE: &str = "vendor-sync";

/// How often a process without the lease tries to get it, and one with it looks whether it still has it.
const LEASE_CHECK: Duration = Duration::from_secs(2);

/// A sync that failed only because the store was away is tried again after pauses of this to [`LONGEST_PAUSE`], or to the
/// vendor's interval if that is shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A vendor and its interval.
#[derive(Clone)]
pub struct ScheduledVendor {
    /// Reads its reports.
    pub feed: Arc<dyn VendorFeed>,
    /// From the start of one sync to the start of the next; a sync that takes longer delays the next.
    pub every: Duration,
}

impl From<(Arc<dyn VendorFeed>, Duration)> for ScheduledVendor {
    fn from((feed, every): (Arc<dyn VendorFeed>, Duration)) -> Self {
        Self { feed, every }
    }
}

/// What the scheduler runs.
pub struct Scheduler {
    /// The use case.
    pub sync: VendorSync,
    /// Who may run.
    pub leases: Arc<dyn Leases>,
    /// Vendors with feeds.
    pub vendors: Vec<ScheduledVendor>,
    /// All vendors that are sold from, also those without a feed.
    pub configured: Vec<VendorId>,
    /// Where the outcomes are recorded.
    pub health: TaskHealth,
}

impl Scheduler {
    /// Runs until told to stop; a sync that has begun is given up, which undoes it.
    ///
    /// # Errors
    /// If a vendor's loop panicked.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = self.run_with_leases() => ended,
        }
    }

    async fn run_with_leases(&self) -> Result<(), String> {
        loop {
            match self.leases.try_acquire(LEASE).await {
                Ok(Some(mut lease)) => {
                    self.health.succeeded();
                    info!(
                        vendors = self.vendors.len(),
                        "syncing vendors from this process"
                    );
                    let mut loops = self.start().await;
                    loop {
                        tokio::select! {
                            () = sleep(LEASE_CHECK) => {}
                            Some(ended) = loops.join_next() => {
                                return Err(format!("a vendor's loop ended: {ended:?}"));
                            }
                        }
                        if !lease.is_held().await {
                            break;
                        }
                    }
                    warn!("the lease for syncing vendors was lost");
                    loops.shutdown().await;
                }
                Ok(None) => {
                    self.health.succeeded();
                    debug!("another process syncs the vendors");
                }
                Err(error) => self.health.failed(Cause::from(&error), &error),
            }
            sleep(LEASE_CHECK).await;
        }
    }

    async fn start(&self) -> JoinSet<()> {
        while let Err(error) = self.sync.configure(&self.configured).await {
            self.health.failed(Cause::from(&error), &error);
            sleep(LEASE_CHECK).await;
        }
        self.health.succeeded();
        let mut loops = JoinSet::new();
        for vendor in &self.vendors {
            let (sync, vendor, health) = (self.sync.clone(), vendor.clone(), self.health.clone());
            loops.spawn(async move { sync_for_ever(&sync, &vendor, &health).await });
        }
        loops
    }
}

async fn sync_for_ever(sync: &VendorSync, vendor: &ScheduledVendor, health: &TaskHealth) {
    let mut ticks = interval(vendor.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        sync_once(sync, vendor, health).await;
    }
}

/// Syncs until it works, or fails for a reason that is not the store's absence: an interval may be a day, and until a
/// vendor was tried once nothing at all is settled.
async fn sync_once(sync: &VendorSync, vendor: &ScheduledVendor, health: &TaskHealth) {
    let vendor_id = vendor.feed.vendor_id();
    let longest = LONGEST_PAUSE.min(vendor.every);
    let mut backoff = Backoff::new(FIRST_PAUSE.min(longest), longest);
    loop {
        match sync.sync(vendor.feed.as_ref()).await {
            Err(SyncError::Store(error)) => {
                health.failed(Cause::from(&error), &error);
                if !error.is_retryable() {
                    return;
                }
                debug!(vendor.id = %vendor_id, "the sync waits for the store");
                sleep(backoff.next()).await;
            }
            synced => {
                health.succeeded();
                if let Err(error) = synced {
                    // The use case has logged it already; the next tick is the retry.
                    debug!(vendor.id = %vendor_id, %error, "sync failed");
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use clock_tokio::SystemClock;
    use domain::ports::{FeedError, MockStoreProbe, MockVendorFeed, StoreError};
    use domain::timestamp::Timestamp;
    use storage_memory::MemoryStore;
    use tokio::time::{Instant, timeout};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    /// Moments at which something was asked, in seconds from the start.
    type Log = Arc<Mutex<Vec<f64>>>;

    /// Syncs that get as far as the store's answers allow: one answer each, then the store is there. Returns when the
    /// store and when the vendor was asked.
    async fn asked_within(
        span: Duration,
        every: Duration,
        answers: Vec<StoreError>,
    ) -> (Vec<f64>, Vec<f64>) {
        let start = Instant::now();
        let (store_log, vendor_log) = (Log::default(), Log::default());
        let mut answers = VecDeque::from(answers);
        let mut probe = MockStoreProbe::new();
        let log = Arc::clone(&store_log);
        probe.expect_store_time().returning(move || {
            log.lock().unwrap().push(start.elapsed().as_secs_f64());
            answers
                .pop_front()
                .map_or(Ok(Timestamp::from_micros(1)), Err)
        });
        let mut feed = MockVendorFeed::new();
        feed.expect_vendor_id()
            .return_const(VendorId::parse("vendor-a").unwrap());
        let log = Arc::clone(&vendor_log);
        feed.expect_fetch().returning(move || {
            log.lock().unwrap().push(start.elapsed().as_secs_f64());
            Err(FeedError::Unavailable("away".to_owned()))
        });
        let clock = Arc::new(SystemClock);
        let sync = VendorSync::new(
            Arc::new(MemoryStore::new(clock.clone())),
            Arc::new(probe),
            clock,
        );
        let vendor = ScheduledVendor {
            feed: Arc::new(feed),
            every,
        };
        let health = TaskHealth::new("scheduler");
        assert!(
            timeout(span, sync_for_ever(&sync, &vendor, &health))
                .await
                .is_err()
        );
        let taken = |log: &Log| std::mem::take(&mut *log.lock().unwrap());
        (taken(&store_log), taken(&vendor_log))
    }

    fn away(times: usize) -> Vec<StoreError> {
        (0..times)
            .map(|_| StoreError::Unavailable("away".to_owned()))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_the_store_failed_is_tried_again_soon_and_one_that_the_vendor_failed_is_not()
     {
        let (store, vendor) = asked_within(DAY / 2, DAY, away(8)).await;
        assert_eq!(store.len(), 9, "{store:?}");
        assert_eq!(vendor.len(), 1, "{vendor:?}");
        let pauses: Vec<f64> = store.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((1.0..=2.1).contains(&pauses[0]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= 30.1), "{pauses:?}");
        assert!(pauses[7] >= 29.0, "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_are_no_longer_than_the_interval() {
        let every = Duration::from_secs(3);
        let (store, _) = asked_within(Duration::from_mins(1), every, away(100)).await;
        assert!(store.len() >= 19, "{store:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_for_good_is_left_alone_until_the_next_tick() {
        let broken = vec![StoreError::Failed("broken".into())];
        let (store, vendor) = asked_within(DAY + DAY / 2, DAY, broken).await;
        assert_eq!((store.len(), vendor.len()), (2, 1), "{store:?} {vendor:?}");
    }
}
