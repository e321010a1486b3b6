//! Brings the vendor set of this process, and syncs each vendor at start and then at its interval, in one process at a
//! time.
//!
//! The set in the store decides which vendors are synced. A process whose set is new applies it at its start, without a
//! lease. Then leases decide which process syncs: one whose set is the current one has precedence over one whose set was
//! superseded, which may not be able to read every vendor. If two processes sync the same vendor nevertheless, because a
//! lease was lost unnoticed, the vendor's row lock keeps them apart.

mod vendor_loop;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{Lease, Leases, Observer, StoreError, VendorFeed};
use domain::services::{AppliedSet, SetStatus, VendorSets, VendorSync};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSet};
use readiness::{Cause, TaskHealth};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::vendor_loop::VendorLoop;
use crate::max_age::enforce_max_age;

/// The lease of the process that syncs the vendors.
pub const LEASE: &str = "vendor-sync";

/// The lease that only processes with the current set hold. While one of them does, no other process syncs.
const CURRENT_SET_LEASE: &str = "vendor-sync-current-set";

/// How often a process without the lease tries to get it, and one with it checks that it still has it; and how often each
/// process compares its set with the one in the store.
const LEASE_CHECK: Duration = Duration::from_secs(2);

/// A vendor and its interval.
#[derive(Clone)]
pub struct ScheduledVendor {
    /// Reads its reports.
    pub feed: Arc<dyn VendorFeed>,
    /// From the start of one sync to the start of the next; a sync that takes longer delays the next. It grows while the vendor
    /// fails.
    pub sync_interval: Duration,
}

impl From<(Arc<dyn VendorFeed>, Duration)> for ScheduledVendor {
    fn from((feed, sync_interval): (Arc<dyn VendorFeed>, Duration)) -> Self {
        Self {
            feed,
            sync_interval,
        }
    }
}

/// Runs the syncs of one process.
pub struct Scheduler {
    /// Syncs a vendor.
    pub sync: VendorSync,
    /// Applies the set.
    pub vendor_sets: VendorSets,
    /// Decide which process syncs.
    pub leases: Arc<dyn Leases>,
    /// The vendors that this process can read.
    pub vendors: Vec<ScheduledVendor>,
    /// All vendors of this process's settings, also those without a feed.
    pub set: VendorSet,
    /// Where the outcomes are recorded.
    pub health: TaskHealth,
    /// The outcomes of bringing the set. A set without any vendor is a failure: every order would be rejected.
    pub set_health: TaskHealth,
    /// Becomes true once the set was brought: before that the store may know of no vendor, and everything would be rejected.
    pub brought: watch::Sender<bool>,
    /// Is notified of vendors that cannot be read.
    pub observer: Arc<dyn Observer>,
}

/// The leases of one process.
#[derive(Default)]
struct Held {
    /// [`CURRENT_SET_LEASE`].
    current: Option<Box<dyn Lease>>,
    /// [`LEASE`].
    main: Option<Box<dyn Lease>>,
}

impl Scheduler {
    /// Runs until `stop` is cancelled; a sync that has begun is given up, which undoes it.
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
        let mut brought = self.bring_first().await;
        self.brought.send_replace(true);
        let mut held = Held::default();
        let mut loops = Loops::default();
        loop {
            if self.hold(&mut held, brought.status).await {
                loops.follow(self, &brought);
            } else {
                loops.end().await;
                self.observer.unreadable_vendors(0);
            }
            tokio::select! {
                () = sleep(LEASE_CHECK) => {}
                Some(ended) = loops.tasks.join_next() => match ended {
                    Err(error) if error.is_cancelled() => {}
                    ended => return Err(format!("a vendor's loop ended: {ended:?}")),
                },
            }
            self.bring_again(&mut brought).await;
        }
    }

    /// Brings the set as soon as the store is there.
    async fn bring_first(&self) -> AppliedSet {
        loop {
            match self.vendor_sets.apply_if_new(&self.set).await {
                Ok(brought) => {
                    self.log(&brought);
                    self.record(&brought);
                    return brought;
                }
                Err(error) => self.set_health.failed(Cause::from(&error), &error),
            }
            sleep(LEASE_CHECK).await;
        }
    }

    /// Compares the set with the one in the store again, which others may have replaced. A vendor of the current set that
    /// is not configured any more is switched on again.
    async fn bring_again(&self, brought: &mut AppliedSet) {
        match self.vendor_sets.apply_if_new(&self.set).await {
            Ok(now) => {
                if now.applied || now.status != brought.status {
                    self.log(&now);
                }
                self.record(&now);
                *brought = now;
            }
            Err(error) => self.set_health.failed(Cause::from(&error), &error),
        }
    }

    fn record(&self, brought: &AppliedSet) {
        if brought.configured.is_empty() {
            self.set_health
                .failed(Cause::NoVendors, &"every order is rejected");
        } else {
            self.set_health.succeeded();
        }
    }

    fn log(&self, brought: &AppliedSet) {
        let set = self.set.digest();
        match brought.status {
            SetStatus::Current if brought.applied => {
                info!(vendor.set = %set, vendors = brought.configured.len(), "applied the vendor set");
            }
            SetStatus::Current => info!(vendor.set = %set, "the vendor set is the current one"),
            SetStatus::Superseded => warn!(
                vendor.set = %set,
                "the vendors of these settings were replaced by a newer vendor set; working with the newer one. \
                 `vendor apply` makes these settings the current set again"
            ),
        }
    }

    /// Acquires the leases or checks that they are still held. Returns whether this process is the one that syncs.
    async fn hold(&self, held: &mut Held, status: SetStatus) -> bool {
        match self.try_hold(held, status).await {
            Ok(()) => self.health.succeeded(),
            Err(error) => self.health.failed(Cause::from(&error), &error),
        }
        held.main.is_some()
    }

    async fn try_hold(&self, held: &mut Held, status: SetStatus) -> Result<(), StoreError> {
        for lease in [&mut held.main, &mut held.current] {
            if let Some(own) = lease
                && !own.is_held().await
            {
                *lease = None;
            }
        }
        let has_precedence = match status {
            SetStatus::Current => {
                if held.current.is_none() {
                    held.current = self.leases.try_acquire(CURRENT_SET_LEASE).await?;
                }
                held.current.is_some()
            }
            SetStatus::Superseded => {
                held.current = None;
                // Given back at once: this only tests whether a process with the current set runs.
                let free = self.leases.try_acquire(CURRENT_SET_LEASE).await?;
                free.is_some()
            }
        };
        if !has_precedence {
            held.main = None;
        } else if held.main.is_none() {
            held.main = self.leases.try_acquire(LEASE).await?;
        }
        Ok(())
    }

    /// The vendor of the current set, if this process can read it: from the same source.
    fn find_readable(&self, member: &SetMember) -> Option<&ScheduledVendor> {
        let ConfiguredVendor { vendor_id, source } = &member.vendor;
        let own_source = self.set.source_of(vendor_id)?;
        let mut vendors = self.vendors.iter();
        vendors
            .find(|vendor| vendor.feed.vendor_id() == vendor_id)
            .filter(|_| source.as_ref() == Some(own_source))
    }
}

