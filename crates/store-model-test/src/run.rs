//! One sequence, executed on both stores.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::OrderStatus;
use domain::ports::{
    AuditQueries, Lease, Leases, OrderFilter, OrderQueries, StockQueries, Store, StoreProbe,
};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::bindings::{Bindings, entries_of, product, vendors};
use crate::operations::{Operation, PRODUCTS, Query, Step};
use crate::paired_store::PairedStore;
use crate::pairs::SharedPairs;
use port_contracts::StorageUnderTest;

/// Timeout of an operation, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Timeout for a released lease to become free.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Page size, below the number of results of most filters.
const PAGE: u32 = 3;

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The two stores during a sequence.
pub(super) struct Run {
    pub(super) store: Arc<PairedStore>,
    pub(super) pairs: SharedPairs,
    pub(super) bindings: Bindings,
    leases: Arc<dyn Leases>,
    audit: Arc<dyn AuditQueries>,
    adapter: Arc<dyn Store>,
    pool_size: usize,
    held: HashMap<&'static str, Box<dyn Lease>>,
}

impl Run {
    /// Starts with an empty store.
    pub(super) fn new(real: &StorageUnderTest) -> Self {
        let store = PairedStore::new(real);
        Self {
            pairs: store.pairs.clone(),
            store: Arc::new(store),
            bindings: Bindings::default(),
            leases: Arc::clone(&real.leases),
            audit: Arc::clone(&real.audit),
            adapter: Arc::clone(&real.store),
            pool_size: real.pool_size,
            held: HashMap::new(),
        }
    }

    /// Executes one operation on both stores.
    ///
    /// # Errors
    /// Returns the first result in which the stores differ.
    pub(super) async fn execute(&mut self, operation: &Operation) -> Result<(), String> {
        let operating = async {
            self.operate(operation).await;
            if self.pairs.take_dropped() {
                self.wait_for_rollback().await;
            }
        };
        if timeout(TIMEOUT, operating).await.is_err() {
            self.pairs.differ("the operation did not end");
        }
        self.pairs.allow_calls(None);
        self.check_difference()
    }

    /// Compares everything that can be read after the sequence, and returns the number of calls.
    ///
    /// # Errors
    /// Returns a difference, or the findings of an audit.
    pub(super) async fn end(mut self) -> Result<u64, String> {
        self.held.clear();
        self.read_everything().await;
        self.check_difference()?;
        for (of, audit) in [
            ("the model", &self.store.model as &dyn AuditQueries),
            ("the adapter", self.audit.as_ref()),
        ] {
            match audit.audit().await {
                Ok(findings) if findings.is_empty() => {}
                found => return Err(format!("the audit of {of} returns {found:?}")),
            }
        }
        Ok(self.pairs.calls())
    }

    /// Waits until dropped units of work have released their locks: a claim skips locked entries, so its result would depend
    /// on the time of the release. Once the whole pool is in use, no dropped unit of work is left.
    async fn wait_for_rollback(&self) {
        let open = (0..self.pool_size).map(|_| self.adapter.begin());
        for begun in join_all(open).await {
            if let Err(error) = begun {
                self.pairs
                    .differ(&format!("begin: the adapter returns {error:?}"));
            }
        }
    }

    fn check_difference(&self) -> Result<(), String> {
        self.pairs.difference().map_or(Ok(()), Err)
    }

    async fn operate(&mut self, operation: &Operation) {
        match operation {
            Operation::RecordTime(instant) => {
                if let Ok(now) = StoreProbe::store_time(&*self.store).await {
                    self.bindings.bind_time(*instant, now);
                }
            }
            Operation::Use(use_case, calls) => {
                self.pairs.allow_calls(*calls);
                self.use_case(use_case).await;
            }
            Operation::Work { steps, commit } => self.work(steps, *commit).await,
            Operation::Read(query) => self.read(query).await,
            Operation::AcquireLease(name) => self.acquire(name).await,
            Operation::ReleaseLease(name) => drop(self.held.remove(name)),
        }
    }

