//! A store and a queue in memory: the state before a use case runs, and the invariants after it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::allocation::most_available_first;
use domain::guard::Guard;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Order, OrderState, OrderStatus};
use domain::ports::{
    Acceptance, AuditQueries, Clock, DeadLetterQueries, NewOrder, NoopNotifier, OrderConsumer,
    OrderQueries, OrderQueue, OutboxEntry, StockQueries, Store, StoreProbe, audit_rules,
};
use domain::services::{
    ChangeStatus, Relay, RelaySettings, SettleError, SettleOrders, Sweeper, SweeperSettings,
    VendorSets, VendorSync,
};
use domain::timestamp::Timestamp;
use queue_in_process::InProcessQueue;
use storage_memory::MemoryStore;

use crate::builders::{full, vendor, vendor_set};
use crate::faults::Faults;
use crate::faulty_edges::{FaultyFeed, FaultyQueue};
use crate::faulty_store::FaultyStore;

pub(crate) const LEASE: Duration = Duration::from_secs(30);
const PENDING_FOR: Duration = Duration::from_mins(1);
const KEY_RETENTION: Duration = Duration::from_hours(24);
const CHANGE_LOG_RETENTION: Duration = Duration::from_hours(1);

/// Longer than a lease and than an order may stay `PENDING`, shorter than the retention of keys.
const LATER: Duration = Duration::from_hours(1);

/// A clock that advances when a task sleeps, and when a test advances it.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, span: Duration) {
        self.advance(span);
    }
}

/// A vendor, and its reported, in-flight and available units.
type VendorCounts = (VendorId, u32, u32, u32);

/// The observable state, without ids and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The orders, oldest first.
    orders: Vec<(ProductId, u32, OrderState)>,
    /// The products, with the quantity that can be sold and the vendors.
    stock: Vec<(ProductId, u64, Vec<VendorCounts>)>,
}

pub(crate) struct Fixture {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) store: FaultyStore,
    pub(crate) queue: FaultyQueue,
    /// The order that the use case changes, if it changes one.
    pub(crate) subject: Option<OrderId>,
    /// Orders that were lost before the use case began.
    pub(crate) lost_before: HashSet<OrderId>,
}

