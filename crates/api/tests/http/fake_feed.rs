//! A vendor feed whose results and timing a test sets.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::guard::Guard;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FeedError, FetchedReport, VendorFeed};
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::timestamp::Timestamp;
use tokio::sync::Semaphore;

/// Size of each report, in bytes.
pub(crate) const REPORT_BYTES: u64 = 512;

/// Name of the file of each report.
pub(crate) const REPORT_FILE: &str = "stock 7.csv";

/// Lag of the feed's counts.
pub(crate) const LAG: Duration = Duration::from_secs(90);
pub(crate) const MAX_AGE: Duration = Duration::from_mins(10);

#[derive(Clone)]
pub(crate) struct FakeFeed(Arc<Inner>);

struct Inner {
    vendor_id: VendorId,
    result: Mutex<Result<Report, FeedError>>,
    fetches: AtomicUsize,
    permits: Semaphore,
    min_rows: AtomicU64,
}

impl FakeFeed {
    /// Returns a feed with an empty report.
    pub(crate) fn new(vendor_id: &str) -> Self {
        let empty = Report::parse(ReportKind::Full, None, []).unwrap();
        Self(Arc::new(Inner {
            vendor_id: VendorId::parse(vendor_id).unwrap(),
            result: Mutex::new(Ok(empty)),
            fetches: AtomicUsize::new(0),
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
            min_rows: AtomicU64::new(0),
        }))
    }

    /// Sets a report with one unit of each of these products.
    pub(crate) fn report(&self, as_of: Option<Timestamp>, products: &[&str]) {
        let lines = products
            .iter()
            .map(|product| (ProductId::parse(*product).unwrap(), 1));
        let report = Report::parse(ReportKind::Full, as_of, lines).unwrap();
        *self.0.result.lock().unwrap() = Ok(report);
    }

    /// Sets a failure.
    pub(crate) fn fail(&self, error: FeedError) {
        *self.0.result.lock().unwrap() = Err(error);
    }

    /// Sets the minimum number of rows of the feed's guard.
    pub(crate) fn hold_below(&self, min_rows: u64) {
        self.0.min_rows.store(min_rows, Ordering::SeqCst);
    }

    /// Blocks fetches until [`unblock`](Self::unblock).
    pub(crate) fn block(&self) {
        self.0.permits.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn unblock(&self) {
        self.0.permits.add_permits(1_000);
    }

    /// Returns the number of fetches.
    pub(crate) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl VendorFeed for FakeFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.0.vendor_id
    }

    fn lag(&self) -> Duration {
        LAG
    }

    fn max_age(&self) -> Option<Duration> {
        Some(MAX_AGE)
    }

    fn guard(&self) -> Guard {
        Guard {
            min_rows: self.0.min_rows.load(Ordering::SeqCst),
            ..Guard::default()
        }
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        let _permit = self.0.permits.acquire().await.unwrap();
        let result = self.0.result.lock().unwrap().clone();
        let report = result?;
        let rows = report.quantities().len() as u64;
        Ok(FetchedReport {
            report,
            times: ResponseTimes::default(),
            size: ReportSize {
                bytes: Some(REPORT_BYTES),
                rows: Some(rows),
            },
            file: Some(REPORT_FILE.to_owned()),
            read_file: None,
        })
    }
}
