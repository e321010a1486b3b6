//! The set of configured vendors, as the store keeps it.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{ProductId, VendorId};
use crate::timestamp::Timestamp;
use crate::vendor_set::{ConfiguredVendor, SetMember, VendorSetDigest};

/// The store's record of a vendor set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorSetRecord {
    /// Whether the set was applied at least once.
    pub was_applied: bool,
    /// Whether the set is the one that was applied last.
    pub is_current: bool,
}

/// The record of a vendor set, and the vendors that are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVendorSet {
    /// The record of the requested set.
    pub record: VendorSetRecord,
    /// All configured vendors, by id: those of the current set, and those that were added to it.
    pub configured: Vec<SetMember>,
}

/// The treatment of configured vendors that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherVendors {
    /// They stay configured.
    Keep,
    /// They are no longer sold from; their data is kept.
    SwitchOff,
}

/// The effect of a change of the configured vendors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwitchedVendors {
    /// Vendors that are newly configured, by id.
    pub on: Vec<VendorId>,
    /// Products of vendors that were switched on or off, by id: their quantity may have changed.
    pub products: Vec<ProductId>,
    /// All vendors that are configured now, by id.
    pub configured: Vec<SetMember>,
}

/// The configured vendors that were never tried since they were configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntriedVendors {
    /// When the last of them was configured; the earliest timestamp if that is not known.
    pub configured_at: Timestamp,
}

/// The vendors that were not tried yet, with the store's time of the read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSyncs {
    /// The store's clock.
    pub now: Timestamp,
    /// `None` if each configured vendor with a source was tried.
    pub untried: Option<UntriedVendors>,
}

impl FirstSyncs {
    /// The remaining time for which rejections are delayed: until `grace` has passed since the last vendor without a first
    /// sync was configured, or since this process began to settle at `started`, whichever is later. `None` if rejections are
    /// not delayed. An instant in the future is ignored: it was written while the clock was ahead.
    #[must_use]
    pub fn rejections_wait(&self, started: Timestamp, grace: Duration) -> Option<Duration> {
        let instants = [self.untried?.configured_at, started].into_iter();
        let since = instants.filter(|instant| *instant <= self.now).max()?;
        let until = since.plus(grace);
        (self.now < until).then(|| until.since(self.now))
    }
}

/// Reads and writes the vendor set inside a transaction.
#[async_trait]
pub trait VendorSetRepository {
    /// Locks the records of vendor sets until the end of the transaction, and returns that of this set. At most one
    /// transaction at a time MUST hold the lock. It is the first in the lock order.
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError>;

    /// Records the set as the one that was applied last. MUST replace the current set.
    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError>;

    /// Configures the vendors and stores their sources. A vendor that was not configured before is switched on: the result
    /// of its last sync MUST be cleared, so that it counts as never tried, and the store's time MUST be stored as the time
    /// at which it was configured. MUST NOT change a vendor that is already configured with the same source. MUST lock the
    /// vendors' rows by id.
    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError>;

    /// Returns whether each configured vendor with a source was tried since it was configured. MUST return what was committed
    /// before the call, also what was committed after other calls of this unit of work. MUST NOT count a vendor as tried whose
    /// last sync is [`NotReady`](super::SyncOutcome::NotReady): its report is about to be known.
    ///
    /// Settlement reads it after it has locked stock, and only for a batch with a rejection. A first report may have been
    /// committed in between, and then the vendor counts as tried although the stock was read without its numbers. That is
    /// impossible for a product whose row this unit of work holds, because a report locks the same row (a report that cannot
    /// lock it leaves the product to the vendor's next sync). It is possible for a product that was unknown when stock was
    /// locked. So a caller that finds no untried vendor MUST try to lock unknown products again
    /// ([`try_lock_stock`](super::StockRepository::try_lock_stock)) before it rejects their orders.
    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError>;

    /// Called before the result of a sync is recorded, unless the result is [`NotReady`](super::SyncOutcome::NotReady). If the
    /// vendor does not count as tried yet, orders that were [postponed](super::OutboxRepository::postpone) MUST become due. Returns the number of outbox entries that
    /// become due. MUST NOT wait for entries that another transaction holds.
    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError>;
}

/// Reads the vendor set outside a transaction.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorSetQueries: Send + Sync {
    /// Returns the record of this set and the configured vendors. MUST read both in one consistent snapshot.
    async fn find_vendor_set(
        &self,
        digest: &VendorSetDigest,
    ) -> Result<StoredVendorSet, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn delay_s(now: i64, configured_at: Option<i64>, started: i64) -> Option<u64> {
        let first_syncs = FirstSyncs {
            now: at(now),
            untried: configured_at.map(|seconds| UntriedVendors {
                configured_at: at(seconds),
            }),
        };
        let wait = first_syncs.rejections_wait(at(started), GRACE);
        wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn rejections_are_delayed_by_the_grace_after_configuration_or_start_whichever_is_later() {
        assert_eq!(delay_s(100, None, 100), None);
        assert_eq!(delay_s(100, Some(100), 10), Some(30));
        assert_eq!(delay_s(129, Some(100), 10), Some(1));
        assert_eq!(delay_s(130, Some(100), 10), None);
        assert_eq!(delay_s(129, Some(0), 100), Some(1));
        assert_eq!(delay_s(130, Some(0), 100), None);
    }

    #[test]
    fn instants_in_the_future_do_not_delay_rejections() {
        assert_eq!(delay_s(100, Some(1_000), 90), Some(20));
        assert_eq!(delay_s(100, Some(1_000), 50), None);
        assert_eq!(delay_s(100, Some(1_000), 1_000), None);
    }
}
