//! The mock of [`UnitOfWork`], which combines several traits and therefore cannot be derived.

#![allow(
    clippy::ref_option_ref,
    reason = "the macro takes each argument by reference"
)]
#![allow(
    clippy::struct_field_names,
    reason = "the mock has a field for each method of a port"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use mockall::mock;

use super::{
    Acceptance, ChangeRepository, DeadLetterRepository, FirstSyncs, LockedStock, LockedVendor,
    NewOrder, OperatorPause, OperatorPauseRepository, OrderRepository, OtherVendors, OutboxEntry,
    OutboxId, OutboxRepository, PauseRepository, QuarantineRepository, RequeueLimits,
    RunRepository, StockRepository, StoreError, SwitchedVendors, SyncRecord, SyncRepository,
    UnitOfWork, VendorRename, VendorRenameRepository, VendorSetRecord, VendorSetRepository,
};
use crate::comparison::ReportedStock;
use crate::evidence::ReportOrder;
use crate::identifiers::{OrderId, ProductId, VendorId};
use crate::order::{Order, OrderState};
use crate::pacing::VendorPause;
use crate::report_history::ReportHistory;
use crate::settlement::{PendingOrder, SettledOrder};
use crate::stock::{ProductStock, StockChange};
use crate::timestamp::Timestamp;
use crate::vendor_set::{ConfiguredVendor, VendorSetDigest, VendorSource};

