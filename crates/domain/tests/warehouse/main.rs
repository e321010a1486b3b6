//! Reports and stock, against a model of the vendor's true warehouse (P3): with any files, caches, replicas and clocks
//! between the count and its use, wherever the process ends while it applies a report, and whatever a guard holds and an
//! operator accepts, no unit is sold that the warehouse does not hold, and no unit stays in flight forever once a report with
//! evidence arrives.
//!
//! The use case runs over the memory store on a clock that only the test moves. `PROPTEST_CASES` sets the number of cases.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod clock;
mod interrupted;
mod steps;
mod unchanged;
mod vendor;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::TestClock;
use domain::allocation::most_available_first;
use domain::guard::Guard;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{OrderRequest, OrderStatus};
use domain::ports::{
    AuditQueries as _, FeedError, FetchedReport, FinishedSync, NewOrder, OtherVendors,
    StockQueries as _, Store as _, SyncOutcome, VendorFeed,
};
use domain::quantity::Quantity;
use domain::report::ReportKind;
use domain::services::{ChangeStatus, QuarantineDecision, SyncError, VendorSync};
use domain::settlement::settle;
use domain::timestamp::Timestamp;
use domain::vendor_set::ConfiguredVendor;
use interrupted::InterruptibleStore;
use proptest::prelude::*;
use steps::{Step, guard, steps};
use storage_memory::MemoryStore;
use strum::VariantArray as _;
use vendor::{PRODUCTS, Source, UnfinishedFile, Units, Vendor};

/// 2026-11-23T12:00:00Z, in microseconds.
const START: i64 = 1_795_435_200_000_000;
const SECOND: i64 = 1_000_000;
/// Longest time for which a cache keeps a response, in microseconds.
const CACHED_FOR: i64 = 60 * SECOND;

/// Returns one response, after running other syncs if there are any.
struct Feed<'w> {
    vendor_id: VendorId,
    lag: Duration,
    response: FetchedReport,
    delay: i64,
    guard: Guard,
    meanwhile: std::sync::Mutex<VecDeque<(i64, FetchedReport)>>,
    fixture: &'w Fixture,
}

#[async_trait]
impl VendorFeed for Feed<'_> {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        self.lag
    }

    fn guard(&self) -> Guard {
        self.guard
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        loop {
            let next = self.meanwhile.lock().unwrap().pop_front();
            let Some((pause, response)) = next else { break };
            self.fixture.clock.advance(pause);
            Box::pin(self.fixture.sync(response, self.lag)).await;
        }
        self.fixture.clock.advance(self.delay);
        Ok(self.response.clone())
    }
}

struct Fixture {
    clock: Arc<TestClock>,
    store: MemoryStore,
    interruptible: InterruptibleStore,
    sync: VendorSync,
    status: ChangeStatus,
    guard: Guard,
}

impl Fixture {
    /// Opens a store whose syncs write at most `chunk_size` products per transaction.
    async fn open(chunk_size: usize, guard: Guard) -> Self {
        let clock = Arc::new(TestClock::at(START));
        let store = MemoryStore::new(clock.clone());
        let shared = Arc::new(store.clone());
        let interruptible = InterruptibleStore::new(store.clone());
        let mut work = store.begin().await.unwrap();
        let configured = ConfiguredVendor {
            vendor_id: VendorId::parse("v").unwrap(),
            source: None,
        };
        work.configure(&[configured], OtherVendors::SwitchOff)
            .await
            .unwrap();
        work.commit().await.unwrap();
        Self {
            sync: VendorSync::new(
                Arc::new(interruptible.clone()),
                shared.clone(),
                shared.clone(),
                clock.clone(),
            )
            .with_chunk_size(chunk_size),
            interruptible,
            status: ChangeStatus::new(shared, clock.clone()),
            store,
            clock,
            guard,
        }
    }

    /// Finds the file of a vendor whose files are seen as soon as they are written.
    async fn see_unfinished(&self, vendor: &Vendor) {
        if vendor.source == Source::SeenFile {
            let file = UnfinishedFile(VendorId::parse("v").unwrap(), vendor.file_time());
            self.sync.sync(&file).await.unwrap();
        }
    }

