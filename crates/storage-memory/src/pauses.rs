//! Pauses of vendors whose syncs failed, or that an operator has paused.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{
    OperatorPause, OperatorPauseRepository, PauseRepository, StoreError, StoredPause,
};
use domain::vendor_set::VendorSource;

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

#[async_trait]
impl OperatorPauseRepository for MemoryUnitOfWork {
    async fn find_vendor_source(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSource>, StoreError> {
        let vendor = self.tables().vendors.get(vendor_id);
        Ok(vendor.and_then(|row| row.source.clone()))
    }

    async fn pause_vendor(
        &mut self,
        vendor_id: &VendorId,
        reason: Option<String>,
    ) -> Result<Option<OperatorPause>, StoreError> {
        let now = self.now();
        self.write(|tables| {
            Ok(tables.vendors.get_mut(vendor_id).map(|row| {
                let paused = row.operator_pause.get_or_insert(OperatorPause {
                    since: now,
                    reason: None,
                });
                paused.reason = reason.or(paused.reason.take());
                paused.clone()
            }))
        })
    }

    async fn resume_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, StoreError> {
        self.write(|tables| {
            let vendor = tables.vendors.get_mut(vendor_id);
            Ok(vendor.and_then(|row| row.operator_pause.take()))
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
            .filter(|(_, row)| row.pause.is_some() || row.operator_pause.is_some())
            .map(|(vendor_id, row)| StoredPause {
                vendor_id: vendor_id.clone(),
                pause: row.pause.unwrap_or_default(),
                operator: row.operator_pause.clone(),
                now,
            })
            .collect()
    }
}
