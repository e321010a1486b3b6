//! The set of configured vendors, which lives in the store.

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

    /// Whether each configured vendor with a source was tried since it was configured. MUST be read before stock is
    /// locked: a first report that is not visible here may not be visible in the stock.
    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError>;
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
