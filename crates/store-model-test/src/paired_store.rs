//! Both stores combined: a unit of work spans both, and each read goes to both.

use std::sync::Arc;

use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::comparison::ReportedStock;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::Order;
use domain::ports::{
    OrderFilter, OrderQueries, OutboxLag, ProductDetail, ReportedTotals, StockLevel, StockQueries,
    Store, StoreError, StoreProbe, StoredPause, StoredVendorSet, SyncQueries, UnitOfWork,
    VendorSetQueries, VendorSyncState,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::VendorSetDigest;
use storage_memory::MemoryStore;

use crate::paired_work::PairedWork;
use crate::pairs::{ClaimsOfWork, SharedPairs};
use port_contracts::StorageUnderTest;

/// Returns the model's results and records where the adapter's differ.
pub(super) struct PairedStore {
    pub(super) model: MemoryStore,
    store: Arc<dyn Store>,
    orders: Arc<dyn OrderQueries>,
    stock: Arc<dyn StockQueries>,
    probe: Arc<dyn StoreProbe>,
    vendor_sets: Arc<dyn VendorSetQueries>,
    sync: Arc<dyn SyncQueries>,
    pub(super) pairs: SharedPairs,
}

impl PairedStore {
    /// Combines an empty model with an empty store.
    pub(super) fn new(real: &StorageUnderTest) -> Self {
        Self {
            model: MemoryStore::new(Arc::new(SystemClock)),
            store: Arc::clone(&real.store),
            orders: Arc::clone(&real.orders),
            stock: Arc::clone(&real.stock),
            probe: Arc::clone(&real.probe),
            vendor_sets: Arc::clone(&real.vendor_sets),
            sync: Arc::clone(&real.sync),
            pairs: SharedPairs::default(),
        }
    }
}

/// Pairs two readings of the clocks at the same point of the sequence.
pub(super) fn record_reading(
    pairs: &SharedPairs,
    model: Result<Timestamp, StoreError>,
    real: &Result<Timestamp, StoreError>,
) -> Result<Timestamp, StoreError> {
    if let (Ok(model), Ok(real)) = (&model, real)
        && !pairs.with(|pairs| pairs.record_reading(*model, *real))
    {
        pairs.differ(&format!("the adapter's clock went back to {real}"));
    }
    pairs.compare("store_time", model, real)
}

#[async_trait]
impl Store for PairedStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.pairs.start_call()?;
        let model = self.model.begin().await?;
        let real = self.store.begin().await.inspect_err(|error| {
            self.pairs
                .differ(&format!("begin: the adapter returns {error:?}"));
        })?;
        Ok(Box::new(PairedWork {
            model,
            real,
            pairs: self.pairs.clone(),
            claims: ClaimsOfWork::begin(&self.pairs),
        }))
    }
}

#[async_trait]
impl OrderQueries for PairedStore {
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let real_id = self.pairs.with(|pairs| pairs.order(id));
        let model = self.model.find_order(id).await;
        let real = self.orders.find_order(real_id).await;
        self.pairs.compare("find_order", model, &real)
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        let model = self.model.find_orders(ids).await;
        let real = self.orders.find_orders(&real_ids).await;
        self.pairs.compare("find_orders", model, &real)
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        let model = self.model.find_settled(ids).await;
        let real = self.orders.find_settled(&real_ids).await;
        self.pairs.compare("find_settled", model, &real)
    }

    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let real_before = before.map(|id| self.pairs.with(|pairs| pairs.order(id)));
        let model = self.model.list_orders(filter, before, limit).await;
        let real = self.orders.list_orders(filter, real_before, limit).await;
        self.pairs.compare("list_orders", model, &real)
    }
}