impl Fixture {
    /// Opens a store with stock of two vendors: 10 and 3 of p, 4 and none of q.
    pub(crate) async fn open(max_messages: usize, max_orders_a_message: usize) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_435_200_000_000)));
        let faults = Arc::new(Faults::default());
        let fixture = Self {
            store: FaultyStore {
                memory: MemoryStore::new(clock.clone()),
                faults: Arc::clone(&faults),
                unreadable: None,
            },
            queue: FaultyQueue {
                inner: InProcessQueue::new(max_messages)
                    .with_max_orders_per_message(max_orders_a_message),
                faults: Arc::clone(&faults),
            },
            clock,
            faults,
            subject: None,
            lost_before: HashSet::new(),
        };
        let set = vendor_set(&["v", "w"]);
        fixture.vendor_sets().apply_if_new(&set).await.unwrap();
        for (vendor_id, lines) in [("v", &[("p", 10), ("q", 4)][..]), ("w", &[("p", 3)])] {
            let feed = FaultyFeed {
                now: fixture.clock.now(),
                guard: Guard::default(),
                validators: None,
                vendor_id: vendor(vendor_id),
                result: Ok(full(lines)),
                faults: Arc::clone(&fixture.faults),
            };
            fixture.sync().sync(&feed).await.unwrap();
        }
        fixture
    }

    pub(crate) fn store_port(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn probe_port(&self) -> Arc<dyn StoreProbe> {
        Arc::new(self.store.clone())
    }

    pub(crate) fn relay(&self) -> Relay {
        let settings = RelaySettings {
            batch: 10,
            lease: LEASE,
        };
        let queue = Arc::new(self.queue.clone());
        Relay::new(self.store_port(), queue, self.clock.clone(), settings)
    }

    pub(crate) fn sweeper(&self) -> Sweeper {
        Sweeper::new(
            self.store_port(),
            Arc::new(self.queue.clone()),
            Arc::new(NoopNotifier),
            self.clock.clone(),
            SweeperSettings {
                pending_for: PENDING_FOR,
                max_queue_depth: 100,
                key_retention: KEY_RETENTION,
                change_log_retention: CHANGE_LOG_RETENTION,
                max_runs: 2,
            },
        )
    }

    pub(crate) fn sync(&self) -> VendorSync {
        let queries = Arc::new(self.store.clone());
        VendorSync::new(
            self.store_port(),
            queries,
            self.probe_port(),
            self.clock.clone(),
        )
    }

    pub(crate) fn vendor_sets(&self) -> VendorSets {
        let queries = Arc::new(self.store.clone());
        VendorSets::new(self.store_port(), queries, self.clock.clone())
    }

    pub(crate) fn status(&self) -> ChangeStatus {
        ChangeStatus::new(self.store_port(), self.clock.clone())
    }

    /// Receives, settles and then acknowledges messages, as a worker does. Without messages it does nothing.
    pub(crate) async fn settle_messages(&self) -> Result<(), SettleError> {
        if self.queue.inner.depth().await.unwrap() == 0 {
            return Ok(());
        }
        let mut consumer = self.queue.inner.consumer();
        let messages = consumer.next_batch(100).await.unwrap();
        let ids: Vec<OrderId> = messages
            .iter()
            .flat_map(|message| message.order_ids.clone())
            .collect();
        let settlement =
            SettleOrders::new(self.store_port(), self.clock.clone(), most_available_first);
        settlement.settle(&ids).await?;
        let receipts: Vec<_> = messages.iter().map(|message| message.receipt).collect();
        consumer.acknowledge(&receipts).await.unwrap();
        Ok(())
    }

    /// Accepts orders that must be new.
    pub(crate) async fn accept(&self, orders: &[NewOrder]) -> Vec<OrderId> {
        let mut work = self.store.memory.begin().await.unwrap();
        let accepted = work.accept(orders).await.unwrap();
        work.commit().await.unwrap();
        accepted
            .into_iter()
            .map(|accepted| match accepted {
                Acceptance::Created(order) => order.id,
                other => panic!("expected a new order, got {other:?}"),
            })
            .collect()
    }

    /// Removes all outbox entries without publishing them.
    pub(crate) async fn discard_outbox(&mut self) {
        let mut work = self.store.memory.begin().await.unwrap();
        let entries = work.claim(100, LEASE).await.unwrap();
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        work.remove(&ids).await.unwrap();
        work.commit().await.unwrap();
        self.lost_before
            .extend(entries.iter().flat_map(OutboxEntry::order_ids));
    }

    pub(crate) async fn orders(&self) -> Vec<Order> {
        let filter = domain::ports::OrderFilter::default();
        let mut orders = self
            .store
            .memory
            .list_orders(&filter, None, 1_000)
            .await
            .unwrap();
        orders.reverse();
        orders
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let orders = self.orders().await;
        let mut stock = Vec::new();
        for level in self
            .store
            .memory
            .list_stock(None, false, 1_000)
            .await
            .unwrap()
        {
            let detail = self.store.memory.find_stock(&level.product_id).await;
            let vendors = detail.unwrap().unwrap().vendors.into_iter();
            let numbers = vendors
                .map(|it| (it.vendor_id, it.reported, it.in_flight, it.available))
                .collect();
            stock.push((level.product_id, level.quantity, numbers));
        }
        Snapshot {
            orders: orders
                .into_iter()
                .map(|order| (order.product_id, order.quantity.units(), order.state))
                .collect(),
            stock,
        }
    }

    /// Asserts the invariants after any failure: balances are right, no lock is held, and no pending order is lost.
    pub(crate) async fn assert_sound(&self, context: &str) {
        let mut findings = self.store.memory.audit().await.unwrap();
        // The clock has advanced by more than a day; lost orders are checked below.
        findings.retain(|finding| finding.rule != audit_rules::PENDING);
        assert_eq!(findings, [], "{context}");
        let at_once = self.store.memory.clone().with_begin_timeout(Duration::ZERO);
        assert!(at_once.begin().await.is_ok(), "{context}: a lock is held");
        let mut in_transit = self.lost_before.clone();
        in_transit.extend(self.in_outbox().await);
        in_transit.extend(self.in_queue().await);
        in_transit.extend(self.dead_letters().await);
        for order in self.orders().await {
            let is_pending = order.state.status() == OrderStatus::Pending;
            let is_lost = is_pending && !in_transit.contains(&order.id);
            assert!(!is_lost, "{context}: {order:?} is lost");
        }
    }

    /// Returns the orders in the outbox, claimed or not: by a claim after every lease, which is not committed.
    async fn in_outbox(&self) -> Vec<OrderId> {
        self.clock.advance(LEASE + LEASE);
        let mut work = self.store.memory.begin().await.unwrap();
        let entries = work.claim(100, LEASE).await.unwrap();
        entries.iter().flat_map(OutboxEntry::order_ids).collect()
    }

    /// Returns the orders in the queue; the consumer returns the messages when it is dropped.
    async fn in_queue(&self) -> Vec<OrderId> {
        let mut consumer = self.queue.inner.consumer();
        let mut ids = Vec::new();
        while self.queue.inner.depth().await.unwrap() > 0 {
            for message in consumer.next_batch(100).await.unwrap() {
                ids.extend(message.order_ids);
            }
        }
        ids
    }

    /// Returns the orders that have a dead letter.
    pub(crate) async fn dead_letters(&self) -> HashSet<OrderId> {
        let letters = self.store.memory.list_dead_letters(None, 1_000).await;
        let letters = letters.unwrap().into_iter();
        letters.map(|letter| letter.order_id).collect()
    }

    /// Runs the background tasks, which are sweeper, relay and consumers, until nothing is left to do.
    pub(crate) async fn run_until_idle(&self) {
        self.clock.advance(LATER);
        self.sweeper().sweep().await.unwrap();
        loop {
            // A full queue accepts the rest after it was emptied.
            let relayed = self.relay().run_once().await;
            if self.queue.inner.depth().await.unwrap() == 0 {
                assert_eq!(relayed.unwrap().orders, 0);
                break;
            }
            self.settle_messages().await.unwrap();
        }
        assert_eq!(self.in_outbox().await, []);
    }
}
