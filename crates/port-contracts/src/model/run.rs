//! One sequence, played to both stores.

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

use super::cast::{Cast, entries_of, product, vendors};
use super::operations::{Operation, PRODUCTS, Query, Step};
use super::paired_store::PairedStore;
use super::pairs::SharedPairs;
use crate::storage::StorageUnderTest;

/// Longer than any operation takes on a busy machine.
const LONGEST: Duration = Duration::from_mins(1);

/// How long a lease may take to be free after it was given back.
const SOON: Duration = Duration::from_secs(5);

/// Smaller than what most filters find.
const PAGE: u32 = 3;

const A_MOMENT: Duration = Duration::from_millis(10);

/// The two stores in the middle of a sequence.
pub(super) struct Run {
    pub(super) store: Arc<PairedStore>,
    pub(super) pairs: SharedPairs,
    pub(super) cast: Cast,
    leases: Arc<dyn Leases>,
    audit: Arc<dyn AuditQueries>,
    adapter: Arc<dyn Store>,
    pool_size: usize,
    held: HashMap<&'static str, Box<dyn Lease>>,
}

impl Run {
    /// Begins with an empty store.
    pub(super) fn new(real: &StorageUnderTest) -> Self {
        let store = PairedStore::new(real);
        Self {
            pairs: store.pairs.clone(),
            store: Arc::new(store),
            cast: Cast::default(),
            leases: Arc::clone(&real.leases),
            audit: Arc::clone(&real.audit),
            adapter: Arc::clone(&real.store),
            pool_size: real.pool_size,
            held: HashMap::new(),
        }
    }

    /// Does one operation to both stores.
    ///
    /// # Errors
    /// The first answer in which they differ.
    pub(super) async fn play(&mut self, operation: &Operation) -> Result<(), String> {
        let operating = async {
            self.operate(operation).await;
            if self.pairs.take_dropped() {
                self.see_the_drop_through().await;
            }
        };
        if timeout(LONGEST, operating).await.is_err() {
            self.pairs.differ("the operation did not end");
        }
        self.pairs.allow_calls(None);
        self.so_far()
    }

    /// Compares everything that is left of the sequence.
    ///
    /// # Errors
    /// What differs, or what an audit finds.
    pub(super) async fn end(mut self) -> Result<u64, String> {
        self.held.clear();
        self.read_everything().await;
        self.so_far()?;
        for (of, audit) in [
            ("the model", &self.store.model as &dyn AuditQueries),
            ("the adapter", self.audit.as_ref()),
        ] {
            match audit.audit().await {
                Ok(findings) if findings.is_empty() => {}
                found => return Err(format!("the audit of {of} says {found:?}")),
            }
        }
        Ok(self.pairs.calls())
    }

    /// Waits until what was dropped has given its locks back: a claim passes over what is locked, so that it would answer
    /// according to how soon that is. Once as many units of work are open as there can be, none that was dropped is left.
    async fn see_the_drop_through(&self) {
        let open = (0..self.pool_size).map(|_| self.adapter.begin());
        for begun in join_all(open).await {
            if let Err(error) = begun {
                self.pairs
                    .differ(&format!("begin: the adapter answers {error:?}"));
            }
        }
    }

    fn so_far(&self) -> Result<(), String> {
        self.pairs.difference().map_or(Ok(()), Err)
    }

    async fn operate(&mut self, operation: &Operation) {
        match operation {
            Operation::Remember(moment) => {
                if let Ok(told) = StoreProbe::store_time(&*self.store).await {
                    self.cast.remember(*moment, told);
                }
            }
            Operation::Use(use_case, calls) => {
                self.pairs.allow_calls(*calls);
                self.use_case(use_case).await;
            }
            Operation::Work { steps, commit } => self.work(steps, *commit).await,
            Operation::Read(query) => self.read(query).await,
            Operation::Acquire(name) => self.acquire(name).await,
            Operation::GiveBack(name) => drop(self.held.remove(name)),
        }
    }

    /// A unit of work of which a call failed is committed all the same: both must refuse.
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
            // Compared where it is answered.
            let _ = work.commit().await;
        }
    }

    /// Answers are compared where they are given; nothing is left to do with them here.
    pub(super) async fn read(&self, query: &Query) {
        let store = &self.store;
        match query {
            Query::Order(slot) => drop(store.find_order(self.cast.order(*slot)).await),
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
                let before = before.map(|slot| self.cast.order(slot));
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

    /// A lease that is held is not given again, and one that is not held is.
    async fn acquire(&mut self, name: &'static str) {
        let give_up = Instant::now() + SOON;
        let taken = self.held.contains_key(name);
        loop {
            match self.leases.try_acquire(name).await {
                Ok(Some(lease)) if !taken => {
                    self.held.insert(name, lease);
                    return;
                }
                Ok(None) if taken => break,
                // Given back a moment ago.
                Ok(None) if Instant::now() < give_up => sleep(A_MOMENT).await,
                answer => {
                    let answer = answer.map(|lease| lease.is_some());
                    let difference = format!("try_acquire {name}, taken {taken}: {answer:?}");
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

    /// All orders by each filter, all stock, and all that is in the outbox once every claim has ended.
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
        let all: Vec<OrderId> = self.cast.all_orders();
        drop(store.find_orders(&all).await);
        drop(store.find_settled(&all).await);
        if let Ok(mut work) = store.begin().await
            && work.release(&entries_of(&all, &self.pairs)).await.is_ok()
        {
            drop(work.claim(u32::MAX, Duration::ZERO).await);
        }
    }
}
