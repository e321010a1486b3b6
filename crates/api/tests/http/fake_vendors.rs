//! The vendors of the fake store, their runs, and the vendor set.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{
    Run, RunId, RunQueries, StoreError, StoredVendorSet, VendorQueries, VendorSetQueries,
    VendorSetRecord, VendorStatus,
};
use domain::vendor_set::VendorSetDigest;

use crate::fake_store::FakeStore;

#[async_trait]
impl VendorQueries for FakeStore {
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let found = vendor_ids.iter().filter_map(|id| rows.vendors.get(id));
        Ok(found
            .map(|status| VendorStatus {
                quarantined: rows.history.quarantined.clone(),
                ..status.clone()
            })
            .collect())
    }
}

#[async_trait]
impl RunQueries for FakeStore {
    async fn list_runs(
        &self,
        vendor_id: &VendorId,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<Run>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let runs = rows.runs.get(vendor_id).into_iter().flatten().rev();
        let page = runs.filter(|run| before.is_none_or(|before| run.id < before));
        Ok(page.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl VendorSetQueries for FakeStore {
    async fn find_vendor_set(&self, _: &VendorSetDigest) -> Result<StoredVendorSet, StoreError> {
        self.check().await?;
        Ok(StoredVendorSet {
            record: VendorSetRecord {
                was_applied: false,
                is_current: false,
            },
            configured: self.0.lock().unwrap().configured.clone(),
        })
    }
}
