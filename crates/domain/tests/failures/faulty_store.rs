//! The memory store, with injected failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderState};
use domain::ports::{
    Acceptance, ChangeRepository, DeadLetterRepository, FirstSyncs, LockedStock, LockedVendor,
    NewOrder, OrderRepository, OtherVendors, OutboxEntry, OutboxId, OutboxRepository,
    RequeueLimits, StockRepository, Store, StoreError, SwitchedVendors, SyncRecord, SyncRepository,
    UnitOfWork, VendorRename, VendorRenameRepository, VendorSetRecord, VendorSetRepository,
};
use domain::report_history::ReportHistory;
use domain::settlement::{PendingOrder, SettledOrder};
use domain::stock::{ProductStock, StockChange};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, VendorSetDigest};
use storage_memory::MemoryStore;

use crate::faults::{Failure, Faults, Role};

#[derive(Clone)]
pub(crate) struct FaultyStore {
    pub(crate) memory: MemoryStore,
    pub(crate) faults: Arc<Faults>,
    /// An order whose row is unreadable.
    pub(crate) unreadable: Option<OrderId>,
}

#[async_trait]
impl Store for FaultyStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        if let Some(failure) = self.faults.next_failure(Role::Work, "begin").await {
            return Err(failure.of_store());
        }
        Ok(Box::new(FaultyWork {
            inner: self.memory.begin().await?,
            faults: Arc::clone(&self.faults),
            unreadable: self.unreadable,
            failed: false,
        }))
    }
}

impl FaultyStore {
    pub(crate) async fn check(&self, name: &'static str) -> Result<(), StoreError> {
        let failure = self.faults.next_failure(Role::Probe, name).await;
        failure.map_or(Ok(()), |failure| Err(failure.of_store()))
    }
}

pub(crate) struct FaultyWork {
    pub(crate) inner: Box<dyn UnitOfWork>,
    faults: Arc<Faults>,
    unreadable: Option<OrderId>,
    /// Whether a call failed, after which a unit of work can only be dropped.
    failed: bool,
}

impl FaultyWork {
    pub(crate) async fn check(&mut self, role: Role, name: &'static str) -> Result<(), StoreError> {
        assert!(!self.failed, "{name} after a failed call");
        let failure = self.faults.next_failure(role, name).await;
        self.failed = failure.is_some();
        failure.map_or(Ok(()), |failure| Err(failure.of_store()))
    }
}

#[async_trait]
impl OrderRepository for FaultyWork {
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        self.check(Role::Work, "accept").await?;
        self.inner.accept(orders).await
    }

    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        self.check(Role::Work, "lock_pending").await?;
        if let Some(id) = self.unreadable.filter(|id| ids.contains(id)) {
            self.failed = true;
            return Err(StoreError::Corrupt {
                table: "orders",
                column: "quantity",
                row: id.to_string(),
            });
        }
        self.inner.lock_pending(ids).await
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        self.check(Role::Work, "try_lock_pending").await?;
        if let Some(id) = self.unreadable.filter(|id| ids.contains(id)) {
            self.failed = true;
            return Err(StoreError::Corrupt {
                table: "orders",
                column: "quantity",
                row: id.to_string(),
            });
        }
        self.inner.try_lock_pending(ids).await
    }

    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError> {
        self.check(Role::Work, "save_settled").await?;
        self.inner.save_settled(orders).await
    }

    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.check(Role::Work, "lock_order").await?;
        self.inner.lock_order(id).await
    }

    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError> {
        self.check(Role::Work, "save_state").await?;
        self.inner.save_state(id, state).await
    }

    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.check(Role::Work, "prune_keys").await?;
        self.inner.prune_keys(before, limit).await
    }
}

#[async_trait]
impl StockRepository for FaultyWork {
    async fn lock_stock(&mut self, ids: &[ProductId]) -> Result<Vec<ProductStock>, StoreError> {
        self.check(Role::Work, "lock_stock").await?;
        self.inner.lock_stock(ids).await
    }

    async fn try_lock_stock(&mut self, ids: &[ProductId]) -> Result<LockedStock, StoreError> {
        self.check(Role::Work, "try_lock_stock").await?;
        self.inner.try_lock_stock(ids).await
    }

    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
        self.check(Role::Work, "save_stock").await?;
        self.inner.save_stock(changes).await
    }
}

#[async_trait]
impl OutboxRepository for FaultyWork {
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        self.check(Role::Work, "claim").await?;
        self.inner.claim(limit, lease).await
    }

    async fn remove(&mut self, ids: &[OutboxId]) -> Result<(), StoreError> {
        self.check(Role::Work, "remove").await?;
        self.inner.remove(ids).await
    }

    async fn release(&mut self, ids: &[OutboxId]) -> Result<(), StoreError> {
        self.check(Role::Work, "release").await?;
        self.inner.release(ids).await
    }

    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError> {
        self.check(Role::Work, "postpone").await?;
        self.inner.postpone(ids, delay).await
    }

    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError> {
        self.check(Role::Work, "requeue_overdue").await?;
        self.inner.requeue_overdue(limits).await
    }
}

