//! A store whose rows and failures a test sets. It implements only the rules that are visible over HTTP.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::change_offset::ChangeOffset;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId, ProductId, VendorId};
use domain::order::{Order, OrderRequest, OrderState, RejectReason};
use domain::pacing::VendorPause;
use domain::ports::{
    ChangeEntry, ChangeQueries, Changed, ChangesRead, OperatorPause, OrderFilter, OrderQueries,
    ProductDetail, Run, StockLevel, StockQueries, Store, StoreError, UnitOfWork, VendorStatus,
};
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSource};

use crate::fake_unit_of_work;

/// Kind of failure of the store's calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failure {
    Unavailable,
    Conflict,
    Corrupt,
    Failed,
    Panic,
    Hang,
    /// Every call succeeds, and commits do not report their outcome.
    CommitUnknown,
}

/// Internal details, which no response may contain.
pub(crate) const INTERNALS: &str = "host=db.internal";

/// Order of each idempotency key, with the digest of the batch for keys of batches.
pub(crate) type Keys = HashMap<IdempotencyKey, (OrderId, Option<BatchDigest>)>;

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) orders: Vec<Order>,
    pub(crate) keys: Keys,
    stock: Vec<ProductDetail>,
    /// Vendors that a worker has registered, by id.
    pub(crate) vendors: BTreeMap<VendorId, VendorStatus>,
    /// Pauses of vendors whose last sync failed.
    pub(crate) pauses: BTreeMap<VendorId, VendorPause>,
    /// Pauses that operators ordered.
    pub(crate) paused: BTreeMap<VendorId, OperatorPause>,
    /// Report history, shared by all vendors.
    pub(crate) history: ReportHistory,
    /// Lines of the report in quarantine, of any vendor.
    pub(crate) quarantined: BTreeMap<ProductId, u32>,
    /// Whether the vendors have stock.
    pub(crate) has_stock: bool,
    /// Stock rows with which reports are compared, by product id.
    pub(crate) reported: Vec<ReportedStock>,
    /// Runs by vendor, oldest first.
    pub(crate) runs: BTreeMap<VendorId, Vec<Run>>,
    /// Members of the current vendor set.
    pub(crate) configured: Vec<SetMember>,
    /// All entries of the change log, also pruned ones.
    changes: Vec<Changed>,
    /// Number of pruned entries of the change log.
    pruned: usize,
    /// Whether the change log is of another server: it cannot be read from any offset, not even the newest.
    is_log_foreign: bool,
    failure: Option<Failure>,
    /// Number of calls that succeed before the failure applies.
    calls_before_failure: usize,
    /// Number of calls.
    calls: usize,
    ticks: i64,
}

impl Rows {
    /// Returns a later timestamp at each call.
    pub(crate) fn now(&mut self) -> Timestamp {
        self.ticks += 1;
        Timestamp::from_micros(1_795_435_200_000_000 + self.ticks)
    }

    pub(crate) fn add_order(&mut self, request: OrderRequest, state: OrderState) -> Order {
        let now = self.now();
        let order = Order {
            id: OrderId(i64::try_from(self.orders.len()).unwrap() + 1),
            product_id: request.product_id,
            quantity: request.quantity,
            state,
            created_at: now,
            updated_at: now,
        };
        self.orders.push(order.clone());
        order
    }
}

#[derive(Clone, Default)]
pub(crate) struct FakeStore(pub(crate) Arc<Mutex<Rows>>);

impl FakeStore {
    pub(crate) fn fail(&self, failure: Option<Failure>) {
        self.0.lock().unwrap().failure = failure;
    }

    /// Fails after `calls` further calls.
    pub(crate) fn fail_after(&self, calls: usize, failure: Failure) {
        let mut rows = self.0.lock().unwrap();
        rows.calls_before_failure = calls;
        rows.failure = Some(failure);
    }