#[async_trait]
impl StockQueries for PairedStore {
    async fn find_stock(
        &self,
        product_id: &ProductId,
    ) -> Result<Option<ProductDetail>, StoreError> {
        let model = self.model.find_stock(product_id).await;
        let real = self.stock.find_stock(product_id).await;
        self.pairs.compare("find_stock", model, &real)
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        let model = self.model.find_levels(product_ids).await;
        let real = self.stock.find_levels(product_ids).await;
        self.pairs.compare("find_levels", model, &real)
    }

    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        let model = self.model.list_stock(after.clone(), in_stock, limit).await;
        let real = self.stock.list_stock(after, in_stock, limit).await;
        self.pairs.compare("list_stock", model, &real)
    }
}

#[async_trait]
impl SyncQueries for PairedStore {
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        let model = self.model.find_sync_state(vendor_id).await;
        let real = self.sync.find_sync_state(vendor_id).await;
        self.pairs.compare("find_sync_state", model, &real)
    }

    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        let model = self
            .model
            .list_reported_stock(vendor_id, after.clone(), limit);
        let model = model.await;
        let real = self.sync.list_reported_stock(vendor_id, after, limit).await;
        self.pairs.compare("list_reported_stock", model, &real)
    }

    async fn sum_reported_stock(&self, vendor_id: &VendorId) -> Result<ReportedTotals, StoreError> {
        let model = self.model.sum_reported_stock(vendor_id).await;
        let real = self.sync.sum_reported_stock(vendor_id).await;
        self.pairs.compare("sum_reported_stock", model, &real)
    }

    async fn list_quarantined_lines(
        &self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<(ProductId, u32)>, StoreError> {
        let real_at = self.pairs.with(|pairs| pairs.timestamp(requested_at));
        let (model, real) = (&self.model, &self.sync);
        let model = model.list_quarantined_lines(vendor_id, requested_at, after.clone(), limit);
        let real = real.list_quarantined_lines(vendor_id, real_at, after, limit);
        let (model, real) = (model.await, real.await);
        self.pairs.compare("list_quarantined_lines", model, &real)
    }
}

#[async_trait]
impl VendorSetQueries for PairedStore {
    async fn find_vendor_set(
        &self,
        digest: &VendorSetDigest,
    ) -> Result<StoredVendorSet, StoreError> {
        let model = self.model.find_vendor_set(digest).await;
        let real = self.vendor_sets.find_vendor_set(digest).await;
        self.pairs.compare("find_vendor_set", model, &real)
    }
}

#[async_trait]
impl StoreProbe for PairedStore {
    fn unreadable_rows(&self) -> u64 {
        self.probe.unreadable_rows()
    }

    async fn store_time(&self) -> Result<Timestamp, StoreError> {
        let model = self.model.store_time().await;
        let real = self.probe.store_time().await;
        record_reading(&self.pairs, model, &real)
    }

    async fn outbox_lag(&self) -> Result<OutboxLag, StoreError> {
        let model = self.model.outbox_lag().await;
        let real = self.probe.outbox_lag().await;
        self.pairs.compare("outbox_lag", model, &real)
    }

    async fn count_outbox(&self, at_most: u32) -> Result<u64, StoreError> {
        let model = self.model.count_outbox(at_most).await;
        let real = self.probe.count_outbox(at_most).await;
        self.pairs.compare("count_outbox", model, &real)
    }

    async fn count_dead_letters(&self, at_most: u32) -> Result<u64, StoreError> {
        let model = self.model.count_dead_letters(at_most).await;
        let real = self.probe.count_dead_letters(at_most).await;
        self.pairs.compare("count_dead_letters", model, &real)
    }

    async fn were_tried(&self, vendor_ids: &[VendorId]) -> Result<bool, StoreError> {
        let model = self.model.were_tried(vendor_ids).await;
        let real = self.probe.were_tried(vendor_ids).await;
        self.pairs.compare("were_tried", model, &real)
    }

    async fn find_pauses(&self, vendor_ids: &[VendorId]) -> Result<Vec<StoredPause>, StoreError> {
        let model = self.model.find_pauses(vendor_ids).await;
        let real = self.probe.find_pauses(vendor_ids).await;
        self.pairs.compare("find_pauses", model, &real)
    }
}
