//! Schedulers against the memory store, with the clock paused.

use std::collections::VecDeque;
use std::sync::Mutex;

use clock_tokio::SystemClock;
use domain::evidence::ResponseTimes;
use domain::ports::FetchedReport;
use domain::ports::{
    FeedError, MockStoreProbe, MockVendorFeed, NoopObserver, OtherVendors, Store as _,
    VendorSetQueries as _,
};
use domain::report::{Report, ReportKind};
use domain::vendor_set::VendorSource;
use signal_in_process::ProcessLeases;
use storage_memory::MemoryStore;
use tokio::time::{Instant, timeout};

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Moments at which something was asked, in seconds from the start.
type Log = Arc<Mutex<Vec<f64>>>;

/// Syncs that get as far as the store's answers allow: one answer each, then the store is there. Returns when the
/// store and when the vendor was asked.
async fn asked_within(
    span: Duration,
    every: Duration,
    answers: Vec<StoreError>,
) -> (Vec<f64>, Vec<f64>) {
    let start = Instant::now();
    let (store_log, vendor_log) = (Log::default(), Log::default());
    let mut answers = VecDeque::from(answers);
    let mut probe = MockStoreProbe::new();
    let log = Arc::clone(&store_log);
    probe.expect_store_time().returning(move || {
        log.lock().unwrap().push(start.elapsed().as_secs_f64());
        answers
            .pop_front()
            .map_or(Ok(Timestamp::from_micros(1)), Err)
    });
    probe.expect_find_pauses().returning(|_| Ok(Vec::new()));
    let mut feed = MockVendorFeed::new();
    feed.expect_vendor_id()
        .return_const(VendorId::parse("vendor-a").unwrap());
    let log = Arc::clone(&vendor_log);
    feed.expect_lag().return_const(Duration::ZERO);
    feed.expect_max_age().return_const(None);
    feed.expect_fetch().returning(move || {
        log.lock().unwrap().push(start.elapsed().as_secs_f64());
        Err(FeedError::Unavailable("away".to_owned()))
    });
    let clock = Arc::new(SystemClock);
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let vendor_loop = VendorLoop {
        sync: VendorSync::new(store.clone(), store.clone(), Arc::new(probe), clock.clone()),
        vendor_sets: VendorSets::new(store.clone(), store, clock),
        set: VendorSet::default(),
        vendor: ScheduledVendor {
            feed: Arc::new(feed),
            every,
        },
        health: TaskHealth::new("scheduler"),
    };
    assert!(timeout(span, vendor_loop.sync_for_ever()).await.is_err());
    let taken = |log: &Log| std::mem::take(&mut *log.lock().unwrap());
    (taken(&store_log), taken(&vendor_log))
}

