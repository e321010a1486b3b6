//! The set of configured vendors, which lives in the store.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{ProductId, VendorId};
use crate::timestamp::Timestamp;
use crate::vendor_set::{ConfiguredVendor, SetMember, VendorSetDigest};

/// What the store records of a set that somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorSetRecord {
    /// The set was applied at least once.
    pub was_applied: bool,
    /// The set is the one that was applied last.
    pub is_current: bool,
}

/// A vendor set as the store has it, with the vendors that are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVendorSet {
    /// The record of the set that was asked for.
    pub record: VendorSetRecord,
    /// All vendors that are sold from, by id: those of the current set, and those that were added to it.
    pub configured: Vec<SetMember>,
}

/// What happens to configured vendors that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherVendors {
    /// They stay configured.
    Keep,
    /// They are not sold from any more; what is known of them stays.
    SwitchOff,
}

/// The effect of a change of the configured vendors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwitchedVendors {
    /// Vendors that were not configured before and are now, by id.
    pub on: Vec<VendorId>,
    /// Products of vendors that were switched on or off, by id: their quantity can be another one.
    pub products: Vec<ProductId>,
    /// All vendors that are configured now, by id.
    pub configured: Vec<SetMember>,
}

/// The configured vendors that were never tried since they were configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntriedVendors {
    /// When the last of them was configured; the start of time if that is not known.
    pub configured_at: Timestamp,
}

/// The store's time, and what was not tried yet at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSyncs {
    /// The store's clock.
    pub now: Timestamp,
    /// None if each configured vendor with a source was tried.
    pub untried: Option<UntriedVendors>,
}

impl FirstSyncs {
    /// How long a rejection still has to wait: until `grace` has passed since the last vendor without a first sync was
    /// configured, or since this process began to settle at `started`, whichever is later. None if it need not wait. A time
    /// that lies in the future is that of a clock which was corrected since, and does not count.
    #[must_use]
    pub fn rejections_wait(&self, started: Timestamp, grace: Duration) -> Option<Duration> {
        let moments = [self.untried?.configured_at, started].into_iter();
        let since = moments.filter(|moment| *moment <= self.now).max()?;
        let until = since.plus(grace);
        (self.now < until).then(|| until.since(self.now))
    }
}

/// Reads and writes the vendor set inside a transaction.
#[async_trait]
pub trait VendorSetRepository {
    /// Locks the records of vendor sets until the end of the transaction, and returns that of this set. Two transactions
    /// MUST NOT hold the lock at the same time. In the lock order it comes before everything else.
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError>;

    /// Records the set as the one that was applied last.
    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError>;

    /// Makes the vendors configured ones and stores their sources. A vendor that was not configured before is switched
    /// on: the result of its last sync MUST be cleared, so that it counts as never tried, and the store's time MUST be
    /// stored as the time at which it was configured. MUST change nothing of a vendor that is configured with the same
    /// source. Locks the vendors' rows by id.
    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError>;

    /// Whether each configured vendor with a source was tried since it was configured. MUST return what was committed before
    /// the call, also what was committed after other calls of this unit of work.
    ///
    /// Settlement reads it after it has locked stock, and only for a batch with a rejection. A first report may have been
    /// committed in between, and then the vendor counts as tried although the stock was read without its numbers. That
    /// cannot be so for a product whose row this unit of work holds, because a report locks the same row (one that waits for it
    /// in vain leaves the product as it is, until the vendor's next sync). It can for a product that was unknown when stock was
    /// locked. So a caller that finds no vendor untried MUST look for unknown
    /// products again ([`try_lock_stock`](super::StockRepository::try_lock_stock)) before it rejects their orders.
    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError>;

    /// To be called before the result of a sync is recorded. If it is the vendor's first since it was configured, orders
    /// that were [postponed](super::OutboxRepository::postpone) wait no longer. Returns the number of outbox entries that
    /// this frees. MUST NOT wait for entries that another transaction holds.
    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError>;
}

/// Reads the vendor set outside a transaction.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorSetQueries: Send + Sync {
    /// The record of this set and the configured vendors, both read at one moment.
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

    fn waits(now: i64, configured_at: Option<i64>, started: i64) -> Option<u64> {
        let first_syncs = FirstSyncs {
            now: at(now),
            untried: configured_at.map(|moment| UntriedVendors {
                configured_at: at(moment),
            }),
        };
        let wait = first_syncs.rejections_wait(at(started), GRACE);
        wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn a_rejection_waits_until_the_grace_has_passed_since_the_later_of_configuration_and_start() {
        assert_eq!(waits(100, None, 100), None);
        assert_eq!(waits(100, Some(100), 10), Some(30));
        assert_eq!(waits(129, Some(100), 10), Some(1));
        assert_eq!(waits(130, Some(100), 10), None);
        assert_eq!(waits(129, Some(0), 100), Some(1));
        assert_eq!(waits(130, Some(0), 100), None);
    }

    #[test]
    fn a_time_in_the_future_makes_no_rejection_wait_for_longer() {
        assert_eq!(waits(100, Some(1_000), 90), Some(20));
        assert_eq!(waits(100, Some(1_000), 50), None);
        assert_eq!(waits(100, Some(1_000), 1_000), None);
    }
}
