//! Contracts of a store: its units of work, queries, leases and signals.

pub mod abandoning;
pub mod accepting;
pub mod auditing;
pub mod changes;
pub mod damage;
pub mod dead_letters;
pub mod expiry;
pub mod files;
pub mod first_syncs;
pub mod guarding;
pub mod held_reports;
pub mod held_rows;
pub mod large_reports;
mod list;
pub mod not_modified;
pub mod not_ready;
pub mod operator_pauses;
pub mod order_lists;
pub mod order_locks;
pub mod order_states;
pub mod outbox;
pub mod pushes;
pub mod quarantined_lines;
pub mod refusing;
pub mod reports;
pub mod runs;
pub mod selling;
pub mod shipping;
pub mod signals;
pub mod stock_lists;
pub mod stock_rows;
pub mod sweeping;
pub mod syncing;
pub mod unreadable;
pub mod vendor_pauses;
pub mod vendor_renames;
pub mod vendor_sets;
pub mod vendors;
pub mod write_probe;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::{Order, OrderState};
use domain::ports::{
    Acceptance, AuditQueries, ChangeQueries, DeadLetterQueries, InFlightQueries, Leases, Listener,
    NewOrder, Notifier, OrderQueries, OtherVendors, OutboxEntry, RequeueLimits, RunQueries,
    StockQueries, Store, StoreProbe, SwitchedVendors, SyncQueries, Topic, UnitOfWork,
    VendorQueries, VendorSetQueries, WriteProbe,
};
use domain::settlement::{Outcome, SettledOrder};
use domain::stock::{ProductStock, StockChange, VendorStock};
use tokio::time::{sleep, timeout};

use crate::builders::{configured, product, vendor};

/// Time for a task to reach the call in which it waits.
const SHORT_DELAY: Duration = Duration::from_millis(100);

/// Timeout of a call that must not wait.
const IMMEDIATE_TIMEOUT: Duration = Duration::from_secs(1);

/// An empty store, by its ports.
pub struct StorageUnderTest {
    /// Begins units of work.
    pub store: Arc<dyn Store>,
    /// Reads orders.
    pub orders: Arc<dyn OrderQueries>,
    /// Reads stock.
    pub stock: Arc<dyn StockQueries>,
    /// Reads vendors.
    pub vendors: Arc<dyn VendorQueries>,
    /// Reads runs.
    pub runs: Arc<dyn RunQueries>,
    /// Reads the vendor set.
    pub vendor_sets: Arc<dyn VendorSetQueries>,
    /// Reads dead letters.
    pub dead_letters: Arc<dyn DeadLetterQueries>,
    /// Reads what reports are compared with.
    pub sync: Arc<dyn SyncQueries>,
    /// Reads the store's clock and state.
    pub probe: Arc<dyn StoreProbe>,
    /// Checks whether writes work.
    pub writes: Arc<dyn WriteProbe>,
    /// Recomputes balances.
    pub audit: Arc<dyn AuditQueries>,
    /// Acquires leases.
    pub leases: Arc<dyn Leases>,
    /// Sums the units in flight.
    pub in_flight: Arc<dyn InFlightQueries>,
    /// Reads the change log.
    pub changes: Arc<dyn ChangeQueries>,
    /// Sends notifications.
    pub notifier: Arc<dyn Notifier>,
    /// Creates a listener for a topic.
    pub listeners: Box<dyn Fn(Topic) -> Box<dyn Listener> + Send + Sync>,
    /// Damages the store as no use case does.
    pub damage: damage::DoDamage,
    /// Number of units of work that can be open at a time; 1 for a store that serialises them. A further one waits.
    pub pool_size: usize,
}

impl StorageUnderTest {
    /// Creates a store whose ports one value implements, with a pool of one unit of work, and which damages nothing.
    pub fn new<S>(
        store: Arc<S>,
        leases: Arc<dyn Leases>,
        notifier: Arc<dyn Notifier>,
        listeners: impl Fn(Topic) -> Box<dyn Listener> + Send + Sync + 'static,
        damage: damage::DoDamage,
    ) -> Self
    where
        S: Store
            + OrderQueries
            + StockQueries
            + VendorQueries
            + RunQueries
            + VendorSetQueries
            + DeadLetterQueries
            + SyncQueries
            + StoreProbe
            + WriteProbe
            + AuditQueries
            + InFlightQueries
            + ChangeQueries
            + 'static,
    {
        Self {
            store: store.clone(),
            orders: store.clone(),
            stock: store.clone(),
            vendors: store.clone(),
            runs: store.clone(),
            vendor_sets: store.clone(),
            dead_letters: store.clone(),
            sync: store.clone(),
            probe: store.clone(),
            writes: store.clone(),
            audit: store.clone(),
            in_flight: store.clone(),
            changes: store,
            leases,
            notifier,
            listeners: Box::new(listeners),
            damage,
            pool_size: 1,
        }
    }

    async fn begin(&self) -> Box<dyn UnitOfWork> {
        self.store.begin().await.unwrap()
    }

    /// Accepts orders in one transaction.
    async fn accept(&self, orders: &[NewOrder]) -> Vec<Acceptance> {
        let mut work = self.begin().await;
        let accepted = work.accept(orders).await.unwrap();
        work.commit().await.unwrap();
        accepted
    }