fn away(times: usize) -> Vec<StoreError> {
    (0..times)
        .map(|_| StoreError::Unavailable("away".to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_the_store_failed_is_tried_again_soon_and_one_that_the_vendor_failed_is_not() {
    let (store, vendor) = asked_within(DAY / 2, DAY, away(8)).await;
    assert_eq!(store.len(), 9, "{store:?}");
    assert_eq!(vendor.len(), 1, "{vendor:?}");
    let pauses: Vec<f64> = store.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((1.0..=2.1).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 30.1), "{pauses:?}");
    assert!(pauses[7] >= 29.0, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn the_pauses_are_no_longer_than_the_interval() {
    let every = Duration::from_secs(3);
    let (store, _) = asked_within(Duration::from_mins(1), every, away(100)).await;
    assert!(store.len() >= 19, "{store:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_good_is_left_alone_until_the_next_tick() {
    let broken = vec![StoreError::Failed("broken".into())];
    let (store, vendor) = asked_within(DAY + DAY / 2, DAY, broken).await;
    assert_eq!((store.len(), vendor.len()), (2, 1), "{store:?} {vendor:?}");
}

/// Counts how often each vendor was read, by process and vendor.
type Reads = Arc<Mutex<BTreeMap<(&'static str, String), u32>>>;

/// What several processes share.
struct Deployment {
    store: Arc<MemoryStore>,
    leases: ProcessLeases,
    reads: Reads,
}

impl Deployment {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
            leases: ProcessLeases::new(),
            reads: Reads::default(),
        }
    }

    fn vendor_sets(&self) -> VendorSets {
        VendorSets::new(
            self.store.clone(),
            self.store.clone(),
            Arc::new(SystemClock),
        )
    }

    /// A process with feeds of these vendors.
    fn scheduler(&self, process: &'static str, ids: &[&str]) -> Scheduler {
        let vendors = ids.iter().map(|id| self.vendor(process, id)).collect();
        Scheduler {
            sync: VendorSync::new(
                self.store.clone(),
                self.store.clone(),
                self.store.clone(),
                Arc::new(SystemClock),
            ),
            vendor_sets: self.vendor_sets(),
            leases: Arc::new(self.leases.clone()),
            vendors,
            set: set(ids),
            health: TaskHealth::new(process),
            set_health: TaskHealth::new("vendor-set"),
            brought: watch::Sender::new(false),
            observer: Arc::new(NoopObserver),
        }
    }

    fn vendor(&self, process: &'static str, id: &str) -> ScheduledVendor {
        let mut feed = MockVendorFeed::new();
        feed.expect_vendor_id()
            .return_const(VendorId::parse(id).unwrap());
        feed.expect_lag().return_const(Duration::ZERO);
        feed.expect_max_age().return_const(None);
        let (reads, id) = (Arc::clone(&self.reads), id.to_owned());
        feed.expect_fetch().returning(move || {
            *reads
                .lock()
                .unwrap()
                .entry((process, id.clone()))
                .or_default() += 1;
            Ok(FetchedReport {
                report: Report::empty(ReportKind::Full),
                times: ResponseTimes::default(),
            })
        });
        ScheduledVendor {
            feed: Arc::new(feed),
            sync_interval: Duration::from_secs(1),
        }
    }

    /// The processes and vendors that were read since the last call.
    fn reads(&self) -> Vec<(&'static str, String)> {
        let reads = std::mem::take(&mut *self.reads.lock().unwrap());
        reads.into_keys().collect()
    }

    async fn configured(&self) -> Vec<String> {
        let digest = VendorSet::default().digest();
        let found = self.store.find_vendor_set(&digest).await.unwrap();
        let vendors = found.configured.into_iter();
        vendors
            .map(|member| member.vendor.vendor_id.into_string())
            .collect()
    }

    /// Starts a process; it runs until the token is cancelled.
    fn start(&self, process: &'static str, ids: &[&str]) -> CancellationToken {
        let (scheduler, stop) = (self.scheduler(process, ids), CancellationToken::new());
        let token = stop.clone();
        tokio::spawn(async move { scheduler.run(&token).await.unwrap() });
        stop
    }

    /// The processes and vendors that are read once the processes have noticed each other.
    async fn reads_after_a_while(&self) -> Vec<(&'static str, String)> {
        sleep(LEASE_CHECK * 4).await;
        self.reads();
        sleep(LEASE_CHECK * 2).await;
        self.reads()
    }
}

fn set(ids: &[&str]) -> VendorSet {
    let vendors = ids.iter().map(|id| ConfiguredVendor {
        vendor_id: VendorId::parse(*id).unwrap(),
        source: Some(VendorSource::new(&format!("http://{id}/"), None, "").unwrap()),
    });
    vendors.collect()
}

fn read(process: &'static str, ids: &[&str]) -> Vec<(&'static str, String)> {
    ids.iter().map(|id| (process, (*id).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_newer_set_is_applied_without_the_lease_and_its_process_syncs_from_then_on() {
    let deployment = Deployment::new();
    let old = deployment.start("old", &["v"]);
    assert_eq!(deployment.reads_after_a_while().await, read("old", &["v"]));

    let new = deployment.start("new", &["v", "w"]);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(deployment.configured().await, ["v", "w"]);
    let both = read("new", &["v", "w"]);
    assert_eq!(deployment.reads_after_a_while().await, both);

    // The lease is handed back and forth: w stays configured, also while no process can read it.
    for _ in 0..2 {
        new.cancel();
        assert_eq!(deployment.reads_after_a_while().await, read("old", &["v"]));
        assert_eq!(deployment.configured().await, ["v", "w"]);
        let new = deployment.start("new", &["v", "w"]);
        assert_eq!(deployment.reads_after_a_while().await, both);
        new.cancel();
    }
    old.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_process_with_a_superseded_set_does_not_switch_newer_vendors_off() {
    let deployment = Deployment::new();
    for ids in [&["v"][..], &["v", "w"]] {
        deployment
            .vendor_sets()
            .apply_if_new(&set(ids))
            .await
            .unwrap();
    }
    let _old = deployment.start("old", &["v"]);
    assert_eq!(deployment.reads_after_a_while().await, read("old", &["v"]));
    assert_eq!(deployment.configured().await, ["v", "w"]);
}

#[tokio::test(start_paused = true)]
async fn vendors_that_left_the_current_set_are_not_synced_any_more() {
    let deployment = Deployment::new();
    let _one = deployment.start("one", &["v", "w"]);
    let both = read("one", &["v", "w"]);
    assert_eq!(deployment.reads_after_a_while().await, both);
    deployment.vendor_sets().apply(&set(&["w"])).await.unwrap();
    assert_eq!(deployment.reads_after_a_while().await, read("one", &["w"]));
    deployment
        .vendor_sets()
        .apply(&set(&["v", "w"]))
        .await
        .unwrap();
    assert_eq!(deployment.reads_after_a_while().await, both);
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_something_switched_off_is_configured_and_synced_again() {
    let deployment = Deployment::new();
    let mut scheduler = deployment.scheduler("one", &["v"]);
    scheduler.vendors[0].sync_interval = DAY;
    tokio::spawn(async move { scheduler.run(&CancellationToken::new()).await });
    sleep(LEASE_CHECK).await;
    assert_eq!(deployment.reads(), read("one", &["v"]));
    let mut work = deployment.store.begin().await.unwrap();
    work.configure(&[], OtherVendors::SwitchOff).await.unwrap();
    work.commit().await.unwrap();
    assert!(deployment.configured().await.is_empty());
    sleep(LEASE_CHECK * 2).await;
    assert_eq!(deployment.configured().await, ["v"]);
    // At once, not at the next interval: what it reported before counts as 0.
    assert_eq!(deployment.reads(), read("one", &["v"]));
}
