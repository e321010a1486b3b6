//! Schedulers against the memory store, with the clock paused.

use std::sync::Mutex;

use clock_tokio::SystemClock;
use domain::evidence::ResponseTimes;
use domain::guard::Guard;
use domain::ports::{
    Fetched, FetchedReport, MockVendorFeed, NoopObserver, OtherVendors, Store as _,
    VendorSetQueries as _,
};
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::vendor_set::VendorSource;
use signal_in_process::ProcessLeases;
use storage_memory::MemoryStore;

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Number of reads by process and vendor.
type Reads = Arc<Mutex<BTreeMap<(&'static str, String), u32>>>;

/// The store and leases that several processes share.
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

    /// The scheduler of a process with feeds of these vendors.
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
            push_vendors: Vec::new(),
            set: set(ids),
            health: TaskHealth::new(process),
            set_health: TaskHealth::new("vendor-set"),
            vendor_set_applied: watch::Sender::new(false),
            observer: Arc::new(NoopObserver),
        }
    }

    fn vendor(&self, process: &'static str, id: &str) -> ConfiguredFeed {
        let mut feed = MockVendorFeed::new();
        feed.expect_vendor_id()
            .return_const(VendorId::parse(id).unwrap());
        feed.expect_lag().return_const(Duration::ZERO);
        feed.expect_max_age().return_const(None);
        feed.expect_is_conditional().return_const(false);
        feed.expect_guard().return_const(Guard::default());
        let (reads, id) = (Arc::clone(&self.reads), id.to_owned());
        feed.expect_fetch_changed().returning(move |_| {
            *reads
                .lock()
                .unwrap()
                .entry((process, id.clone()))
                .or_default() += 1;
            let report = FetchedReport {
                report: Report::empty(ReportKind::Full),
                times: ResponseTimes::default(),
                size: ReportSize::default(),
                file: None,
                read_file: None,
            };
            Ok(Fetched::Report(Box::new(report), None))
        });
        ConfiguredFeed {
            feed: Arc::new(feed),
            sync_interval: Duration::from_secs(1),
            url: String::new(),
        }
    }

    /// The (process, vendor) pairs that were read since the last call.
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

    /// Starts a process that runs until the returned token is cancelled.
    fn start(&self, process: &'static str, ids: &[&str]) -> CancellationToken {
        let (scheduler, stop) = (self.scheduler(process, ids), CancellationToken::new());
        let token = stop.clone();
        tokio::spawn(async move { scheduler.run(&token).await.unwrap() });
        stop
    }

    /// The (process, vendor) pairs that are read once the leases are settled.
    async fn reads_when_stable(&self) -> Vec<(&'static str, String)> {
        sleep(LEASE_CHECK_INTERVAL * 4).await;
        self.reads();
        sleep(LEASE_CHECK_INTERVAL * 2).await;
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
async fn process_with_a_newer_set_applies_it_and_takes_over_the_syncs() {
    let deployment = Deployment::new();
    let old = deployment.start("old", &["v"]);
    assert_eq!(deployment.reads_when_stable().await, read("old", &["v"]));

    let new = deployment.start("new", &["v", "w"]);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(deployment.configured().await, ["v", "w"]);
    let both = read("new", &["v", "w"]);
    assert_eq!(deployment.reads_when_stable().await, both);

    // The lease moves between the processes: `w` stays configured while no process has its feed.
    for _ in 0..2 {
        new.cancel();
        assert_eq!(deployment.reads_when_stable().await, read("old", &["v"]));
        assert_eq!(deployment.configured().await, ["v", "w"]);
        let new = deployment.start("new", &["v", "w"]);
        assert_eq!(deployment.reads_when_stable().await, both);
        new.cancel();
    }
    old.cancel();
}

#[tokio::test(start_paused = true)]
async fn process_with_a_superseded_set_keeps_newer_vendors_configured() {
    let deployment = Deployment::new();
    for ids in [&["v"][..], &["v", "w"]] {
        let applied = deployment.vendor_sets().apply_if_new(&set(ids)).await;
        applied.unwrap();
    }
    let _old = deployment.start("old", &["v"]);
    assert_eq!(deployment.reads_when_stable().await, read("old", &["v"]));
    assert_eq!(deployment.configured().await, ["v", "w"]);
}

#[tokio::test(start_paused = true)]
async fn vendors_removed_from_the_current_set_are_no_longer_synced() {
    let deployment = Deployment::new();
    let _one = deployment.start("one", &["v", "w"]);
    let both = read("one", &["v", "w"]);
    assert_eq!(deployment.reads_when_stable().await, both);
    deployment.vendor_sets().apply(&set(&["w"])).await.unwrap();
    assert_eq!(deployment.reads_when_stable().await, read("one", &["w"]));
    let both_again = set(&["v", "w"]);
    deployment.vendor_sets().apply(&both_again).await.unwrap();
    assert_eq!(deployment.reads_when_stable().await, both);
}

#[tokio::test(start_paused = true)]
async fn removed_vendor_of_the_current_set_is_configured_and_synced_again() {
    let deployment = Deployment::new();
    let mut scheduler = deployment.scheduler("one", &["v"]);
    scheduler.vendors[0].sync_interval = DAY;
    tokio::spawn(async move { scheduler.run(&CancellationToken::new()).await });
    sleep(LEASE_CHECK_INTERVAL).await;
    assert_eq!(deployment.reads(), read("one", &["v"]));
    let mut work = deployment.store.begin().await.unwrap();
    work.configure(&[], OtherVendors::SwitchOff).await.unwrap();
    work.commit().await.unwrap();
    assert!(deployment.configured().await.is_empty());
    sleep(LEASE_CHECK_INTERVAL * 2).await;
    assert_eq!(deployment.configured().await, ["v"]);
    // Immediately, not at the next interval: the stock reported before is not sold.
    assert_eq!(deployment.reads(), read("one", &["v"]));
}
