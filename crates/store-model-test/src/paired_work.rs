//! A unit of work of both stores: each call goes to both, and the results are compared.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderState};
use domain::ports::{
    Acceptance, ChangeRepository, DeadLetterRepository, FirstSyncs, LockedBatch, LockedStock,
    LockedVendor, NewOrder, OrderRepository, OtherVendors, OutboxEntry, OutboxId, OutboxRepository,
    RequeueLimits, RunRepository, StockRepository, StoreError, SwitchedVendors, SyncRecord,
    SyncRepository, UnitOfWork, VendorRename, VendorRenameRepository, VendorSetRecord,
    VendorSetRepository,
};
use domain::report_history::ReportHistory;
use domain::settlement::{PendingOrder, SettledBatch, SettledOrder};
use domain::stock::{ProductStock, StockChange};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, VendorSetDigest};

use crate::pairs::{ClaimsOfWork, SharedPairs};

/// Returns the model's results and records where the adapter's differ.
pub(super) struct PairedWork {
    pub(super) model: Box<dyn UnitOfWork>,
    pub(super) real: Box<dyn UnitOfWork>,
    pub(super) pairs: SharedPairs,
    pub(super) claims: ClaimsOfWork,
}

/// Calls both stores: the model with the given arguments, and the adapter with the corresponding ones.
macro_rules! both {
    ($self:ident.$call:ident($($argument:expr),*), $($real:expr),*) => {{
        $self.pairs.start_call()?;
        let model = $self.model.$call($($argument),*).await;
        let real = $self.real.$call($($real),*).await;
        $self.pairs.compare(stringify!($call), model, &real)
    }};
}

mod quarantine;

pub(super) use both;

#[async_trait]
impl OrderRepository for PairedWork {
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        both!(self.accept(orders), orders)
    }

    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        both!(self.lock_pending(ids), &real_ids)
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        both!(self.try_lock_pending(ids), &real_ids)
    }

    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError> {
        let real_orders = self.pairs.with(|pairs| pairs.settled(orders));
        both!(self.save_settled(orders), &real_orders)
    }

    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let real_id = self.pairs.with(|pairs| pairs.order(id));
        both!(self.lock_order(id), real_id)
    }

    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError> {
        let real_id = self.pairs.with(|pairs| pairs.order(id));
        both!(self.save_state(id, state), real_id, state)
    }

    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let real_before = self.pairs.with(|pairs| pairs.timestamp(before));
        both!(self.prune_keys(before, limit), real_before, limit)
    }
}

#[async_trait]
impl StockRepository for PairedWork {
    async fn lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<Vec<ProductStock>, StoreError> {
        both!(self.lock_stock(product_ids), product_ids)
    }

    async fn try_lock_stock(
        &mut self,
        product_ids: &[ProductId],
    ) -> Result<LockedStock, StoreError> {
        both!(self.try_lock_stock(product_ids), product_ids)
    }

    async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError> {
        let real_changes = self.pairs.with(|pairs| pairs.changes(changes));
        both!(self.save_stock(changes), &real_changes)
    }
}

#[async_trait]
impl OutboxRepository for PairedWork {
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        both!(self.claim(limit, lease), limit, lease)
    }

    async fn remove(&mut self, ids: &[OutboxId]) -> Result<(), StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.entries(ids));
        both!(self.remove(ids), &real_ids)
    }

    async fn release(&mut self, ids: &[OutboxId]) -> Result<(), StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.entries(ids));
        both!(self.release(ids), &real_ids)
    }

    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        both!(self.postpone(ids, delay), &real_ids, delay)
    }

    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError> {
        both!(self.requeue_overdue(limits), limits)
    }
}

#[async_trait]
impl SyncRepository for PairedWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError> {
        both!(self.lock_vendor(vendor_id), vendor_id)
    }

    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        both!(
            self.find_reported_stock(vendor_id, product_ids),
            vendor_id,
            product_ids
        )
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        both!(self.create_products(product_ids), product_ids)
    }

    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        let real_as_of = self.pairs.with(|pairs| pairs.timestamp(as_of));
        both!(
            self.mark_included(vendor_id, product_ids, as_of),
            vendor_id,
            product_ids,
            real_as_of
        )
    }

    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        let real_order = self.pairs.with(|pairs| pairs.report_order(order));
        both!(
            self.advance_as_of(vendor_id, product_ids, order),
            vendor_id,
            product_ids,
            real_order
        )
    }

    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        both!(self.repair_shipments(vendor_id), vendor_id)
    }

    async fn find_by_expiry(
        &mut self,
        vendor_id: &VendorId,
        is_expired: bool,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        both!(
            self.find_by_expiry(vendor_id, is_expired, after.clone(), limit),
            vendor_id,
            is_expired,
            after.clone(),
            limit
        )
    }

    async fn save_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        let real_history = self.pairs.with(|pairs| pairs.history(history));
        both!(
            self.save_history(vendor_id, history),
            vendor_id,
            &real_history
        )
    }

    async fn record_sync<'r>(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError> {
        self.pairs.start_call()?;
        let real_history = history.map(|history| self.pairs.with(|pairs| pairs.history(history)));
        let model = self.model.record_sync(vendor_id, record, history).await;
        let real = self
            .real
            .record_sync(vendor_id, record, real_history.as_ref());
        super::paired_store::record_reading(&self.pairs, model, &real.await)
    }
}

