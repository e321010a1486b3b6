//! Vendors that push their reports to the API: nothing is requested from them, and their `max_age` is enforced.

use std::future;

use domain::ports::ConfiguredPushFeed;
use domain::timestamp::Timestamp;
use domain::vendor_set::SetMember;

use super::{Loops, RunningLoop, Scheduler};
use crate::max_age::enforce_max_age;

impl Scheduler {
    /// Returns the settings of a member of the current set that pushes its reports, if this process has the vendor with the
    /// same source.
    pub(super) fn find_push_vendor(&self, member: &SetMember) -> Option<&ConfiguredPushFeed> {
        let vendor_id = &member.vendor.vendor_id;
        let own_source = self.set.source_of(vendor_id)?;
        let mut vendors = self.push_vendors.iter();
        vendors
            .find(|vendor| vendor.feed.vendor_id() == vendor_id)
            .filter(|_| member.vendor.source.as_ref() == Some(own_source))
    }
}

impl Loops {
    /// Enforces the `max_age` of a vendor, unless its loop is running.
    pub(super) fn start_push(
        &mut self,
        scheduler: &Scheduler,
        vendor: &ConfiguredPushFeed,
        configured_at: Option<Timestamp>,
    ) {
        let vendor_id = vendor.feed.vendor_id();
        if self.running.contains_key(vendor_id) {
            return;
        }
        let max_age = enforce_max_age(
            scheduler.sync.expiry(),
            vendor_id.clone(),
            vendor.feed.max_age(),
            scheduler.health.clone(),
        );
        let task = self.tasks.spawn(async move {
            max_age.await;
            // The end of a loop is an error.
            future::pending::<()>().await;
        });
        let running = RunningLoop {
            configured_at,
            task,
        };
        self.running.insert(vendor_id.clone(), running);
    }
}

#[cfg(test)]
mod tests;
