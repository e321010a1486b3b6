//! The pauses of vendors in a unit of work of both stores.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{OperatorPause, OperatorPauseRepository, PauseRepository, StoreError};
use domain::vendor_set::VendorSource;

use crate::paired_work::{PairedWork, both};

#[async_trait]
impl PauseRepository for PairedWork {
    async fn find_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        both!(self.find_pause(vendor_id), vendor_id)
    }

    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError> {
        let real_pause = self.pairs.with(|pairs| pairs.pause(pause));
        both!(self.save_pause(vendor_id, pause), vendor_id, &real_pause)
    }

    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        both!(self.clear_pause(vendor_id), vendor_id)
    }
}

#[async_trait]
impl OperatorPauseRepository for PairedWork {
    async fn find_vendor_source(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSource>, StoreError> {
        both!(self.find_vendor_source(vendor_id), vendor_id)
    }

    async fn pause_vendor(
        &mut self,
        vendor_id: &VendorId,
        reason: Option<String>,
    ) -> Result<Option<OperatorPause>, StoreError> {
        both!(
            self.pause_vendor(vendor_id, reason.clone()),
            vendor_id,
            reason.clone()
        )
    }

    async fn resume_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, StoreError> {
        both!(self.resume_vendor(vendor_id), vendor_id)
    }
}
