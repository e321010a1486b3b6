//! A vendor that answers as a test says, when a test lets it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FeedError, FetchedReport, VendorFeed};
use domain::report::{Report, ReportKind};
use domain::timestamp::Timestamp;
use tokio::sync::Semaphore;

/// How old its numbers may be.
pub(crate) const LAG: Duration = Duration::from_secs(90);
pub(crate) const MAX_AGE: Duration = Duration::from_mins(10);

#[derive(Clone)]
pub(crate) struct FakeFeed(Arc<Inner>);

struct Inner {
    vendor_id: VendorId,
    answer: Mutex<Result<Report, FeedError>>,
    asked: AtomicUsize,
    gate: Semaphore,
}

impl FakeFeed {
    /// An empty report, at once.
    pub(crate) fn new(vendor_id: &str) -> Self {
        let empty = Report::parse(ReportKind::Full, None, []).unwrap();
        Self(Arc::new(Inner {
            vendor_id: VendorId::parse(vendor_id).unwrap(),
            answer: Mutex::new(Ok(empty)),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }))
    }

    /// From now on one unit of each of these products.
    pub(crate) fn report(&self, as_of: Option<Timestamp>, products: &[&str]) {
        let lines = products
            .iter()
            .map(|product| (ProductId::parse(*product).unwrap(), 1));
        let report = Report::parse(ReportKind::Full, as_of, lines).unwrap();
        *self.0.answer.lock().unwrap() = Ok(report);
    }

    /// From now on this failure.
    pub(crate) fn fail(&self, error: FeedError) {
        *self.0.answer.lock().unwrap() = Err(error);
    }

    /// Answers nobody until [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.0.gate.add_permits(1_000);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
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

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let _permit = self.0.gate.acquire().await.unwrap();
        let answer = self.0.answer.lock().unwrap().clone();
        answer.map(|report| FetchedReport {
            report,
            times: ResponseTimes::default(),
        })
    }
}
