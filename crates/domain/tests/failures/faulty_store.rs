//! The memory store, with injected failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderState};
use domain::pacing::VendorPause;
use domain::ports::{
    Acceptance, ChangeRepository, DeadLetterRepository, FirstSyncs, LockedStock, LockedVendor,
    NewOrder, OperatorPause, OperatorPauseRepository, OrderRepository, OtherVendors, OutboxEntry,
    OutboxId, OutboxLag, OutboxRepository, PauseRepository, QuarantineRepository, ReportedTotals,
    RequeueLimits, RunRepository, StockRepository, Store, StoreError, StoreProbe, StoredPause,
    StoredVendorSet, SwitchedVendors, SyncQueries, SyncRecord, SyncRepository, UnitOfWork,
    VendorRename, VendorRenameRepository, VendorSetQueries, VendorSetRecord, VendorSetRepository,
    VendorSyncState,
};
use domain::report_history::ReportHistory;
use domain::settlement::{PendingOrder, SettledOrder};
use domain::stock::{ProductStock, StockChange};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, VendorSetDigest, VendorSource};
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

struct FaultyWork {
    inner: Box<dyn UnitOfWork>,
    faults: Arc<Faults>,
    unreadable: Option<OrderId>,
    /// Whether a call failed, after which a unit of work can only be dropped.
    failed: bool,
}

impl FaultyWork {
    async fn check(&mut self, name: &'static str) -> Result<(), StoreError> {
        assert!(!self.failed, "{name} after a failed call");
        let failure = self.faults.next_failure(Role::Work, name).await;
        self.failed = failure.is_some();
        failure.map_or(Ok(()), |failure| Err(failure.of_store()))
    }

    fn check_readable(&mut self, ids: &[OrderId]) -> Result<(), StoreError> {
        let unreadable = self.unreadable.filter(|id| ids.contains(id));
        self.failed = unreadable.is_some();
        unreadable.map_or(Ok(()), |id| {
            Err(StoreError::Corrupt {
                table: "orders",
                column: "quantity",
                row: id.to_string(),
            })
        })
    }
}

/// Implements a port of the store, or of a unit of work: each method counts the call, fails if a failure is injected, and
/// forwards to the memory store otherwise.
macro_rules! forward {
    ($port:ident for FaultyStore {
        $(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
    } $($others:tt)*) => {
        #[async_trait]
        impl $port for FaultyStore {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$result, StoreError> {
                let failure = self.faults.next_failure(Role::Probe, stringify!($name)).await;
                failure.map_or(Ok(()), |failure| Err(failure.of_store()))?;
                $port::$name(&self.memory, $($argument),*).await
            })*
            $($others)*
        }
    };
    ($port:ident for FaultyWork {
        $(fn $name:ident $(<$lifetime:lifetime>)? ($($argument:ident: $type:ty),*) -> $result:ty;)*
    } $($others:tt)*) => {
        #[async_trait]
        impl $port for FaultyWork {
            $(async fn $name $(<$lifetime>)? (&mut self, $($argument: $type),*) -> Result<$result, StoreError> {
                self.check(stringify!($name)).await?;
                $port::$name(self.inner.as_mut(), $($argument),*).await
            })*
            $($others)*
        }
    };
}

forward! { StoreProbe for FaultyStore {
    fn store_time() -> Timestamp;
    fn outbox_lag() -> OutboxLag;
    fn count_outbox(at_most: u32) -> u64;
    fn count_dead_letters(at_most: u32) -> u64;
    fn were_tried(vendor_ids: &[VendorId]) -> bool;
    fn find_pauses(vendor_ids: &[VendorId]) -> Vec<StoredPause>;
}
    fn unreadable_rows(&self) -> u64 {
        self.memory.unreadable_rows()
    }
}

forward! { VendorSetQueries for FaultyStore {
    fn find_vendor_set(digest: &VendorSetDigest) -> StoredVendorSet;
} }

forward! { SyncQueries for FaultyStore {
    fn find_sync_state(id: &VendorId) -> Option<VendorSyncState>;
    fn list_reported_stock(id: &VendorId, after: Option<ProductId>, limit: u32) -> Vec<ReportedStock>;
    fn sum_reported_stock(id: &VendorId) -> ReportedTotals;
    fn list_quarantined_lines(id: &VendorId, requested_at: Timestamp, after: Option<ProductId>, limit: u32) -> Vec<(ProductId, u32)>;
} }

