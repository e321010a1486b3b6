//! Applies the vendor set of this process, and syncs each vendor at start and then at its interval, in one process at a
//! time.
//!
//! The set in the store decides which vendors are synced. A process whose set is new applies it at its start, without a
//! lease. Then leases decide which process syncs: a process with the current set has precedence over a process with a
//! superseded set, which may not have the settings of every vendor. If two processes sync the same vendor nevertheless,
//! because the loss of a lease was not noticed, the vendor's row lock serialises them.

mod push;
mod vendor_loop;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{ConfiguredFeed, ConfiguredPushFeed, Lease, Leases, Observer, StoreError};
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

/// The lease that only a process with the current set holds. While it is held, no process with a superseded set syncs.
const CURRENT_SET_LEASE: &str = "vendor-sync-current-set";

/// Interval at which a process acquires or checks its leases, and compares its set with the set in the store.
const LEASE_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Schedules the syncs of one process.
pub struct Scheduler {
    /// Use case that syncs a vendor.
    pub sync: VendorSync,
    /// Use case that applies the vendor set.
    pub vendor_sets: VendorSets,
    /// Leases that decide which process syncs.
    pub leases: Arc<dyn Leases>,
    /// The vendors that this process has feeds for.
    pub vendors: Vec<ConfiguredFeed>,
    /// The vendors of the settings that push their reports: only their `max_age` is enforced.
    pub push_vendors: Vec<ConfiguredPushFeed>,
    /// The vendor set of this process's settings, including vendors without a feed.
    pub set: VendorSet,
    /// Records the outcomes of the syncs and leases.
    pub health: TaskHealth,
    /// Records the outcomes of applying the set. An empty set is a failure: every order would be rejected.
    pub set_health: TaskHealth,
    /// Becomes true once the set has been applied: until then the store may have no vendors, and every order would be
    /// rejected.
    pub vendor_set_applied: watch::Sender<bool>,
    /// Records the number of vendors that cannot be synced.
    pub observer: Arc<dyn Observer>,
}

/// The leases that a process holds.
#[derive(Default)]
struct Held {
    /// [`CURRENT_SET_LEASE`].
    current: Option<Box<dyn Lease>>,
    /// [`LEASE`].
    main: Option<Box<dyn Lease>>,
}

impl Scheduler {
    /// Runs until `stop` is cancelled; a sync in progress is dropped, which rolls it back.
    ///
    /// # Errors
    /// If the loop of a vendor panicked.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            result = self.run_with_leases() => result,
        }
    }

    async fn run_with_leases(&self) -> Result<(), String> {
        let mut applied = self.apply_set_at_start().await;
        self.vendor_set_applied.send_replace(true);
        let mut held = Held::default();
        let mut loops = Loops::default();
        loop {
            if self.hold(&mut held, applied.status).await {
                loops.update(self, &applied);
            } else {
                loops.end().await;
                self.observer.unreadable_vendors(0);
            }
            tokio::select! {
                () = sleep(LEASE_CHECK_INTERVAL) => {}
                Some(ended) = loops.tasks.join_next() => match ended {
                    Err(error) if error.is_cancelled() => {}
                    ended => return Err(format!("the loop of a vendor ended: {ended:?}")),
                },
            }
            self.apply_set_again(&mut applied).await;
        }
    }

    /// Applies the set as soon as the store is available.
    async fn apply_set_at_start(&self) -> AppliedSet {
        loop {
            match self.vendor_sets.apply_if_new(&self.set).await {
                Ok(applied) => {
                    self.log(&applied);
                    self.record(&applied);
                    return applied;
                }
                Err(error) => self.set_health.failed(Cause::from(&error), &error),
            }
            sleep(LEASE_CHECK_INTERVAL).await;
        }
    }

    /// Compares the set with the set in the store, which other processes may have replaced. A vendor of the current set that
    /// is no longer configured is configured again.
    async fn apply_set_again(&self, applied: &mut AppliedSet) {
        match self.vendor_sets.apply_if_new(&self.set).await {
            Ok(now) => {
                if now.applied || now.status != applied.status {
                    self.log(&now);
                }
                self.record(&now);
                *applied = now;
            }
            Err(error) => self.set_health.failed(Cause::from(&error), &error),
        }
    }

    fn record(&self, applied: &AppliedSet) {
        if applied.configured.is_empty() {
            self.set_health
                .failed(Cause::NoVendors, &"every order is rejected");
        } else {
            self.set_health.succeeded();
        }
    }

    fn log(&self, applied: &AppliedSet) {
        let set = self.set.digest();
        match applied.status {
            SetStatus::Current if applied.applied => {
                info!(vendor.set = %set, vendors = applied.configured.len(), "vendor set applied");
            }
            SetStatus::Current => info!(vendor.set = %set, "vendor set is current"),
            SetStatus::Superseded => warn!(
                vendor.set = %set,
                "the vendor set of these settings is superseded; using the current set. \
                 `order-aggregator-admin vendor apply` makes these settings the current set again"
            ),
        }
    }

    /// Acquires the leases, or checks that they are still held. Returns whether this process syncs.
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
                // Released immediately: this only tests whether a process with the current set is running.
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

    /// Returns the feed of a member of the current set, if this process has the vendor with the same source.
    fn find_vendor(&self, member: &SetMember) -> Option<&ConfiguredFeed> {
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
    /// Vendors of the current set that this process has no feed for.
    unreadable: Vec<VendorId>,
}