mock! {
    /// A unit of work whose calls are all scripted.
    pub UnitOfWork {}

    #[async_trait]
    impl OrderRepository for UnitOfWork {
        async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError>;
        async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError>;
        async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError>;
        async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError>;
        async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError>;
        async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError>;
        async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }

    #[async_trait]
    impl StockRepository for UnitOfWork {
        async fn lock_stock(&mut self, product_ids: &[ProductId]) -> Result<Vec<ProductStock>, StoreError>;
        async fn try_lock_stock(&mut self, product_ids: &[ProductId]) -> Result<LockedStock, StoreError>;
        async fn save_stock(&mut self, changes: &[StockChange]) -> Result<(), StoreError>;
    }

    #[async_trait]
    impl OutboxRepository for UnitOfWork {
        async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError>;
        async fn remove(&mut self, ids: &[OutboxId]) -> Result<(), StoreError>;
        async fn release(&mut self, ids: &[OutboxId]) -> Result<(), StoreError>;
        async fn postpone(&mut self, ids: &[OrderId], delay: Duration) -> Result<Vec<OrderId>, StoreError>;
        async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError>;
    }

    #[async_trait]
    impl SyncRepository for UnitOfWork {
        async fn lock_vendor(&mut self, vendor_id: &VendorId) -> Result<Option<LockedVendor>, StoreError>;
        async fn find_reported_stock(&mut self, vendor_id: &VendorId, product_ids: &[ProductId]) -> Result<Vec<ReportedStock>, StoreError>;
        async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError>;
        async fn mark_included(&mut self, vendor_id: &VendorId, product_ids: &[ProductId], as_of: Timestamp) -> Result<BTreeMap<ProductId, u64>, StoreError>;
        async fn advance_as_of(&mut self, vendor_id: &VendorId, product_ids: &[ProductId], order: ReportOrder) -> Result<(), StoreError>;
        async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError>;
        async fn find_by_expiry(&mut self, vendor_id: &VendorId, is_expired: bool, after: Option<ProductId>, limit: u32) -> Result<Vec<ProductId>, StoreError>;
        async fn save_history(&mut self, vendor_id: &VendorId, history: &ReportHistory) -> Result<(), StoreError>;
        async fn record_sync<'r>(&mut self, vendor_id: &VendorId, record: &SyncRecord, history: Option<&'r ReportHistory>) -> Result<Timestamp, StoreError>;
    }

    #[async_trait]
    impl RunRepository for UnitOfWork {
        async fn prune_runs(&mut self, keep: u32, limit: u32) -> Result<u64, StoreError>;
        async fn add_note(&mut self, vendor_id: &VendorId, finished_at: Timestamp, note: &str) -> Result<(), StoreError>;
    }

    #[async_trait]
    impl PauseRepository for UnitOfWork {
        async fn find_pause(&mut self, vendor_id: &VendorId) -> Result<Option<VendorPause>, StoreError>;
        async fn save_pause(&mut self, vendor_id: &VendorId, pause: &VendorPause) -> Result<(), StoreError>;
        async fn clear_pause(&mut self, vendor_id: &VendorId) -> Result<Option<VendorPause>, StoreError>;
    }

    #[async_trait]
    impl QuarantineRepository for UnitOfWork {
        async fn add_quarantined_lines(&mut self, vendor_id: &VendorId, requested_at: Timestamp, lines: &[(ProductId, u32)]) -> Result<(), StoreError>;
        async fn count_quarantined_lines(&mut self, vendor_id: &VendorId, requested_at: Timestamp) -> Result<u64, StoreError>;
        async fn remove_quarantined_lines(&mut self, vendor_id: &VendorId, kept: Option<Timestamp>, limit: u32) -> Result<u64, StoreError>;
    }

    #[async_trait]
    impl OperatorPauseRepository for UnitOfWork {
        async fn find_vendor_source(&mut self, vendor_id: &VendorId) -> Result<Option<VendorSource>, StoreError>;
        async fn pause_vendor(&mut self, vendor_id: &VendorId, reason: Option<String>) -> Result<Option<OperatorPause>, StoreError>;
        async fn resume_vendor(&mut self, vendor_id: &VendorId) -> Result<Option<OperatorPause>, StoreError>;
    }

    #[async_trait]
    impl VendorRenameRepository for UnitOfWork {
        async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError>;
        async fn rename_vendor(&mut self, old: &VendorId, new: &VendorId) -> Result<VendorRename, StoreError>;
    }

    #[async_trait]
    impl VendorSetRepository for UnitOfWork {
        async fn lock_vendor_sets(&mut self, digest: &VendorSetDigest) -> Result<VendorSetRecord, StoreError>;
        async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError>;
        async fn configure(&mut self, vendors: &[ConfiguredVendor], others: OtherVendors) -> Result<SwitchedVendors, StoreError>;
        async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError>;
        async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError>;
    }

    #[async_trait]
    impl ChangeRepository for UnitOfWork {
        async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }

    #[async_trait]
    impl DeadLetterRepository for UnitOfWork {
        async fn record_dead_letter(&mut self, order_id: OrderId, reason: &str) -> Result<bool, StoreError>;
        async fn replay_orders(&mut self, ids: &[OrderId]) -> Result<u64, StoreError>;
        async fn discard_dead_letters(&mut self, ids: &[OrderId]) -> Result<u64, StoreError>;
        async fn prune_dead_letters(&mut self, limit: u32) -> Result<u64, StoreError>;
    }

    #[async_trait]
    impl UnitOfWork for UnitOfWork {
        async fn store_time(&mut self) -> Result<Timestamp, StoreError>;
        async fn limit_lock_waits(&mut self, longest: Duration) -> Result<(), StoreError>;
        async fn commit(self: Box<Self>) -> Result<(), StoreError>;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_port_has_a_mock() {
        let ports = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ports");
        let exports = fs::read_to_string(ports.join("mod.rs")).unwrap();
        let joined = fs::read_to_string(ports.join("mocks.rs")).unwrap();
        let mut checked = 0;
        for file in fs::read_dir(&ports).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let lines = text.lines().map(str::trim_start);
            for line in lines.filter_map(|line| line.strip_prefix("pub trait ")) {
                let port = line.split([':', ' ']).next().unwrap();
                let is_mocked = exports.contains(&format!("Mock{port}"))
                    || joined.contains(&format!("impl {port} for UnitOfWork {{"));
                assert!(is_mocked, "{port}");
                checked += 1;
            }
        }
        assert!(checked >= 20, "only {checked} ports were found");
    }
}
