//! The loop of a failing vendor, with the clock paused.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::identifiers::VendorId;
use domain::pacing::RetryAfter;
use domain::ports::{
    Clock, FeedError, FetchedReport, MockStoreProbe, OtherVendors, Store as _, StoreProbe,
    VendorFeed,
};
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::services::PauseVendor;
use domain::vendor_set::ConfiguredVendor;
use storage_memory::MemoryStore;
use tokio::time::{Instant, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// A clock that follows tokio's clock, which tests pause.
#[derive(Clone)]
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

/// The result of a vendor's n-th request, from 0.
type Response = fn(usize) -> Result<(), FeedError>;

/// A feed that records the times of its requests, in seconds since the start.
struct RecordingFeed {
    vendor_id: VendorId,
    start: Instant,
    requests: Mutex<Vec<f64>>,
    response: Response,
}

#[async_trait]
impl VendorFeed for RecordingFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let mut requests = self.requests.lock().unwrap();
        requests.push(self.start.elapsed().as_secs_f64());
        (self.response)(requests.len() - 1)?;
        Ok(FetchedReport {
            report: Report::empty(ReportKind::Full),
            times: ResponseTimes::default(),
            size: ReportSize::default(),
            file: None,
            read_file: None,
        })
    }
}

/// A vendor, and a store that outlives the processes using it.
struct Fixture {
    store: Arc<MemoryStore>,
    probe: Arc<dyn StoreProbe>,
    clock: Arc<TokioClock>,
    vendor: Arc<RecordingFeed>,
    sync_interval: Duration,
}

impl Fixture {
    async fn new(response: Response) -> Self {
        let start = Instant::now();
        let clock = Arc::new(TokioClock(start));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let vendor_id = VendorId::parse("vendor-a").unwrap();
        let mut work = store.begin().await.unwrap();
        let configured = ConfiguredVendor {
            vendor_id: vendor_id.clone(),
            source: None,
        };
        work.configure(&[configured], OtherVendors::SwitchOff)
            .await
            .unwrap();
        work.commit().await.unwrap();
        let requests = Mutex::default();
        let vendor = Arc::new(RecordingFeed {
            vendor_id,
            start,
            requests,
            response,
        });
        Self {
            probe: store.clone(),
            store,
            clock,
            vendor,
            sync_interval: SECOND,
        }
    }

    fn sync(&self) -> VendorSync {
        let (store, probe) = (self.store.clone(), self.probe.clone());
        VendorSync::new(store.clone(), store, probe, self.clock.clone())
            .with_intervals([self.configured().interval()])
    }

    fn configured(&self) -> ConfiguredFeed {
        ConfiguredFeed {
            feed: self.vendor.clone(),
            sync_interval: self.sync_interval,
            url: String::new(),
        }
    }

    /// Runs the loop of a new process for `span`.
    async fn run_for(&self, span: Duration) {
        let vendor_loop = VendorLoop {
            sync: self.sync(),
            vendor_sets: VendorSets::new(
                self.store.clone(),
                self.store.clone(),
                self.clock.clone(),
            ),
            set: VendorSet::default(),
            vendor: self.configured(),
            health: TaskHealth::new("scheduler"),
        };
        assert!(timeout(span, vendor_loop.run()).await.is_err());
    }

    fn requests(&self) -> Vec<f64> {
        self.vendor.requests.lock().unwrap().clone()
    }

