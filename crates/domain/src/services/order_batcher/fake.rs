//! A store that keeps the orders that a batch writer commits, with scripted faults.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{BatchWriter, NewBatch, OrderBatcher, OrderBatcherSettings, PlaceResult, PlacedOrder};
use crate::identifiers::{BatchDigest, IdempotencyKey, OrderId, ProductId};
use crate::order::{Order, OrderRequest, OrderState};
use crate::ports::{
    Acceptance, MockClock, MockNotifier, MockUnitOfWork, NewOrder, Store, StoreError, Topic,
    UnitOfWork,
};
use crate::quantity::Quantity;
use crate::timestamp::Timestamp;

/// The fault of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Begin,
    Accept,
    /// Nothing is committed.
    Commit,
    /// Everything is committed, but the result is lost.
    CommitLost,
    /// The writer panics during the commit.
    CommitPanic,
    Conflict,
    ConflictAtCommit,
    Panic,
}

#[derive(Default)]
struct Rows {
    faults: VecDeque<Fault>,
    /// Quantities whose orders can never be written.
    poison: HashSet<u32>,
    orders: Vec<Order>,
    keys: HashMap<IdempotencyKey, (Order, Option<BatchDigest>)>,
    batches: Vec<usize>,
    lost: usize,
}

/// The writes of one open transaction.
type Written = Vec<(NewOrder, Order)>;

pub(super) struct FakeStore {
    rows: Arc<Mutex<Rows>>,
    gate: Semaphore,
    begun: AtomicUsize,
    notified: Arc<AtomicUsize>,
}

impl FakeStore {
    /// A store in which no transaction begins before [`let_begin`](Self::let_begin).
    pub(super) fn closed() -> Arc<Self> {
        Arc::new(Self {
            rows: Arc::default(),
            gate: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            notified: Arc::default(),
        })
    }

    pub(super) fn open() -> Arc<Self> {
        let store = Self::closed();
        store.let_begin(Semaphore::MAX_PERMITS);
        store
    }

    pub(super) fn let_begin(&self, transactions: usize) {
        self.gate.add_permits(transactions);
    }

    /// Sets the faults of the next transactions, in this order.
    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.rows.lock().unwrap().faults.extend(faults);
    }

    pub(super) fn poison(&self, quantities: &[u32]) {
        self.rows.lock().unwrap().poison.extend(quantities);
    }

    /// Number of orders created by each confirmed commit.
    pub(super) fn batches(&self) -> Vec<usize> {
        self.rows.lock().unwrap().batches.clone()
    }

    /// Removes the keys that match the predicate.
    pub(super) fn prune_keys(&self, is_pruned: impl Fn(&IdempotencyKey) -> bool) {
        let mut rows = self.rows.lock().unwrap();
        rows.keys.retain(|key, _| !is_pruned(key));
    }

    pub(super) fn committed(&self) -> usize {
        self.rows.lock().unwrap().orders.len()
    }

    /// Number of orders whose commit was not confirmed.
    pub(super) fn lost(&self) -> usize {
        self.rows.lock().unwrap().lost
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Number of notifications to the relay.
    pub(super) fn notifications(&self) -> usize {
        self.notified.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.gate.acquire().await.unwrap().forget();
        let fault = self.rows.lock().unwrap().faults.pop_front();
        match fault.unwrap_or(Fault::None) {
            Fault::Begin => Err(unavailable()),
            Fault::Panic => panic!("scripted fault"),
            fault => Ok(Box::new(transaction(&self.rows, fault))),
        }
    }
}

fn transaction(rows: &Arc<Mutex<Rows>>, fault: Fault) -> MockUnitOfWork {
    let written: Arc<Mutex<Written>> = Arc::default();
    let mut work = MockUnitOfWork::new();
    let (shared, to_commit) = (Arc::clone(rows), Arc::clone(&written));
    work.expect_accept().returning(move |orders| {
        let rows = shared.lock().unwrap();
        match fault {
            Fault::Accept => return Err(unavailable()),
            Fault::Conflict => return Err(conflict()),
            _ => {}
        }
        let mut written = written.lock().unwrap();
        orders
            .iter()
            .map(|order| accept(&rows, &mut written, order))
            .collect()
    });
    let shared = Arc::clone(rows);
    work.expect_commit().returning(move || {
        match fault {
            Fault::Commit => return Err(unavailable()),
            Fault::CommitPanic => panic!("scripted fault"),
            Fault::ConflictAtCommit => return Err(conflict()),
            _ => {}
        }
        let written = std::mem::take(&mut *to_commit.lock().unwrap());
        let mut rows = shared.lock().unwrap();
        let created = written.len();
        for (new, order) in written {
            let key = new.key.map(|key| (key, (order.clone(), new.batch)));
            rows.keys.extend(key);
            rows.orders.push(order);
        }
        if fault == Fault::CommitLost {
            rows.lost += created;
            return Err(StoreError::CommitUnknown("connection lost".to_owned()));
        }
        rows.batches.push(created);
        Ok(())
    });
    work
}

