//! The use cases over a store under test, wired as in the programs.

use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::allocation::most_available_first;
use domain::guard::Guard;
use domain::identifiers::OrderId;
use domain::order::{Order, OrderStatus};
use domain::ports::{
    Clock, FeedError, FetchedReport, FinishedSync, OrderQueries, Store, VendorFeed, VendorLevel,
};
use domain::report::Report;
use domain::services::{
    ChangeStatus, ChangeStatusError, ChangedOrder, Enforced, OrderBatcher, OrderBatcherSettings,
    QuarantineDecision, SettleError, SettleOrders, SyncDelay, SyncError, VendorSets, VendorSync,
};
use domain::timestamp::Timestamp;

use crate::builders::{fetched, new_order, product, vendor, vendor_set};
use crate::scripted_feed::ScriptedFeed;
use crate::storage::StorageUnderTest;

const ORDER_BATCHER_SETTINGS: OrderBatcherSettings = OrderBatcherSettings {
    max_batch: 8,
    max_waiting: 1_000,
};

/// The wired use cases. Cheap to clone into a task.
#[derive(Clone)]
pub(crate) struct UseCases {
    pub(crate) batcher: OrderBatcher,
    sync: VendorSync,
    pub(crate) vendor_sets: VendorSets,
    status: ChangeStatus,
    settlement: Arc<SettleOrders>,
}

impl UseCases {
    /// Wires the use cases and configures exactly these vendors.
    pub(crate) async fn open(storage: &StorageUnderTest, vendor_ids: &[&str]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (batcher, writer) = OrderBatcher::open(
            storage.store.clone(),
            storage.notifier.clone(),
            clock.clone(),
            ORDER_BATCHER_SETTINGS,
        );
        // The writer ends when the last batcher is dropped.
        tokio::spawn(writer.run());
        let use_cases = Self {
            batcher,
            sync: VendorSync::new(
                storage.store.clone(),
                storage.sync.clone(),
                storage.probe.clone(),
                clock.clone(),
            ),
            vendor_sets: VendorSets::new(
                storage.store.clone(),
                storage.vendor_sets.clone(),
                clock.clone(),
            ),
            status: ChangeStatus::new(storage.store.clone(), clock.clone()),
            settlement: Arc::new(SettleOrders::new(
                storage.store.clone(),
                clock,
                most_available_first,
            )),
        };
        use_cases.configure(vendor_ids).await;
        use_cases
    }

    /// Sets the first-sync grace: the longest time for which a rejection is deferred.
    pub(crate) fn with_first_sync_grace(
        mut self,
        storage: &StorageUnderTest,
        grace: Duration,
    ) -> Self {
        let settlement = SettleOrders::new(
            storage.store.clone(),
            Arc::new(SystemClock),
            most_available_first,
        );
        self.settlement = Arc::new(settlement.with_first_sync_grace(grace));
        self
    }

    /// Limits the number of products that one transaction of a sync writes, and makes syncs begin their transactions on
    /// `store`.
    pub(crate) fn with_chunks(
        mut self,
        storage: &StorageUnderTest,
        store: Arc<dyn Store>,
        chunk_size: usize,
    ) -> Self {
        let clock = Arc::new(SystemClock);
        let (queries, probe) = (storage.sync.clone(), storage.probe.clone());
        self.sync = VendorSync::new(store, queries, probe, clock).with_chunk_size(chunk_size);
        self
    }

    /// Makes exactly these vendors the configured ones.
    pub(crate) async fn configure(&self, vendor_ids: &[&str]) {
        let set = vendor_set(vendor_ids);
        self.vendor_sets.apply(&set).await.unwrap();
    }

    /// Syncs a vendor that returns this report.
    pub(crate) async fn report(&self, vendor_id: &str, report: Report) -> FinishedSync {
        self.try_report(vendor_id, Ok(report)).await.unwrap()
    }

    /// Syncs a vendor that returns this result.
    pub(crate) async fn try_report(
        &self,
        vendor_id: &str,
        result: Result<Report, FeedError>,
    ) -> Result<FinishedSync, SyncError> {
        self.sync_with(vendor_id, move || {
            result
                .clone()
                .map(|report| fetched(&report, SystemClock.now()))
        })
        .await
    }