    fn feed(&self, response: FetchedReport, lag: Duration) -> Feed<'_> {
        Feed {
            vendor_id: VendorId::parse("v").unwrap(),
            lag,
            response,
            delay: 0,
            guard: self.guard,
            meanwhile: std::sync::Mutex::default(),
            fixture: self,
        }
    }

    /// Syncs a response.
    async fn sync(&self, response: FetchedReport, lag: Duration) -> FinishedSync {
        self.sync.sync(&self.feed(response, lag)).await.unwrap()
    }

    /// Accepts or discards the report in quarantine.
    async fn resolve(&self, is_accepted: bool) -> Result<Option<FinishedSync>, SyncError> {
        let decision = if is_accepted {
            QuarantineDecision::Accept
        } else {
            QuarantineDecision::Discard
        };
        let vendor_id = VendorId::parse("v").unwrap();
        self.sync
            .resolve_quarantine(&vendor_id, decision, None)
            .await
    }

    /// Orders units of a product, and returns the order if it was confirmed.
    async fn sell(&self, product: usize, units: u32) -> Option<Sold> {
        let product_id = ProductId::parse(PRODUCTS[product]).unwrap();
        let order = NewOrder {
            request: OrderRequest {
                product_id: product_id.clone(),
                quantity: Quantity::parse(units.into()).unwrap(),
            },
            key: None,
            batch: None,
            trace: None,
        };
        let mut work = self.store.begin().await.unwrap();
        let accepted = work.accept(&[order]).await.unwrap();
        let id = accepted[0].order().unwrap().id;
        let pending = work.lock_pending(&[id]).await.unwrap();
        let stock = work.lock_stock(&[product_id]).await.unwrap();
        let batch = settle(pending, stock, most_available_first).unwrap();
        work.save_settled(&batch.orders).await.unwrap();
        work.save_stock(&batch.stock).await.unwrap();
        let order = work.lock_order(id).await.unwrap().unwrap();
        work.commit().await.unwrap();
        let sold = Sold { id, product, units };
        (order.state.status() == OrderStatus::Confirmed).then_some(sold)
    }

    /// Returns the reported and in-flight units of a product.
    async fn numbers(&self, product: usize) -> (u32, u32) {
        let product_id = ProductId::parse(PRODUCTS[product]).unwrap();
        let found = self.store.find_stock(&product_id).await.unwrap();
        let level = &found.unwrap().vendors[0];
        (level.reported, level.in_flight)
    }
}

/// A confirmed order that is not shipped.
#[derive(Debug, Clone, Copy)]
struct Sold {
    id: OrderId,
    product: usize,
    units: u32,
}

/// Returns the units of each product that are sold and not shipped.
fn promised(confirmed: &VecDeque<Sold>) -> Units {
    let mut promised = Units::default();
    for sold in confirmed {
        promised[sold.product] += sold.units;
    }
    promised
}

fn lag_of(source: Source) -> Duration {
    match source {
        Source::Replica => Duration::from_micros((CACHED_FOR / 2).unsigned_abs()),
        _ => Duration::ZERO,
    }
}

