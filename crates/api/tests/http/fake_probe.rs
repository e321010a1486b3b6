//! Probe and sync queries of the fake store.

use std::time::Duration;

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    OutboxLag, ReportedTotals, StoreError, StoreProbe, StoredPause, SyncQueries, VendorSyncState,
    WriteProbe,
};
use domain::timestamp::Timestamp;

use crate::fake_store::FakeStore;

#[async_trait]
impl StoreProbe for FakeStore {
    fn unreadable_rows(&self) -> u64 {
        0
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        self.check().await?;
        Ok(self.0.lock().unwrap().now())
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        self.check().await?;
        let is_empty = self.0.lock().unwrap().orders.is_empty();
        Ok(OutboxLag {
            oldest: (!is_empty).then_some(Duration::from_millis(1_500)),
        })
    }

    async fn count_outbox(&self, _at_most: u32) -> Result<u64, StoreError> {
        self.check().await?;
        Ok(self.0.lock().unwrap().orders.len() as u64)
    }

    async fn count_dead_letters(&self, _at_most: u32) -> Result<u64, StoreError> {
        self.check().await?;
        Ok(0)
    }

    async fn were_tried(&self, _vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        self.check().await?;
        Ok(true)
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        self.check().await?;
        let mut rows = self.0.lock().unwrap();
        let now = rows.now();
        let paused = |id: &&VendorId| rows.pauses.contains_key(id) || rows.paused.contains_key(id);
        let found = vendor_ids.iter().filter(paused);
        Ok(found
            .map(|vendor_id| StoredPause {
                vendor_id: vendor_id.clone(),
                pause: rows.pauses.get(vendor_id).copied().unwrap_or_default(),
                operator: rows.paused.get(vendor_id).cloned(),
                now,
            })
            .collect())
    }
}

#[async_trait]
impl WriteProbe for FakeStore {
    async fn probe_write(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SyncQueries for FakeStore {
    async fn find_sync_state(&self, id: &VendorId) -> Result<Option<VendorSyncState>, StoreError> {
        self.check().await?;
        let mut rows = self.0.lock().unwrap();
        let now = rows.now();
        let is_known = rows.vendors.contains_key(id);
        Ok(is_known.then(|| VendorSyncState {
            now,
            history: rows.history.clone(),
            configured_at: None,
            has_stock: rows.has_stock,
            has_future_shipments: false,
            has_unmarked_shipments: false,
            has_quarantined_lines: false,
        }))
    }

    /// Returns no stock unless a test sets some, so that each product of a report counts as changed.
    async fn list_reported_stock(
        &self,
        _: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let rows = rows.reported.iter();
        let page = rows.filter(|row| after.as_ref().is_none_or(|after| row.product_id > *after));
        Ok(page.take(limit as usize).cloned().collect())
    }

    async fn sum_reported_stock(&self, _: &VendorId) -> Result<ReportedTotals, StoreError> {
        self.check().await?;
        Ok(ReportedTotals {
            units: 0,
            products: 0,
        })
    }

    async fn list_quarantined_lines(
        &self,
        _: &VendorId,
        _: Timestamp,
        _: Option<ProductId>,
        _: u32,
    ) -> Result<Vec<(ProductId, u32)>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let lines = rows.quarantined.iter();
        Ok(lines.map(|(id, units)| (id.clone(), *units)).collect())
    }
}