/// The running loop of a vendor.
struct RunningLoop {
    /// When the vendor was configured, as of the start of the loop.
    configured_at: Option<Timestamp>,
    task: AbortHandle,
}

impl Loops {
    /// Ends all loops; syncs in progress are rolled back.
    async fn end(&mut self) {
        if !self.running.is_empty() {
            warn!("lease no longer held; stopped syncing vendors");
            self.running.clear();
            self.tasks.shutdown().await;
        }
        self.unreadable.clear();
    }

    /// Runs exactly one loop for each vendor of the current set that this process has a feed for. A vendor that was
    /// configured again since its loop started is synced immediately by a new loop.
    fn update(&mut self, scheduler: &Scheduler, applied: &AppliedSet) {
        let members = &applied.configured;
        let has_feed = |member: &&SetMember| {
            scheduler.find_vendor(member).is_some() || scheduler.find_push_vendor(member).is_some()
        };
        self.running.retain(|vendor_id, running| {
            let is_unchanged = members.iter().filter(has_feed).any(|member| {
                member.vendor.vendor_id == *vendor_id
                    && member.configured_at == running.configured_at
            });
            if !is_unchanged {
                running.task.abort();
            }
            is_unchanged
        });
        let mut unreadable = Vec::new();
        for member in members {
            let vendor_id = &member.vendor.vendor_id;
            if let Some(pushed) = scheduler.find_push_vendor(member) {
                self.start_push(scheduler, pushed, member.configured_at);
                continue;
            }
            match scheduler.find_vendor(member) {
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
                    "vendor of the current set is not synced: this process has no settings for it"
                );
            }
            scheduler.observer.unreadable_vendors(unreadable.len());
            self.unreadable = unreadable;
        }
    }

    fn start(
        &mut self,
        scheduler: &Scheduler,
        vendor: ConfiguredFeed,
        configured_at: Option<Timestamp>,
    ) {
        let vendor_id = vendor.feed.vendor_id().clone();
        info!(vendor.id = %vendor_id, "started syncing the vendor");
        let vendor_loop = VendorLoop {
            sync: scheduler.sync.clone(),
            vendor_sets: scheduler.vendor_sets.clone(),
            set: scheduler.set.clone(),
            vendor,
            health: scheduler.health.clone(),
        };
        let max_age = enforce_max_age(
            vendor_loop.sync.expiry(),
            vendor_id.clone(),
            vendor_loop.vendor.feed.max_age(),
            vendor_loop.health.clone(),
        );
        let task = self.tasks.spawn(async move {
            tokio::join!(vendor_loop.run(), max_age);
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