    /// Adds a vendor with this number of products, as a worker does at the first sync.
    pub(crate) fn register_vendor(&self, vendor_id: &str, products: u64) {
        let vendor_id = VendorId::parse(vendor_id).unwrap();
        let status = VendorStatus {
            vendor_id: vendor_id.clone(),
            products,
            last_sync: None,
            proof: None,
            age: None,
            clock_skew_ms: None,
            is_expired: false,
            quarantined: None,
        };
        let mut rows = self.0.lock().unwrap();
        rows.vendors.insert(vendor_id, status);
        rows.history.applied = Some(ReportOrder {
            as_of: crate::fake_unit_of_work::LAST_AS_OF,
            requested_at: crate::fake_unit_of_work::LAST_AS_OF,
        });
    }

    /// Adds a vendor to the current set, as a process with other settings does.
    pub(crate) fn configure(&self, vendor_id: &str, url: &str) {
        let vendor = ConfiguredVendor {
            vendor_id: VendorId::parse(vendor_id).unwrap(),
            source: Some(VendorSource::new(url, Some("key=secret"), "/items").unwrap()),
        };
        self.0.lock().unwrap().configured.push(SetMember {
            vendor,
            configured_at: None,
        });
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    pub(crate) fn add_stock(&self, product_id: &str, quantity: u64) {
        let mut rows = self.0.lock().unwrap();
        let updated_at = rows.now();
        rows.stock.push(ProductDetail {
            level: StockLevel {
                product_id: ProductId::parse_stored(product_id).unwrap(),
                quantity,
                updated_at,
            },
            vendors: vec![domain::ports::VendorLevel {
                vendor_id: VendorId::parse("vendor-a").unwrap(),
                reported: u32::try_from(quantity).unwrap() + 2,
                in_flight: 2,
                available: u32::try_from(quantity).unwrap(),
                as_of: updated_at,
            }],
        });
        rows.stock
            .sort_by(|a, b| a.level.product_id.cmp(&b.level.product_id));
    }

    /// Appends an entry with these orders and products to the change log.
    pub(crate) fn log_change(&self, order_ids: &[OrderId], product_ids: &[&str]) {
        let product_ids = product_ids.iter();
        let changed = Changed {
            order_ids: order_ids.to_vec(),
            product_ids: product_ids
                .map(|id| ProductId::parse(*id).unwrap())
                .collect(),
        };
        self.0.lock().unwrap().changes.push(changed);
    }

    /// Prunes all entries of the change log.
    pub(crate) fn prune_changes(&self) {
        let mut rows = self.0.lock().unwrap();
        rows.pruned = rows.changes.len();
    }

    /// Sets whether the change log is of another server.
    pub(crate) fn set_log_foreign(&self, is_foreign: bool) {
        self.0.lock().unwrap().is_log_foreign = is_foreign;
    }

    /// Restores the change log to its first `entries` entries.
    pub(crate) fn restore_changes(&self, entries: usize) {
        self.0.lock().unwrap().changes.truncate(entries);
    }

    /// Rejects an order and logs the change.
    pub(crate) fn settle(&self, id: OrderId) {
        self.log_change(&[id], &[]);
        let mut rows = self.0.lock().unwrap();
        let now = rows.now();
        let order = rows.orders.iter_mut().find(|order| order.id == id).unwrap();
        order.state = OrderState::Rejected(RejectReason::InsufficientStock);
        order.updated_at = now;
    }

    /// Returns the reported outcome of a commit.
    pub(crate) fn commit_outcome(&self) -> Result<(), StoreError> {
        match self.0.lock().unwrap().failure {
            Some(Failure::CommitUnknown) => Err(StoreError::CommitUnknown(INTERNALS.to_owned())),
            _ => Ok(()),
        }
    }

    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let failure = {
            let mut rows = self.0.lock().unwrap();
            rows.calls += 1;
            let succeeds = rows.calls_before_failure > 0;
            rows.calls_before_failure = rows.calls_before_failure.saturating_sub(1);
            rows.failure.filter(|_| !succeeds)
        };
        match failure {
            None | Some(Failure::CommitUnknown) => Ok(()),
            Some(Failure::Unavailable) => Err(StoreError::Unavailable(INTERNALS.to_owned())),
            Some(Failure::Conflict) => Err(StoreError::Conflict(INTERNALS.to_owned())),
            Some(Failure::Corrupt) => Err(StoreError::Corrupt {
                table: "orders",
                column: "status",
                row: INTERNALS.to_owned(),
            }),
            Some(Failure::Failed) => Err(StoreError::Failed(INTERNALS.into())),
            Some(Failure::Panic) => panic!("{INTERNALS}"),
            Some(Failure::Hang) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.check().await?;
        Ok(Box::new(fake_unit_of_work::unit_of_work(self)))
    }
}

#[async_trait]
impl OrderQueries for FakeStore {
    async fn find_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        Ok(rows.orders.iter().find(|order| order.id == id).cloned())
    }