    /// Seconds between consecutive requests.
    fn gaps(&self) -> Vec<f64> {
        let requests = self.requests();
        requests.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

fn unavailable(_: usize) -> Result<(), FeedError> {
    Err(FeedError::Unavailable("refused".to_owned()))
}

fn retry_after_a_minute(_: usize) -> Result<(), FeedError> {
    Err(FeedError::RetryLater {
        reason: "the vendor responded with 429".to_owned(),
        retry_after: RetryAfter::new(Duration::from_mins(1)).unwrap(),
    })
}

/// Runs the loop of a vendor that fails, for `span`. The first calls of the store fail with `store_errors`, one each. Returns
/// the times of the calls of the store and of the vendor, in seconds since the start.
async fn calls_within(
    span: Duration,
    sync_interval: Duration,
    store_errors: Vec<StoreError>,
) -> (Vec<f64>, Vec<f64>) {
    let mut fixture = Fixture::new(unavailable).await;
    fixture.sync_interval = sync_interval;
    let store_calls = Arc::new(Mutex::new(Vec::new()));
    let (start, calls) = (fixture.vendor.start, Arc::clone(&store_calls));
    let mut store_errors = store_errors.into_iter();
    let mut probe = MockStoreProbe::new();
    probe.expect_store_time().returning(move || {
        calls.lock().unwrap().push(start.elapsed().as_secs_f64());
        let error = store_errors.next();
        error.map_or(Ok(Timestamp::from_micros(1)), Err)
    });
    probe.expect_find_pauses().returning(|_| Ok(Vec::new()));
    fixture.probe = Arc::new(probe);
    fixture.run_for(span).await;
    let store_calls = store_calls.lock().unwrap().clone();
    (store_calls, fixture.requests())
}

fn store_unavailable(times: usize) -> Vec<StoreError> {
    let error = |_| StoreError::Unavailable("refused".to_owned());
    (0..times).map(error).collect()
}

#[tokio::test(start_paused = true)]
async fn sync_is_retried_after_a_store_failure_but_not_after_a_vendor_failure() {
    let (store, vendor) = calls_within(DAY / 2, DAY, store_unavailable(8)).await;
    assert_eq!(store.len(), 9, "{store:?}");
    assert_eq!(vendor.len(), 1, "{vendor:?}");
    let pauses: Vec<f64> = store.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((1.0..=2.1).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 30.1), "{pauses:?}");
    assert!(pauses[7] >= 29.0, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn pauses_are_at_most_the_interval() {
    let interval = Duration::from_secs(3);
    let (store, _) = calls_within(Duration::from_mins(1), interval, store_unavailable(100)).await;
    assert!(store.len() >= 19, "{store:?}");
}

#[tokio::test(start_paused = true)]
async fn permanent_store_failure_is_not_retried_before_the_next_interval() {
    let broken = vec![StoreError::Failed("broken".into())];
    let (store, vendor) = calls_within(DAY + DAY / 2, DAY, broken).await;
    assert_eq!((store.len(), vendor.len()), (2, 1), "{store:?} {vendor:?}");
}

#[tokio::test(start_paused = true)]
async fn vendor_with_retry_after_gets_no_request_before_that_time() {
    let fixture = Fixture::new(retry_after_a_minute).await;
    fixture.run_for(Duration::from_secs(150)).await;
    assert_eq!(fixture.requests().len(), 3);
    for gap in fixture.gaps() {
        assert!((60.0..61.0).contains(&gap), "{gap}");
    }
}

#[tokio::test(start_paused = true)]
async fn process_that_takes_over_keeps_the_pause() {
    let fixture = Fixture::new(retry_after_a_minute).await;
    for _ in 0..5 {
        fixture.run_for(SECOND * 10).await;
        assert_eq!(fixture.requests().len(), 1);
    }
    fixture.run_for(SECOND * 20).await;
    assert_eq!(fixture.requests().len(), 2);
    assert!(fixture.gaps()[0] >= 60.0, "{:?}", fixture.gaps());
}

#[tokio::test(start_paused = true)]
async fn interval_grows_up_to_5_minutes_while_a_vendor_fails() {
    let fixture = Fixture::new(unavailable).await;
    fixture.run_for(Duration::from_hours(1)).await;
    let gaps = fixture.gaps();
    for (gap, failures) in gaps.iter().zip(1..) {
        let full = 2_f64.powi(failures).min(300.0);
        let bounds = full / 2.0 - 0.01..=full + 0.01;
        assert!(bounds.contains(gap), "{gap} after {failures} failures");
    }
    assert!((18..=34).contains(&gaps.len()), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn success_resets_the_interval() {
    let fixture = Fixture::new(|number| match number % 10 {
        0..5 => unavailable(number),
        _ => Ok(()),
    })
    .await;
    fixture.run_for(Duration::from_mins(2)).await;
    let gaps = fixture.gaps();
    assert!(gaps[4] >= 16.0 && gaps[14] >= 16.0, "{gaps:?}");
    for gap in &gaps[5..10] {
        assert!((gap - 1.0).abs() < 0.01, "{gaps:?}");
    }
    assert!(gaps[10] <= 2.01, "counted from the start: {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn on_demand_sync_ignores_the_pause_and_its_success_ends_it() {
    let fixture = Fixture::new(|number| match number {
        0..9 => unavailable(number),
        _ => Ok(()),
    })
    .await;
    // After the ninth failure the pause is several minutes.
    while fixture.requests().len() < 9 {
        fixture.run_for(SECOND * 10).await;
    }
    let (sync, vendor_id) = (fixture.sync(), &fixture.vendor.vendor_id);
    let delay = sync.delay(vendor_id).await.unwrap();
    let Some(SyncDelay::AfterFailures(pending)) = delay else {
        panic!("{delay:?}");
    };
    assert!(pending.wait > Duration::from_mins(2), "{pending:?}");
    let scheduled = fixture.run_for(SECOND * 40);
    let on_demand = async {
        sleep(SECOND).await;
        let (sync, feed) = (fixture.sync(), fixture.vendor.as_ref());
        sync.sync_on_demand(feed).await.unwrap();
    };
    tokio::join!(scheduled, on_demand);
    let requests = fixture.requests();
    assert!(requests.len() >= 38, "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn operator_pause_stops_scheduled_syncs_until_it_is_ended() {
    let fixture = Fixture::new(|_| Ok(())).await;
    let vendor_id = &fixture.vendor.vendor_id;
    let pausing = PauseVendor::new(fixture.store.clone(), fixture.clock.clone());
    let operator = async {
        sleep(SECOND * 10 + SECOND / 2).await;
        pausing.pause(vendor_id, None).await.unwrap();
        sleep(SECOND * 60).await;
        let (sync, feed) = (fixture.sync(), fixture.vendor.as_ref());
        sync.sync_on_demand(feed).await.unwrap();
        pausing.resume(vendor_id).await.unwrap();
    };
    tokio::join!(fixture.run_for(SECOND * 90), operator);
    let requests = fixture.requests();
    // The sync on demand is the only request of the minute.
    let during = |at: &&f64| (10.5..70.6).contains(*at);
    assert_eq!(requests.iter().filter(during).count(), 1, "{requests:?}");
    let last = requests.last().unwrap();
    assert!(*last > 88.0, "{requests:?}");
    // Another process is paused from its first sync on.
    pausing.pause(vendor_id, None).await.unwrap();
    let before = fixture.requests().len();
    fixture.run_for(SECOND * 30).await;
    assert_eq!(fixture.requests().len(), before);
}

#[tokio::test(start_paused = true)]
async fn store_failure_is_not_recorded_as_a_vendor_failure() {
    let fixture = Fixture::new(|_| Ok(())).await;
    let held = fixture.store.begin().await.unwrap();
    let holder = async {
        sleep(SECOND * 20).await;
        drop(held);
    };
    tokio::join!(fixture.run_for(SECOND * 60), holder);
    let pauses = fixture.sync();
    let pauses = pauses.find_pauses(std::slice::from_ref(&fixture.vendor.vendor_id));
    assert_eq!(pauses.await.unwrap(), []);
    assert!(fixture.requests().len() > 25, "{:?}", fixture.requests());
}