    /// Syncs a vendor whose response is created on each request.
    pub(crate) async fn sync_with(
        &self,
        vendor_id: &str,
        respond: impl Fn() -> Result<FetchedReport, FeedError> + Send + Sync,
    ) -> Result<FinishedSync, SyncError> {
        let feed = ScriptedFeed {
            vendor_id: vendor(vendor_id),
            respond,
            max_age: None,
            guard: Guard::default(),
        };
        self.sync.sync(&feed).await
    }

    /// Syncs a vendor with this feed.
    pub(crate) async fn sync_feed(&self, feed: &dyn VendorFeed) -> Result<FinishedSync, SyncError> {
        self.sync.sync(feed).await
    }

    /// Syncs a vendor that has the setting `max_age` and returns this report.
    pub(crate) async fn report_with_max_age(
        &self,
        vendor_id: &str,
        report: Report,
        max_age: Duration,
    ) -> FinishedSync {
        let feed = ScriptedFeed {
            vendor_id: vendor(vendor_id),
            respond: || Ok(fetched(&report, SystemClock.now())),
            max_age: Some(max_age),
            guard: Guard::default(),
        };
        self.sync.sync(&feed).await.unwrap()
    }

    /// Syncs a vendor that has the settings `guard` and returns this report.
    pub(crate) async fn report_guarded(
        &self,
        vendor_id: &str,
        report: Report,
        guard: Guard,
    ) -> Result<FinishedSync, SyncError> {
        let respond = || Ok(fetched(&report, SystemClock.now()));
        self.sync_guarded_with(vendor_id, respond, guard).await
    }

    /// Syncs a vendor that has the settings `guard`, and whose response is created on each request.
    pub(crate) async fn sync_guarded_with(
        &self,
        vendor_id: &str,
        respond: impl Fn() -> Result<FetchedReport, FeedError> + Send + Sync,
        guard: Guard,
    ) -> Result<FinishedSync, SyncError> {
        let feed = ScriptedFeed {
            vendor_id: vendor(vendor_id),
            respond,
            max_age: None,
            guard,
        };
        self.sync.sync(&feed).await
    }

    /// Enforces `max_age` on a vendor, asserts that all its stock was marked, and returns whether it has expired.
    pub(crate) async fn enforce_max_age(&self, vendor_id: &str, max_age: Option<Duration>) -> bool {
        let enforced = self.try_enforce_max_age(vendor_id, max_age).await;
        assert!(enforced.is_complete);
        enforced.is_expired
    }

    /// Enforces `max_age` on a vendor while other transactions may have locked products.
    pub(crate) async fn try_enforce_max_age(
        &self,
        vendor_id: &str,
        max_age: Option<Duration>,
    ) -> Enforced {
        let expiry = self.sync.expiry();
        expiry.enforce(&vendor(vendor_id), max_age).await.unwrap()
    }

    /// Syncs a vendor on demand.
    pub(crate) async fn report_on_demand(
        &self,
        vendor_id: &str,
        response: Result<Report, FeedError>,
    ) -> Result<FinishedSync, SyncError> {
        let feed = ScriptedFeed {
            vendor_id: vendor(vendor_id),
            respond: move || {
                let report = response.clone();
                report.map(|report| fetched(&report, SystemClock.now()))
            },
            max_age: None,
            guard: Guard::default(),
        };
        self.sync.sync_on_demand(&feed).await
    }

    /// Returns the reason why the vendor's next scheduled sync may not begin.
    pub(crate) async fn delay(&self, vendor_id: &str) -> Option<SyncDelay> {
        self.sync.delay(&vendor(vendor_id)).await.unwrap()
    }

    /// Applies a report that a vendor pushed with a request that began to arrive at `arrived_at`.
    pub(crate) async fn push(
        &self,
        vendor_id: &str,
        arrived_at: Timestamp,
        pushed: &FetchedReport,
    ) -> FinishedSync {
        let feed = ScriptedFeed {
            vendor_id: vendor(vendor_id),
            respond: || Ok(pushed.clone()),
            max_age: None,
            guard: Guard::default(),
        };
        self.sync.apply_pushed(&feed, arrived_at).await.unwrap()
    }

    /// Accepts or discards a vendor's quarantined report.
    pub(crate) async fn resolve_quarantine(
        &self,
        vendor_id: &str,
        decision: QuarantineDecision,
    ) -> Option<FinishedSync> {
        let resolved = self.try_resolve_quarantine(vendor_id, decision).await;
        resolved.unwrap()
    }