    async fn find_orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let newest_first = rows.orders.iter().rev();
        let wanted = newest_first.filter(|order| ids.contains(&order.id));
        Ok(wanted.cloned().collect())
    }

    async fn find_settled(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let mut found = self.find_orders(ids).await?;
        found.retain(|order| order.state != OrderState::Pending);
        Ok(found)
    }

    async fn list_orders(
        &self,
        filter: &OrderFilter,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let newest_first = rows.orders.iter().rev();
        Ok(newest_first
            .filter(|order| before.is_none_or(|before| order.id < before))
            .filter(|order| {
                filter
                    .status
                    .is_none_or(|status| order.state.status() == status)
            })
            .filter(|order| {
                filter
                    .product_id
                    .as_ref()
                    .is_none_or(|id| order.product_id == *id)
            })
            .take(limit as usize)
            .cloned()
            .collect())
    }
}

#[async_trait]
impl StockQueries for FakeStore {
    async fn find_stock(
        &self,
        product_id: &ProductId,
    ) -> Result<Option<ProductDetail>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        Ok(rows
            .stock
            .iter()
            .find(|detail| detail.level.product_id == *product_id)
            .cloned())
    }

    async fn find_levels(&self, product_ids: &[ProductId]) -> Result<Vec<StockLevel>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let levels = rows.stock.iter().map(|detail| &detail.level);
        let wanted = levels.filter(|level| product_ids.contains(&level.product_id));
        Ok(wanted.cloned().collect())
    }

    async fn list_stock(
        &self,
        after: Option<ProductId>,
        in_stock: bool,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let levels = rows.stock.iter().map(|detail| &detail.level);
        Ok(levels
            .filter(|level| after.as_ref().is_none_or(|after| level.product_id > *after))
            .filter(|level| !in_stock || level.quantity > 0)
            .take(limit as usize)
            .cloned()
            .collect())
    }
}

#[async_trait]
impl ChangeQueries for FakeStore {
    async fn newest_change(&self) -> Result<ChangeOffset, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        if rows.is_log_foreign {
            return Ok(ChangeOffset::new(u64::MAX, 0));
        }
        Ok(ChangeOffset::new(rows.changes.len() as u64, 0))
    }

    async fn read_changes(
        &self,
        after: ChangeOffset,
        limit: u32,
    ) -> Result<ChangesRead, StoreError> {
        self.check().await?;
        let rows = self.0.lock().unwrap();
        let after = usize::try_from(after.group()).unwrap_or(usize::MAX);
        if rows.is_log_foreign || after < rows.pruned || after > rows.changes.len() {
            return Ok(ChangesRead::Gone);
        }
        let next = rows.changes.iter().zip(1..).skip(after);
        let entries = next
            .take(limit as usize)
            .map(|(changed, number)| ChangeEntry {
                offset: ChangeOffset::new(number, 0),
                changed: changed.clone(),
            });
        Ok(ChangesRead::Next {
            entries: entries.collect(),
            held_back: false,
        })
    }
}
