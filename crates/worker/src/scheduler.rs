//! Syncs each vendor at start and then at its interval, in one process at a time.
//!
//! The lease decides which process; if two ever sync the same vendor all the same, because a lease was lost unnoticed,
//! the vendor's row lock keeps them apart.

use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{Leases, StoreError, VendorFeed};
use domain::services::VendorSync;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// The lease that the scheduler of a deployment holds.
pub const LEASE: &str = "vendor-sync";

/// How often a process without the lease tries to get it, and one with it looks whether it still has it.
const LEASE_CHECK: Duration = Duration::from_secs(2);

/// A vendor and its interval.
#[derive(Clone)]
pub struct ScheduledVendor {
    /// Reads its reports.
    pub feed: Arc<dyn VendorFeed>,
    /// From the start of one sync to the start of the next; a sync that takes longer delays the next.
    pub every: Duration,
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
                Ok(None) => debug!("another process syncs the vendors"),
                Err(error) => debug!(%error, "the lease for syncing vendors cannot be had yet"),
            }
            sleep(LEASE_CHECK).await;
        }
    }

    async fn start(&self) -> JoinSet<()> {
        while let Err(error) = self.sync.configure(&self.configured).await {
            log_configure(&error);
            sleep(LEASE_CHECK).await;
        }
        let mut loops = JoinSet::new();
        for vendor in &self.vendors {
            let (sync, vendor) = (self.sync.clone(), vendor.clone());
            loops.spawn(async move { sync_for_ever(&sync, &vendor).await });
        }
        loops
    }
}

fn log_configure(error: &StoreError) {
    warn!(%error, "the vendors could not be configured; trying again");
}

async fn sync_for_ever(sync: &VendorSync, vendor: &ScheduledVendor) {
    let mut ticks = interval(vendor.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = sync.sync(vendor.feed.as_ref()).await {
            // The use case has told it already; the next tick is the retry.
            debug!(vendor.id = %vendor.feed.vendor_id(), %error, "sync failed");
        }
    }
}