forward! { OrderRepository for FaultyWork {
    fn accept(orders: &[NewOrder]) -> Vec<Acceptance>;
    fn save_settled(orders: &[SettledOrder]) -> ();
    fn lock_order(id: OrderId) -> Option<Order>;
    fn save_state(id: OrderId, state: &OrderState) -> Order;
    fn prune_keys(before: Timestamp, limit: u32) -> u64;
}
    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        self.check("lock_pending").await?;
        self.check_readable(ids)?;
        self.inner.lock_pending(ids).await
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        self.check("try_lock_pending").await?;
        self.check_readable(ids)?;
        self.inner.try_lock_pending(ids).await
    }
}

forward! { StockRepository for FaultyWork {
    fn lock_stock(ids: &[ProductId]) -> Vec<ProductStock>;
    fn try_lock_stock(ids: &[ProductId]) -> LockedStock;
    fn save_stock(changes: &[StockChange]) -> ();
} }

forward! { OutboxRepository for FaultyWork {
    fn claim(limit: u32, lease: Duration) -> Vec<OutboxEntry>;
    fn remove(ids: &[OutboxId]) -> ();
    fn release(ids: &[OutboxId]) -> ();
    fn postpone(ids: &[OrderId], delay: Duration) -> Vec<OrderId>;
    fn requeue_overdue(limits: RequeueLimits) -> u64;
} }

forward! { SyncRepository for FaultyWork {
    fn lock_vendor(id: &VendorId) -> Option<LockedVendor>;
    fn find_reported_stock(id: &VendorId, product_ids: &[ProductId]) -> Vec<ReportedStock>;
    fn create_products(product_ids: &[ProductId]) -> ();
    fn mark_included(id: &VendorId, product_ids: &[ProductId], as_of: Timestamp) -> BTreeMap<ProductId, u64>;
    fn advance_as_of(id: &VendorId, product_ids: &[ProductId], order: ReportOrder) -> ();
    fn repair_shipments(id: &VendorId) -> u64;
    fn find_by_expiry(id: &VendorId, is_expired: bool, after: Option<ProductId>, limit: u32) -> Vec<ProductId>;
    fn save_history(id: &VendorId, history: &ReportHistory) -> ();
    fn record_sync<'r>(id: &VendorId, record: &SyncRecord, history: Option<&'r ReportHistory>) -> Timestamp;
} }

forward! { RunRepository for FaultyWork {
    fn prune_runs(keep: u32, limit: u32) -> u64;
    fn add_note(id: &VendorId, finished_at: Timestamp, note: &str) -> ();
} }

forward! { PauseRepository for FaultyWork {
    fn find_pause(id: &VendorId) -> Option<VendorPause>;
    fn save_pause(id: &VendorId, pause: &VendorPause) -> ();
    fn clear_pause(id: &VendorId) -> Option<VendorPause>;
} }

forward! { QuarantineRepository for FaultyWork {
    fn add_quarantined_lines(id: &VendorId, requested_at: Timestamp, lines: &[(ProductId, u32)]) -> ();
    fn count_quarantined_lines(id: &VendorId, requested_at: Timestamp) -> u64;
    fn remove_quarantined_lines(id: &VendorId, kept: Option<Timestamp>, limit: u32) -> u64;
} }

forward! { OperatorPauseRepository for FaultyWork {
    fn find_vendor_source(id: &VendorId) -> Option<VendorSource>;
    fn pause_vendor(id: &VendorId, reason: Option<String>) -> Option<OperatorPause>;
    fn resume_vendor(id: &VendorId) -> Option<OperatorPause>;
} }

forward! { VendorRenameRepository for FaultyWork {
    fn vendor_sources() -> Vec<ConfiguredVendor>;
    fn rename_vendor(old: &VendorId, new: &VendorId) -> VendorRename;
} }

forward! { VendorSetRepository for FaultyWork {
    fn lock_vendor_sets(digest: &VendorSetDigest) -> VendorSetRecord;
    fn save_current_set(digest: &VendorSetDigest) -> ();
    fn configure(vendors: &[ConfiguredVendor], others: OtherVendors) -> SwitchedVendors;
    fn first_syncs() -> FirstSyncs;
    fn end_first_sync(id: &VendorId) -> u64;
} }

forward! { ChangeRepository for FaultyWork {
    fn prune_changes(before: Timestamp, limit: u32) -> u64;
} }

forward! { DeadLetterRepository for FaultyWork {
    fn record_dead_letter(id: OrderId, reason: &str) -> bool;
    fn replay_orders(ids: &[OrderId]) -> u64;
    fn discard_dead_letters(ids: &[OrderId]) -> u64;
    fn prune_dead_letters(limit: u32) -> u64;
} }

forward! { UnitOfWork for FaultyWork {
    fn store_time() -> Timestamp;
    fn limit_lock_waits(longest: Duration) -> ();
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