/// Runs a sequence of steps, and checks after each that the warehouse holds the units that are confirmed and not shipped.
async fn run(
    source: Source,
    kind: ReportKind,
    skew: i64,
    units: Units,
    chunk_size: usize,
    guard: Guard,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let fixture = Fixture::open(chunk_size, guard).await;
    let clock = &fixture.clock;
    let mut vendor = Vendor::new(source, kind, skew, units);
    let lag = lag_of(source);
    let mut confirmed = VecDeque::new();
    let response = vendor.respond(clock.micros());
    fixture.sync(response, lag).await;
    for step in steps {
        match step {
            Step::Sell(product, units) => confirmed.extend(fixture.sell(*product, *units).await),
            Step::Ship => {
                if let Some(sold) = confirmed.pop_front() {
                    vendor.change(clock.micros(), sold.product, -i64::from(sold.units));
                    // A count does not include a shipment of the same instant.
                    clock.advance(1);
                    let shipped = fixture
                        .status
                        .change(sold.id, OrderStatus::Shipped, |_| true);
                    shipped.await.unwrap();
                }
            }
            Step::Restock(product, more) => vendor.change(clock.micros(), *product, (*more).into()),
            Step::Advance(micros) => clock.advance(*micros),
            Step::Write | Step::WriteAhead => {
                match step {
                    Step::WriteAhead => vendor.write_ahead(clock.micros()),
                    _ => vendor.write(clock.micros()),
                }
                fixture.see_unfinished(&vendor).await;
            }
            Step::Sync => {
                let response = vendor.respond(clock.micros());
                fixture.sync(response, lag).await;
            }
            Step::InterruptedSync(transactions) => {
                let response = vendor.respond(clock.micros());
                fixture.interruptible.interrupt_after(*transactions);
                drop(fixture.sync.sync(&fixture.feed(response, lag)).await);
                fixture.interruptible.restore();
                if vendor.ahead > 0 {
                    // Its time says nothing, so it is ordered by its first request, which may not be recorded.
                    vendor.responses.pop();
                }
                let findings = fixture.store.audit().await.unwrap();
                prop_assert!(findings.is_empty(), "{findings:?}");
            }
            Step::Resolve(is_accepted, transactions) => {
                fixture.interruptible.interrupt_after(*transactions);
                drop(fixture.resolve(*is_accepted).await);
                fixture.interruptible.restore();
                let findings = fixture.store.audit().await.unwrap();
                prop_assert!(findings.is_empty(), "{findings:?}");
            }
            Step::SlowSync(delay, pauses) => {
                // The slow response is counted first.
                let response = vendor.respond(clock.micros());
                let mut at = clock.micros();
                let meanwhile = pauses.iter().map(|pause| {
                    at += pause;
                    (*pause, vendor.respond(at))
                });
                let meanwhile = meanwhile.collect();
                let feed = Feed {
                    delay: *delay,
                    meanwhile: std::sync::Mutex::new(meanwhile),
                    ..fixture.feed(response, lag)
                };
                fixture.sync.sync(&feed).await.unwrap();
            }
            Step::Repeat(back) => {
                // Only a response that identifies its report can be recognised when it is received again.
                let known = matches!(
                    source,
                    Source::File | Source::Directory | Source::Document | Source::LocalTime
                );
                let response = vendor.responses.iter().rev().nth(*back).cloned();
                if let Some(mut response) = response.filter(|_| known) {
                    let now = clock.micros() + vendor.skew;
                    let date = Timestamp::from_micros(now).start_of_second();
                    response.times.date = response.times.date.map(|_| date);
                    fixture.sync(response, lag).await;
                }
            }
        }
        let promised = promised(&confirmed);
        let warehouse = vendor.warehouse;
        prop_assert!(
            promised
                .iter()
                .zip(&warehouse)
                .all(|(sold, held)| sold <= held),
            "{promised:?} units are sold and not shipped, the warehouse holds {warehouse:?} ({step:?})"
        );
    }
    end(&fixture, &mut vendor, &confirmed).await
}

/// Corrects the vendor's clock, syncs reports with evidence, and checks that nothing else is left in flight.
async fn end(
    fixture: &Fixture,
    vendor: &mut Vendor,
    confirmed: &VecDeque<Sold>,
) -> Result<(), TestCaseError> {
    let clock = &fixture.clock;
    let lag = lag_of(vendor.source);
    clock.advance(3 * 3_600 * SECOND);
    vendor.skew = 0;
    vendor.source = match vendor.source {
        Source::LocalTime => Source::Document,
        Source::Timeless => Source::Live,
        other => other,
    };
    vendor.write(clock.micros());
    clock.advance(2 * CACHED_FOR);
    for _ in 0..2 {
        let response = vendor.respond(clock.micros());
        let mut done = fixture.sync(response, lag).await;
        if done.outcome == SyncOutcome::Quarantined {
            done = fixture.resolve(true).await.unwrap().unwrap();
        }
        prop_assert_eq!(done.outcome, SyncOutcome::Applied);
        clock.advance(2 * CACHED_FOR);
    }
    for (product, promised) in promised(confirmed).into_iter().enumerate() {
        let expected = (vendor.warehouse[product], promised);
        prop_assert_eq!(fixture.numbers(product).await, expected);
    }
    let findings = fixture.store.audit().await.unwrap();
    prop_assert!(findings.is_empty(), "{findings:?}");
    Ok(())
}

proptest! {
    #[test]
    fn no_report_sells_a_unit_that_the_warehouse_does_not_hold(
        source in prop::sample::select(Source::VARIANTS),
        is_delta in any::<bool>(),
        skew in prop::sample::select(&[-100_i64, -3, 0, 3, 60][..]),
        units in prop::array::uniform3(1_u32..40),
        chunk_size in 1_usize..4,
        guard in guard(),
        steps in steps(),
    ) {
        let kind = if is_delta { ReportKind::Delta } else { ReportKind::Full };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(source, kind, skew * SECOND, units, chunk_size, guard, &steps))?;
    }
}
