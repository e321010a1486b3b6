//! A vendor that pushes its reports, with the clock paused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    Clock, DocumentUpload, GivenFeed, NoopObserver, PushFeed, PushedDocument, StockQueries as _,
    UploadError,
};
use domain::report::{Report, ReportKind};
use domain::services::{VendorSets, VendorSync};
use domain::vendor_set::{ConfiguredVendor, VendorSet, VendorSource};
use readiness::TaskHealth;
use signal_in_process::ProcessLeases;
use storage_memory::MemoryStore;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::*;

const MAX_AGE: Duration = Duration::from_mins(1);

/// A clock that follows tokio's clock.
struct TokioClock(Instant);

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus(self.0.elapsed())
    }

    async fn sleep(&self, span: Duration) {
        sleep(span).await;
    }
}

struct Pushing(VendorId);

impl PushFeed for Pushing {
    fn vendor_id(&self) -> &VendorId {
        &self.0
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    fn max_age(&self) -> Option<Duration> {
        Some(MAX_AGE)
    }

    fn timeout(&self) -> Duration {
        Duration::ZERO
    }

    fn receive(&self, _: PushedDocument) -> Result<Box<dyn DocumentUpload>, UploadError> {
        panic!("a worker receives no documents")
    }
}

fn vendor() -> VendorId {
    VendorId::parse("v").unwrap()
}

fn scheduler(store: &Arc<MemoryStore>, clock: &Arc<TokioClock>) -> Scheduler {
    let set: VendorSet = [ConfiguredVendor {
        vendor_id: vendor(),
        source: Some(VendorSource::new("push:v", None, "").unwrap()),
    }]
    .into_iter()
    .collect();
    Scheduler {
        sync: VendorSync::new(store.clone(), store.clone(), store.clone(), clock.clone()),
        vendor_sets: VendorSets::new(store.clone(), store.clone(), clock.clone()),
        leases: Arc::new(ProcessLeases::new()),
        vendors: Vec::new(),
        push_vendors: vec![ConfiguredPushFeed {
            feed: Arc::new(Pushing(vendor())),
            url: "push:v".to_owned(),
        }],
        set,
        health: TaskHealth::new("scheduler"),
        set_health: TaskHealth::new("vendor-set"),
        vendor_set_applied: watch::Sender::new(false),
        observer: Arc::new(NoopObserver),
    }
}

#[tokio::test(start_paused = true)]
async fn max_age_of_a_vendor_that_pushes_is_enforced() {
    let clock = Arc::new(TokioClock(Instant::now()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let scheduler = scheduler(&store, &clock);
    let applied = scheduler.apply_set_at_start().await;
    let product = ProductId::parse("p").unwrap();
    let lines = [(product.clone(), 5)];
    let pushed = GivenFeed {
        vendor_id: vendor(),
        report: Report::parse(ReportKind::Full, None, lines).unwrap(),
    };
    let sync = &scheduler.sync;
    sync.apply_pushed(&pushed, clock.now()).await.unwrap();

    let mut loops = Loops::default();
    loops.update(&scheduler, &applied);
    loops.update(&scheduler, &applied);
    assert_eq!(loops.tasks.len(), 1);
    assert!(loops.unreadable.is_empty(), "{:?}", loops.unreadable);
    let sellable = async || {
        let found = store.find_stock(&product).await.unwrap().unwrap();
        found.level.quantity
    };
    sleep(MAX_AGE / 2).await;
    assert_eq!(sellable().await, 5);
    sleep(MAX_AGE).await;
    assert_eq!(sellable().await, 0);
    sync.apply_pushed(&pushed, clock.now()).await.unwrap();
    sleep(MAX_AGE / 2).await;
    assert!(loops.tasks.try_join_next().is_none());
}
