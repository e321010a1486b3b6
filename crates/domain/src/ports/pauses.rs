//! The pauses of vendors: of those that failed, and of those that an operator has paused. [`StoreProbe`](super::StoreProbe)
//! reads them outside of a transaction.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::VendorId;
use crate::pacing::VendorPause;
use crate::timestamp::Timestamp;
use crate::vendor_set::VendorSource;

/// A pause that an operator ordered: no scheduled sync begins until the operator ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPause {
    /// When the vendor was paused, by the store's clock.
    pub since: Timestamp,
    /// The operator's reason, on one line.
    pub reason: Option<String>,
}

/// A vendor's pauses, with the store's clock at the time of the read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPause {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The pause after failures; without failures if the last sync did not fail.
    pub pause: VendorPause,
    /// The pause that an operator ordered, if there is one.
    pub operator: Option<OperatorPause>,
    /// The store's clock at the time of the read.
    pub now: Timestamp,
}

/// Pauses vendors on the order of an operator. The pause is a part of the vendor's row: a rename MUST move it, and switching
/// the vendor off or on MUST NOT end it.
#[async_trait]
pub trait OperatorPauseRepository {
    /// Returns the source that the vendor was last configured with; `None` if there is no such vendor, or it has no source. MUST
    /// read the source of no other vendor.
    async fn find_vendor_source(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSource>, StoreError>;

    /// Pauses the vendor and returns its pause; MUST return `None` if there is no such vendor. If the vendor is paused already,
    /// MUST keep the time, and MUST keep the reason unless there is a new one.
    async fn pause_vendor(
        &mut self,
        vendor_id: &VendorId,
        reason: Option<String>,
    ) -> Result<Option<OperatorPause>, StoreError>;

    /// Ends the vendor's pause and returns it. MUST return `None` if the vendor was not paused by an operator.
    async fn resume_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, StoreError>;
}

/// Reads and writes the pauses after failures of vendors whose sync row the transaction has locked. A rename MUST move a vendor's pause,
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