#[async_trait]
impl SyncRepository for FaultyWork {
    async fn lock_vendor(&mut self, id: &VendorId) -> Result<Option<LockedVendor>, StoreError> {
        self.check(Role::Work, "lock_vendor").await?;
        self.inner.lock_vendor(id).await
    }

    async fn find_reported_stock(
        &mut self,
        id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        self.check(Role::Work, "find_reported_stock").await?;
        self.inner.find_reported_stock(id, product_ids).await
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        self.check(Role::Work, "create_products").await?;
        self.inner.create_products(product_ids).await
    }

    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        self.check(Role::Work, "mark_included").await?;
        self.inner
            .mark_included(vendor_id, product_ids, as_of)
            .await
    }

    async fn advance_as_of(
        &mut self,
        id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        self.check(Role::Work, "advance_as_of").await?;
        self.inner.advance_as_of(id, product_ids, order).await
    }

    async fn repair_shipments(&mut self, id: &VendorId) -> Result<u64, StoreError> {
        self.check(Role::Work, "repair_shipments").await?;
        self.inner.repair_shipments(id).await
    }

    async fn find_by_expiry(
        &mut self,
        id: &VendorId,
        is_expired: bool,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        self.check(Role::Work, "find_by_expiry").await?;
        let found = self.inner.find_by_expiry(id, is_expired, after, limit);
        found.await
    }

    async fn save_history(
        &mut self,
        id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        self.check(Role::Work, "save_history").await?;
        self.inner.save_history(id, history).await
    }

    async fn record_sync<'r>(
        &mut self,
        id: &VendorId,
        record: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError> {
        self.check(Role::Work, "record_sync").await?;
        self.inner.record_sync(id, record, history).await
    }
}

#[async_trait]
impl VendorRenameRepository for FaultyWork {
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError> {
        self.check(Role::Work, "vendor_sources").await?;
        self.inner.vendor_sources().await
    }

    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError> {
        self.check(Role::Work, "rename_vendor").await?;
        self.inner.rename_vendor(old, new).await
    }
}

#[async_trait]
impl VendorSetRepository for FaultyWork {
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError> {
        self.check(Role::Work, "lock_vendor_sets").await?;
        self.inner.lock_vendor_sets(digest).await
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        self.check(Role::Work, "save_current_set").await?;
        self.inner.save_current_set(digest).await
    }

    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError> {
        self.check(Role::Work, "configure").await?;
        self.inner.configure(vendors, others).await
    }

    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError> {
        self.check(Role::Work, "first_syncs").await?;
        self.inner.first_syncs().await
    }

    async fn end_first_sync(&mut self, id: &VendorId) -> Result<u64, StoreError> {
        self.check(Role::Work, "end_first_sync").await?;
        self.inner.end_first_sync(id).await
    }
}

#[async_trait]
impl ChangeRepository for FaultyWork {
    async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.check(Role::Work, "prune_changes").await?;
        self.inner.prune_changes(before, limit).await
    }
}

#[async_trait]
impl DeadLetterRepository for FaultyWork {
    async fn record_dead_letter(&mut self, id: OrderId, reason: &str) -> Result<bool, StoreError> {
        self.check(Role::Work, "record_dead_letter").await?;
        self.inner.record_dead_letter(id, reason).await
    }

    async fn replay_orders(&mut self, ids: &[OrderId]) -> Result<u64, StoreError> {
        self.check(Role::Work, "replay_orders").await?;
        self.inner.replay_orders(ids).await
    }

    async fn discard_dead_letters(&mut self, ids: &[OrderId]) -> Result<u64, StoreError> {
        self.check(Role::Work, "discard_dead_letters").await?;
        self.inner.discard_dead_letters(ids).await
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        self.check(Role::Work, "prune_dead_letters").await?;
        self.inner.prune_dead_letters(limit).await
    }
}

#[async_trait]
impl UnitOfWork for FaultyWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        self.check(Role::Work, "store_time").await?;
        self.inner.store_time().await
    }

    async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError> {
        self.check(Role::Work, "limit_lock_waits").await?;
        self.inner.limit_lock_waits(longest).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        assert!(!self.failed, "commit after a failed call");
        match self.faults.next_failure(Role::Commit, "commit").await {
            None => self.inner.commit().await,
            Some(failure) => {
                if failure == Failure::ReplyLost {
                    self.inner.commit().await?;
                    return Err(StoreError::CommitUnknown("injected".to_owned()));
                }
                Err(failure.of_store())
            }
        }
    }
}
