//! Pauses of vendors whose syncs failed.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{PauseRepository, StoreError, StoredPause};

use crate::store::MemoryStore;
use crate::tables::refused;
use crate::unit_of_work::MemoryUnitOfWork;

#[async_trait]
impl PauseRepository for MemoryUnitOfWork {
    async fn find_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        let vendor = self.tables().vendors.get(vendor_id);
        Ok(vendor.and_then(|row| row.pause))
    }

    async fn save_pause(
        &mut self,
        vendor_id: &VendorId,
        pause: &VendorPause,
    ) -> Result<(), StoreError> {
        self.write(|tables| {
            let row = tables
                .vendors
                .get_mut(vendor_id)
                .ok_or_else(|| refused(format!("vendor {vendor_id} does not exist")))?;
            row.pause = Some(*pause);
            Ok(())
        })
    }

    async fn clear_pause(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorPause>, StoreError> {
        self.write(|tables| {
            let vendor = tables.vendors.get_mut(vendor_id);
            Ok(vendor.and_then(|row| row.pause.take()))
        })
    }
}

impl MemoryStore {
    /// Returns the pauses of the given vendors, by vendor id; vendors without a pause are omitted.
    pub(crate) fn read_pauses(&self, vendor_ids: &[VendorId]) -> Vec<StoredPause> {
        let tables = self.committed();
        let now = self.shared().clock.now();
        let vendors = tables.vendors.iter();
        vendors
            .filter(|(vendor_id, _)| vendor_ids.contains(vendor_id))
            .filter_map(|(vendor_id, row)| {
                Some(StoredPause {
                    vendor_id: vendor_id.clone(),
                    pause: row.pause?,
                    now,
                })
            })
            .collect()
    }
}
