//! Reports in files: when a file is deleted or moved, and what a file proves that was seen and not read.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::evidence::ResponseTimes;
use domain::identifiers::VendorId;
use domain::ports::{
    Clock as _, FeedError, FetchedReport, FileVersion, ReadFile, SyncOutcome, VendorFeed,
};
use domain::report::Report;
use domain::run::ReportSize;
use domain::timestamp::Timestamp;
use tokio::time::sleep;

use super::StorageUnderTest;
use crate::builders::{fetched, full, full_as_of, vendor};
use crate::use_cases::UseCases;

/// A vendor whose reports are in files.
struct FileFeed<'s> {
    storage: &'s StorageUnderTest,
    vendor_id: VendorId,
    report: Result<Report, FeedError>,
    /// The problem of each attempt to delete a file.
    problem: Option<String>,
    /// The outcome of the newest run at each such attempt.
    finished: Mutex<Vec<SyncOutcome>>,
}

impl<'s> FileFeed<'s> {
    fn new(storage: &'s StorageUnderTest) -> Self {
        Self {
            storage,
            vendor_id: vendor("v"),
            report: Ok(full(&[("p", 5)])),
            problem: None,
            finished: Mutex::default(),
        }
    }
}

fn file() -> ReadFile {
    ReadFile {
        version: FileVersion {
            name: "stock.csv".to_owned(),
            size: 9,
            modified: None,
        },
        older: Vec::new(),
    }
}

#[async_trait]
impl VendorFeed for FileFeed<'_> {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let report = self.report.clone()?;
        Ok(FetchedReport {
            file: Some(file().version.name),
            read_file: Some(file()),
            ..fetched(&report, SystemClock.now())
        })
    }

    async fn finish_file(&self, finished: &ReadFile) -> Result<(), String> {
        assert_eq!(*finished, file());
        let runs = self.storage.runs.list_runs(&self.vendor_id, None, 1).await;
        let outcome = runs.unwrap()[0].outcome;
        self.finished.lock().unwrap().push(outcome);
        self.problem.clone().map_or(Ok(()), Err)
    }
}

/// A file is deleted or moved after the end of its report is recorded, and only if the report was applied or is outdated.
pub async fn a_file_is_finished_after_its_report_was_applied(storage: &StorageUnderTest) {
    use SyncOutcome::{Applied, NotReady, Quarantined, Stale};
    let use_cases = UseCases::open(storage, &["v"]).await;
    let mut feed = FileFeed::new(storage);
    let early = storage.probe.store_time().await.unwrap();
    for (report, expected, finished) in [
        (Ok(full(&[("p", 5)])), Some(Applied), &[Applied][..]),
        (Ok(full(&[("p", 5)])), Some(Applied), &[Applied]),
        (Ok(full_as_of(early, &[("p", 6)])), Some(Stale), &[Stale]),
        (Ok(full(&[])), Some(Quarantined), &[]),
        (
            Err(FeedError::NotReady("empty".to_owned())),
            Some(NotReady),
            &[],
        ),
        (
            Err(FeedError::Malformed("no table".to_owned().into())),
            None,
            &[],
        ),
    ] {
        feed.report = report;
        let done = use_cases.sync_feed(&feed).await.ok();
        assert_eq!(done.map(|done| done.outcome), expected);
        assert_eq!(*feed.finished.get_mut().unwrap(), finished);
        feed.finished.get_mut().unwrap().clear();
    }
}

/// A sync whose file cannot be deleted has succeeded, and its run says why the file is left.
pub async fn a_file_that_cannot_be_finished_is_noted(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let problem = Some("the file stock.csv cannot be deleted".to_owned());
    let feed = FileFeed {
        problem: problem.clone(),
        ..FileFeed::new(storage)
    };
    let done = use_cases.sync_feed(&feed).await.unwrap();
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(done.error, problem);
    let errors = async || {
        let runs = storage.runs.list_runs(&vendor("v"), None, 9).await.unwrap();
        let statuses = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
        let last = statuses[0].last_sync.clone().unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].outcome, SyncOutcome::Applied);
        assert_eq!(runs[0].error, last.error);
        last.error
    };
    assert_eq!(errors().await, problem);

    let add = async |at: Timestamp| {
        let mut work = storage.begin().await;
        work.lock_vendor(&vendor("v")).await.unwrap().unwrap();
        work.add_note(&vendor("v"), at, "a 'note'").await.unwrap();
        work.commit().await.unwrap();
    };
    // Another run.
    add(done.finished_at.minus(Duration::from_secs(1))).await;
    assert_eq!(errors().await, problem);
    add(done.finished_at).await;
    let both = "the file stock.csv cannot be deleted; a 'note'";
    assert_eq!(errors().await.as_deref(), Some(both));
}

/// A file whose time is in the future when it is seen proves no later what it did not prove then, whatever the reason why it was
/// not read.
pub async fn a_file_that_was_seen_and_not_read_proves_no_more_later(storage: &StorageUnderTest) {
    let errors = [
        ("u", FeedError::NotReady("the file still grows".to_owned())),
        ("v", FeedError::Malformed("no table".to_owned().into())),
        ("w", FeedError::Unavailable("unreachable".to_owned())),
    ];
    let use_cases = UseCases::open(storage, &["u", "v", "w"]).await;
    let of_file = |product: &str, units: u32, modified: Timestamp| FetchedReport {
        report: full(&[(product, units)]),
        times: ResponseTimes {
            last_modified: Some(modified),
            is_file_time: true,
            ..ResponseTimes::default()
        },
        size: ReportSize::default(),
        file: Some(file().version.name),
        read_file: Some(file()),
    };
    for (vendor_id, _) in &errors {
        use_cases.report(vendor_id, full(&[(vendor_id, 10)])).await;
    }
    let modified = storage
        .probe
        .store_time()
        .await
        .unwrap()
        .plus(Duration::from_secs(2));
    for (vendor_id, error) in &errors {
        let found = || {
            let error = Box::new(error.clone());
            Err(FeedError::OfFile { modified, error })
        };
        drop(use_cases.sync_with(vendor_id, found).await);
        use_cases.sell_and_ship(storage, vendor_id, 4).await;
    }
    // The time of a file is a second less than it states, because some servers round up.
    let shipped = storage.probe.store_time().await.unwrap();
    let later = modified.max(shipped.plus(Duration::from_secs(1)));
    while storage.probe.store_time().await.unwrap() <= later {
        sleep(Duration::from_millis(20)).await;
    }
    for (vendor_id, _) in &errors {
        let report = || Ok(of_file(vendor_id, 10, modified));
        let done = use_cases.sync_with(vendor_id, report).await.unwrap();
        assert_eq!(done.outcome, SyncOutcome::Applied);
        assert_eq!(storage.numbers(vendor_id, vendor_id).await, (10, 4, 6));
        // Written after the shipment.
        let written = storage.probe.store_time().await.unwrap();
        let report = || Ok(of_file(vendor_id, 6, written));
        use_cases.sync_with(vendor_id, report).await.unwrap();
        assert_eq!(storage.numbers(vendor_id, vendor_id).await, (6, 0, 6));
    }
    storage.assert_sound().await;
}