    /// Accepts orders that must be new, and returns their ids.
    async fn place_all(&self, orders: &[NewOrder]) -> Vec<OrderId> {
        let accepted = self.accept(orders).await;
        accepted
            .into_iter()
            .map(|accepted| created(accepted).id)
            .collect()
    }

    /// Accepts an order that must be new.
    pub(crate) async fn place(&self, order: NewOrder) -> Order {
        created(self.accept(&[order]).await.remove(0))
    }

    /// Returns an order, which must exist.
    pub(crate) async fn order(&self, id: OrderId) -> Order {
        self.orders.find_order(id).await.unwrap().unwrap()
    }

    /// Claims outbox entries.
    async fn claim(&self, limit: u32, lease: Duration) -> Vec<OutboxEntry> {
        let mut work = self.begin().await;
        let claimed = work.claim(limit, lease).await.unwrap();
        work.commit().await.unwrap();
        claimed
    }

    /// Claims all outbox entries, and returns their orders.
    async fn claim_orders(&self, lease: Duration) -> Vec<OrderId> {
        let claimed = self.claim(u32::MAX, lease).await;
        claimed.iter().flat_map(OutboxEntry::order_ids).collect()
    }

    /// Removes outbox entries.
    async fn remove(&self, entries: &[OutboxEntry]) {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let mut work = self.begin().await;
        work.remove(&ids).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Removes all outbox entries.
    async fn empty_outbox(&self) {
        let claimed = self.claim(u32::MAX, SHORT_DELAY).await;
        self.remove(&claimed).await;
    }

    /// Requeues overdue orders.
    async fn requeue(&self, pending_for: Duration, limit: u32) -> u64 {
        let mut work = self.begin().await;
        let limits = RequeueLimits { pending_for, limit };
        let requeued = work.requeue_overdue(limits).await.unwrap();
        work.commit().await.unwrap();
        requeued
    }

    /// Makes exactly these vendors the configured ones, with repository calls alone.
    async fn configure(&self, vendor_ids: &[&str]) -> SwitchedVendors {
        let mut work = self.begin().await;
        let vendors = configured(vendor_ids);
        let switched = work.configure(&vendors, OtherVendors::SwitchOff);
        let switched = switched.await.unwrap();
        work.commit().await.unwrap();
        switched
    }

    /// Writes the state of an order with repository calls alone, and returns the written order.
    async fn write_state(&self, id: OrderId, state: &OrderState) -> Order {
        let mut work = self.begin().await;
        work.lock_order(id).await.unwrap();
        let written = work.save_state(id, state).await.unwrap();
        work.commit().await.unwrap();
        written
    }

    /// Writes a product's vendor stock with repository calls alone, and configures exactly these vendors.
    async fn stock_up(&self, product_id: &str, levels: &[(&str, u32)]) {
        let names: Vec<&str> = levels.iter().map(|level| level.0).collect();
        self.configure(&names).await;
        let mut work = self.begin().await;
        let as_of = work.store_time().await.unwrap();
        work.create_products(&[product(product_id)]).await.unwrap();
        let mut locked = work.lock_stock(&[product(product_id)]).await.unwrap();
        let before = locked.pop().unwrap();
        let vendors: Vec<VendorStock> = levels
            .iter()
            .map(|&(vendor_id, reported)| VendorStock {
                vendor_id: vendor(vendor_id),
                reported,
                in_flight: before
                    .vendor(&vendor(vendor_id))
                    .map_or(0, |level| level.in_flight),
                as_of,
                configured: true,
                is_expired: false,
            })
            .collect();
        let after = ProductStock {
            vendors: vendors.clone(),
            ..before
        };
        let change = StockChange {
            quantity: after.quantity(),
            product_id: after.product_id,
            vendors,
        };
        work.save_stock(&[change]).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Writes the decision on a `PENDING` order, and nothing else.
    async fn decide(&self, id: OrderId, outcome: Outcome) {
        let mut work = self.begin().await;
        let pending = work.lock_pending(&[id]).await.unwrap().remove(0);
        let settled = SettledOrder {
            id,
            product_id: pending.request.product_id,
            outcome,
        };
        work.save_settled(&[settled]).await.unwrap();
        work.commit().await.unwrap();
    }
}

fn created(accepted: Acceptance) -> Order {
    match accepted {
        Acceptance::Created(order) => order,
        other => panic!("expected a new order, got {other:?}"),
    }
}

/// Runs a call that must not wait, with a timeout.
async fn immediately<T>(call: impl Future<Output = T>) -> T {
    timeout(IMMEDIATE_TIMEOUT, call)
        .await
        .expect("the call took more than a second")
}

/// Runs `waiter` while `holder` is open, checks that it waits, commits the holder, and returns the waiter's result.
async fn wait_for_holder<T: Send + 'static>(
    holder: Box<dyn UnitOfWork>,
    waiter: impl Future<Output = T> + Send + 'static,
) -> T {
    let waiter = tokio::spawn(waiter);
    sleep(SHORT_DELAY).await;
    assert!(
        !waiter.is_finished(),
        "the call did not wait for the lock holder"
    );
    holder.commit().await.unwrap();
    immediately(waiter).await.unwrap()
}