    /// Runs a unit of work. The commit is attempted even after a failed call: both stores must refuse it.
    async fn work(&mut self, steps: &[Step], commit: bool) {
        let Ok(mut work) = self.store.begin().await else {
            return;
        };
        for step in steps {
            if self.step(work.as_mut(), step).await.is_err() {
                break;
            }
        }
        if commit {
            // `PairedWork` compares the result.
            let _ = work.commit().await;
        }
    }

    /// Reads from both stores; `PairedStore` compares the results.
    pub(super) async fn read(&self, query: &Query) {
        let store = &self.store;
        match query {
            Query::Order(slot) => drop(store.find_order(self.bindings.order(*slot)).await),
            Query::Orders {
                status,
                product: of,
                before,
                limit,
            } => {
                let filter = OrderFilter {
                    status: *status,
                    product_id: of.map(product),
                };
                let before = before.map(|slot| self.bindings.order(slot));
                drop(store.list_orders(&filter, before, *limit).await);
            }
            Query::Stock(of) => drop(store.find_stock(&product(*of)).await),
            Query::StockList {
                after,
                in_stock,
                limit,
            } => {
                let after = after.map(product);
                drop(store.list_stock(after, *in_stock, *limit).await);
            }
            Query::OutboxLag => drop(store.outbox_lag().await),
            Query::WereTried(of) => drop(store.were_tried(&vendors(of)).await),
        }
    }

    /// Acquires a lease: one that is held must be refused, and one that is free must be granted.
    async fn acquire(&mut self, name: &'static str) {
        let deadline = Instant::now() + RELEASE_TIMEOUT;
        let taken = self.held.contains_key(name);
        loop {
            match self.leases.try_acquire(name).await {
                Ok(Some(lease)) if !taken => {
                    self.held.insert(name, lease);
                    return;
                }
                Ok(None) if taken => break,
                // The lease was released shortly before.
                Ok(None) if Instant::now() < deadline => sleep(POLL_INTERVAL).await,
                result => {
                    let result = result.map(|lease| lease.is_some());
                    let difference = format!("try_acquire {name}, held {taken}: {result:?}");
                    return self.pairs.differ(&difference);
                }
            }
        }
        if let Some(lease) = self.held.get_mut(name)
            && !lease.is_held().await
        {
            self.pairs.differ(&format!("the lease {name} was lost"));
        }
    }

    async fn read_all_pages(&self, filter: &OrderFilter) {
        let mut before = None;
        while let Ok(page) = self.store.list_orders(filter, before, PAGE).await
            && let Some(last) = page.last()
        {
            before = Some(last.id);
        }
    }

    /// Reads all orders by each filter, all stock, and the whole outbox after all claims are released.
    async fn read_everything(&self) {
        let store = &self.store;
        let statuses = OrderStatus::ALL.iter().copied().map(Some).chain([None]);
        for status in statuses {
            for of in (0..PRODUCTS.len()).map(Some).chain([None]) {
                let filter = OrderFilter {
                    status,
                    product_id: of.map(product),
                };
                self.read_all_pages(&filter).await;
            }
        }
        for in_stock in [false, true] {
            drop(store.list_stock(None, in_stock, 1_000).await);
        }
        for of in 0..PRODUCTS.len() {
            drop(store.find_stock(&product(of)).await);
        }
        let every: Vec<_> = (0..PRODUCTS.len()).map(product).collect();
        drop(store.find_levels(&every).await);
        let all: Vec<OrderId> = self.bindings.all_orders();
        drop(store.find_orders(&all).await);
        drop(store.find_settled(&all).await);
        if let Ok(mut work) = store.begin().await
            && work.release(&entries_of(&all, &self.pairs)).await.is_ok()
        {
            drop(work.claim(u32::MAX, Duration::ZERO).await);
        }
    }
}