#[async_trait]
impl RunRepository for PairedWork {
    async fn prune_runs(&mut self, keep: u32, limit: u32) -> Result<u64, StoreError> {
        both!(self.prune_runs(keep, limit), keep, limit)
    }

    async fn add_note(
        &mut self,
        vendor_id: &VendorId,
        finished_at: Timestamp,
        note: &str,
    ) -> Result<(), StoreError> {
        let real_finished_at = self.pairs.with(|pairs| pairs.timestamp(finished_at));
        both!(
            self.add_note(vendor_id, finished_at, note),
            vendor_id,
            real_finished_at,
            note
        )
    }
}

#[async_trait]
impl VendorRenameRepository for PairedWork {
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError> {
        both!(self.vendor_sources(),)
    }

    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError> {
        both!(self.rename_vendor(old, new), old, new)
    }
}

#[async_trait]
impl VendorSetRepository for PairedWork {
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError> {
        both!(self.lock_vendor_sets(digest), digest)
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        both!(self.save_current_set(digest), digest)
    }

    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError> {
        both!(self.configure(vendors, others), vendors, others)
    }

    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError> {
        both!(self.first_syncs(),)
    }

    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        both!(self.end_first_sync(vendor_id), vendor_id)
    }
}

#[async_trait]
impl ChangeRepository for PairedWork {
    async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.pairs.start_call()?;
        let real_before = self.pairs.with(|pairs| pairs.timestamp(before));
        let pruned = self.model.prune_changes(before, limit).await;
        let real = self.real.prune_changes(real_before, limit).await;
        // The number differs: calls that no use case combines in one transaction may leave one entry or two, and an entry is
        // kept while a transaction that began before it is open.
        let real = real.map(|_| ());
        let pruned_by_model = pruned.as_ref().copied().unwrap_or_default();
        let model = pruned.map(|_| ());
        self.pairs.compare("prune_changes", model, &real)?;
        Ok(pruned_by_model)
    }
}

#[async_trait]
impl DeadLetterRepository for PairedWork {
    async fn record_dead_letter(
        &mut self,
        order_id: OrderId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let real_id = self.pairs.with(|pairs| pairs.order(order_id));
        both!(self.record_dead_letter(order_id, reason), real_id, reason)
    }

    async fn replay_orders(&mut self, ids: &[OrderId]) -> Result<u64, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        both!(self.replay_orders(ids), &real_ids)
    }

    async fn discard_dead_letters(&mut self, ids: &[OrderId]) -> Result<u64, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        both!(self.discard_dead_letters(ids), &real_ids)
    }

    async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError> {
        both!(self.prune_dead_letters(limit), limit)
    }
}

#[async_trait]
impl UnitOfWork for PairedWork {
    async fn store_time(&mut self) -> Result<Timestamp, StoreError> {
        self.pairs.start_call()?;
        let model = self.model.store_time().await;
        let real = self.real.store_time().await;
        super::paired_store::record_reading(&self.pairs, model, &real)
    }

    async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError> {
        both!(self.limit_lock_waits(longest), longest)
    }

    async fn try_lock_batch(&mut self, ids: &[OrderId]) -> Result<LockedBatch, StoreError> {
        let real_ids = self.pairs.with(|pairs| pairs.orders(ids));
        both!(self.try_lock_batch(ids), &real_ids)
    }

    async fn save_batch(&mut self, batch: &SettledBatch) -> Result<(), StoreError> {
        let real_batch = self.pairs.with(|pairs| SettledBatch {
            orders: pairs.settled(&batch.orders),
            stock: pairs.changes(&batch.stock),
        });
        both!(self.save_batch(batch), &real_batch)
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.pairs.start_call()?;
        let model = self.model.commit().await;
        let real = self.real.commit().await;
        let committed = self.pairs.compare("commit", model, &real);
        if committed.is_ok() {
            self.claims.keep();
        }
        committed
    }
}