/// The loops of the vendors that are synced.
#[derive(Default)]
struct Loops {
    tasks: JoinSet<()>,
    running: BTreeMap<VendorId, RunningLoop>,
    /// Vendors of the current set that this process cannot read.
    unreadable: Vec<VendorId>,
}

/// The loop of a vendor.
struct RunningLoop {
    /// When the vendor was switched on for which the loop was started.
    configured_at: Option<Timestamp>,
    task: AbortHandle,
}

impl Loops {
    /// Ends all of them; syncs under way are undone.
    async fn end(&mut self) {
        if !self.running.is_empty() {
            warn!("this process does not sync vendors any more");
            self.running.clear();
            self.tasks.shutdown().await;
        }
        self.unreadable.clear();
    }

    /// Runs exactly one loop for each vendor of the current set that this process can read. One that was switched on since
    /// its loop was started is synced at once, by a new loop.
    fn follow(&mut self, scheduler: &Scheduler, brought: &AppliedSet) {
        let members = &brought.configured;
        let is_readable = |member: &&SetMember| scheduler.find_readable(member).is_some();
        self.running.retain(|vendor_id, running| {
            let stays = members.iter().filter(is_readable).any(|member| {
                member.vendor.vendor_id == *vendor_id
                    && member.configured_at == running.configured_at
            });
            if !stays {
                running.task.abort();
            }
            stays
        });
        let mut unreadable = Vec::new();
        for member in members {
            let vendor_id = &member.vendor.vendor_id;
            match scheduler.find_readable(member) {
                Some(vendor) if !self.running.contains_key(vendor_id) => {
                    self.start(scheduler, vendor.clone(), member.configured_at);
                }
                None if member.vendor.source.is_some() => unreadable.push(vendor_id.clone()),
                Some(_) | None => {}
            }
        }
        if unreadable != self.unreadable {
            for vendor_id in &unreadable {
                warn!(
                    vendor.id = %vendor_id,
                    "no running worker has the settings of this vendor of the current set: it is not synced"
                );
            }
            scheduler.observer.unreadable_vendors(unreadable.len());
            self.unreadable = unreadable;
        }
    }

    fn start(
        &mut self,
        scheduler: &Scheduler,
        vendor: ScheduledVendor,
        configured_at: Option<Timestamp>,
    ) {
        let vendor_id = vendor.feed.vendor_id().clone();
        info!(vendor.id = %vendor_id, "syncing this vendor from this process");
        let vendor_loop = VendorLoop {
            sync: scheduler.sync.clone(),
            vendor_sets: scheduler.vendor_sets.clone(),
            set: scheduler.set.clone(),
            vendor,
            health: scheduler.health.clone(),
        };
        let max_age = enforce_max_age(
            vendor_loop.sync.expiry(),
            Arc::clone(&vendor_loop.vendor.feed),
            vendor_loop.health.clone(),
        );
        let task = self.tasks.spawn(async move {
            tokio::join!(vendor_loop.sync_for_ever(), max_age);
        });
        let running = RunningLoop {
            configured_at,
            task,
        };
        self.running.insert(vendor_id, running);
    }
}

#[cfg(test)]
mod tests;