    pub(crate) async fn try_resolve_quarantine(
        &self,
        vendor_id: &str,
        decision: QuarantineDecision,
    ) -> Result<Option<FinishedSync>, SyncError> {
        self.resolve_with_max_age(vendor_id, decision, None).await
    }

    /// Accepts or discards the quarantined report of a vendor that has the setting `max_age`.
    pub(crate) async fn resolve_with_max_age(
        &self,
        vendor_id: &str,
        decision: QuarantineDecision,
        max_age: Option<Duration>,
    ) -> Result<Option<FinishedSync>, SyncError> {
        let vendor_id = vendor(vendor_id);
        let resolving = self.sync.resolve_quarantine(&vendor_id, decision, max_age);
        resolving.await
    }

    pub(crate) async fn try_settle(&self, ids: &[OrderId]) -> Result<(), SettleError> {
        self.settlement.settle(ids).await
    }

    pub(crate) async fn settle(&self, ids: &[OrderId]) {
        self.try_settle(ids).await.unwrap();
    }

    /// Settles orders concurrently with other tasks: orders that were postponed because their rows were locked are settled
    /// again.
    pub(crate) async fn settle_all(&self, orders: &dyn OrderQueries, ids: &[OrderId]) {
        loop {
            self.settle(ids).await;
            if orders.find_settled(ids).await.unwrap().len() == ids.len() {
                return;
            }
        }
    }

    pub(crate) async fn change(
        &self,
        id: OrderId,
        to: OrderStatus,
    ) -> Result<ChangedOrder, ChangeStatusError> {
        self.status.change(id, to, |_| true).await
    }

    /// Ships an order, which must be allowed.
    pub(crate) async fn ship(&self, id: OrderId) {
        self.change(id, OrderStatus::Shipped).await.unwrap();
    }

    /// Marks an order as delivered, which must be allowed.
    pub(crate) async fn deliver(&self, id: OrderId) {
        self.change(id, OrderStatus::Delivered).await.unwrap();
    }

    /// Cancels an order, which must be allowed.
    pub(crate) async fn cancel(&self, id: OrderId) -> ChangedOrder {
        self.change(id, OrderStatus::Cancelled).await.unwrap()
    }

    pub(crate) async fn ship_part(
        &self,
        id: OrderId,
        vendor_id: &str,
    ) -> Result<ChangedOrder, ChangeStatusError> {
        self.status
            .ship_part(id, &vendor(vendor_id), |_| true)
            .await
    }

    /// Places and settles an order, and returns its state after that.
    pub(crate) async fn sell(
        &self,
        storage: &StorageUnderTest,
        product_id: &str,
        units: u32,
    ) -> Order {
        let order = storage.place(new_order(product_id, units)).await;
        self.settle(&[order.id]).await;
        storage.order(order.id).await
    }

    /// Places, settles and ships an order, and returns its state before the shipment.
    pub(crate) async fn sell_and_ship(
        &self,
        storage: &StorageUnderTest,
        product_id: &str,
        units: u32,
    ) -> Order {
        let order = self.sell(storage, product_id, units).await;
        self.ship(order.id).await;
        order
    }
}

impl StorageUnderTest {
    /// Returns the quantity that can be sold of a product, which must exist.
    pub(crate) async fn sellable(&self, product_id: &str) -> u64 {
        self.stock
            .find_stock(&product(product_id))
            .await
            .unwrap()
            .unwrap()
            .level
            .quantity
    }

    /// Returns a vendor's stock of a product, which must exist.
    pub(crate) async fn vendor_level(&self, product_id: &str, vendor_id: &str) -> VendorLevel {
        let detail = self.stock.find_stock(&product(product_id)).await.unwrap();
        let vendors = detail.unwrap().vendors;
        vendors
            .into_iter()
            .find(|level| level.vendor_id == vendor(vendor_id))
            .unwrap()
    }

    /// Returns the reported, in-flight and available units.
    pub(crate) async fn numbers(&self, product_id: &str, vendor_id: &str) -> (u32, u32, u32) {
        let level = self.vendor_level(product_id, vendor_id).await;
        (level.reported, level.in_flight, level.available)
    }

    /// Asserts that the audit finds nothing.
    pub(crate) async fn assert_sound(&self) {
        assert_eq!(self.audit.audit().await.unwrap(), []);
    }
}