fn accept(rows: &Rows, written: &mut Written, new: &NewOrder) -> Result<Acceptance, StoreError> {
    if rows.poison.contains(&new.request.quantity.units()) {
        return Err(StoreError::Corrupt {
            table: "orders",
            column: "quantity",
            row: new.request.quantity.to_string(),
        });
    }
    let here = written
        .iter()
        .find(|(other, _)| other.key.is_some() && other.key == new.key)
        .map(|(other, order)| (order, &other.batch));
    let before = new.key.as_ref().and_then(|key| rows.keys.get(key));
    let before = before.map(|(order, batch)| (order, batch));
    if let Some((order, batch)) = before.or(here) {
        return Ok(if *batch == new.batch {
            Acceptance::Existing(order.clone())
        } else {
            Acceptance::KeyReused
        });
    }
    let order = Order {
        id: OrderId(i64::try_from(rows.orders.len() + written.len()).unwrap() + 1),
        product_id: new.request.product_id.clone(),
        quantity: new.request.quantity,
        state: OrderState::Pending,
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
    };
    written.push((new.clone(), order.clone()));
    Ok(Acceptance::Created(order))
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("connection refused".to_owned())
}

fn conflict() -> StoreError {
    StoreError::Conflict("deadlock detected".to_owned())
}

pub(super) fn settings(max_batch: usize, max_waiting: usize) -> OrderBatcherSettings {
    OrderBatcherSettings {
        max_batch,
        max_waiting,
    }
}

pub(super) fn wire(
    store: &Arc<FakeStore>,
    settings: OrderBatcherSettings,
) -> (OrderBatcher, BatchWriter) {
    let notifications = Arc::clone(&store.notified);
    let mut notifier = MockNotifier::new();
    notifier.expect_notify().returning(move |topic| {
        if topic == Topic::Outbox {
            notifications.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut clock = MockClock::new();
    clock.expect_sleep().returning(|_| ());
    let store: Arc<dyn Store> = store.clone();
    OrderBatcher::open(store, Arc::new(notifier), Arc::new(clock), settings)
}

/// Opens a store, and starts a writer on it.
pub(super) fn open(max_batch: usize, max_waiting: usize) -> (Arc<FakeStore>, OrderBatcher) {
    let store = FakeStore::open();
    let batcher = start(&store, max_batch, max_waiting);
    (store, batcher)
}

/// Starts a writer on the store.
pub(super) fn start(store: &Arc<FakeStore>, max_batch: usize, max_waiting: usize) -> OrderBatcher {
    let (batcher, writer) = wire(store, settings(max_batch, max_waiting));
    tokio::spawn(writer.run());
    batcher
}

/// Lets every task run until it is blocked.
pub(super) async fn run_until_blocked() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn place(
    batcher: &OrderBatcher,
    order: NewOrder,
) -> JoinHandle<PlaceResult<PlacedOrder>> {
    let batcher = batcher.clone();
    tokio::spawn(async move { batcher.place(order).await })
}

pub(super) fn unkeyed(quantity: u32) -> NewOrder {
    NewOrder {
        request: OrderRequest {
            product_id: ProductId::parse("p").unwrap(),
            quantity: Quantity::parse(i64::from(quantity)).unwrap(),
        },
        key: None,
        batch: None,
        trace: None,
    }
}

pub(super) fn keyed(quantity: u32, key: &str) -> NewOrder {
    NewOrder {
        key: Some(IdempotencyKey::parse("", key).unwrap()),
        ..unkeyed(quantity)
    }
}

/// A batch whose orders have these quantities. Its digest is the list of quantities.
pub(super) fn batch(quantities: &[u32], key: Option<&str>) -> NewBatch {
    let digest: Vec<String> = quantities.iter().map(u32::to_string).collect();
    NewBatch {
        requests: quantities
            .iter()
            .map(|quantity| unkeyed(*quantity).request)
            .collect(),
        key: key.map(|key| {
            let key = IdempotencyKey::parse("", key).unwrap();
            (key, BatchDigest::parse(digest.join("+")).unwrap())
        }),
        trace: None,
    }
}
