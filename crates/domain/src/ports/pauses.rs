//! The pauses of vendors that failed, inside a transaction. [`StoreProbe`](super::StoreProbe) reads them outside of one.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::VendorId;
use crate::pacing::VendorPause;
use crate::timestamp::Timestamp;

/// A vendor's pause, with the store's clock at the time of the read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPause {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The pause of the vendor.
    pub pause: VendorPause,
    /// The store's clock at the time of the read.
    pub now: Timestamp,
}

/// Reads and writes the pauses of vendors whose sync row the transaction has locked. A rename MUST move a vendor's pause,
/// and switching the vendor on MUST clear it.
#[async_trait]
pub trait PauseRepository {
    /// Returns the vendor's pause; MUST return `None` if none is stored.
    async fn find_pause(&mut self, vendor_id: &VendorId)
    -> Result<Option<VendorPause>, StoreError>;

    /// Replaces the vendor's pause. MUST fail if there is no such vendor.
    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError>;

    /// Removes the vendor's pause and returns it. MUST return `None` if there was none.
    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError>;
}
