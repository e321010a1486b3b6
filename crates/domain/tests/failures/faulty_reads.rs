//! The queries of the memory store, with injected failures.

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    OutboxLag, StoreError, StoreProbe, StoredPause, StoredVendorSet, SyncQueries, VendorSetQueries,
    VendorSyncState,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::VendorSetDigest;

use crate::faulty_store::FaultyStore;

#[async_trait]
impl StoreProbe for FaultyStore {
    fn unreadable_rows(&self) -> u64 {
        self.memory.unreadable_rows()
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        self.check("probe store_time").await?;
        StoreProbe::store_time(&self.memory).await
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        self.check("outbox_lag").await?;
        self.memory.outbox_lag().await
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        self.check("count_outbox").await?;
        self.memory.count_outbox(at_most).await
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        self.check("count_dead_letters").await?;
        self.memory.count_dead_letters(at_most).await
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        self.check("were_tried").await?;
        self.memory.were_tried(vendor_ids).await
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        self.check("find_pauses").await?;
        self.memory.find_pauses(vendor_ids).await
    }
}

#[async_trait]
impl VendorSetQueries for FaultyStore {
    async fn find_vendor_set(
        &self,
        digest: &VendorSetDigest,
    ) -> Result<StoredVendorSet, StoreError> {
        self.check("find_vendor_set").await?;
        self.memory.find_vendor_set(digest).await
    }
}

#[async_trait]
impl SyncQueries for FaultyStore {
    async fn find_sync_state(&self, id: &VendorId) -> Result<Option<VendorSyncState>, StoreError> {
        self.check("find_sync_state").await?;
        self.memory.find_sync_state(id).await
    }

    async fn list_reported_stock(
        &self,
        id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        self.check("list_reported_stock").await?;
        self.memory.list_reported_stock(id, after, limit).await
    }
}
