//! The pauses of vendors that failed, inside a transaction. [`StoreProbe`](super::StoreProbe) reads them outside.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::VendorId;
use crate::pacing::VendorPause;
use crate::timestamp::Timestamp;

/// A vendor's pause as it was read, with the store's clock at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPause {
    /// The vendor.
    pub vendor_id: VendorId,
    /// Its pause.
    pub pause: VendorPause,
    /// The store's clock.
    pub now: Timestamp,
}

/// Reads and writes the pauses of vendors whose sync row the transaction has locked. A rename moves a vendor's pause, and
/// switching the vendor on clears it.
#[async_trait]
pub trait PauseRepository {
    /// The vendor's pause; `None` if its last sync did not fail.
    async fn find_pause(&mut self, vendor_id: &VendorId)
    -> Result<Option<VendorPause>, StoreError>;

    /// Replaces the vendor's pause. MUST fail if there is no such vendor.
    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError>;

    /// Removes the vendor's pause and returns it; `None` if there was none.
    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError>;
}
