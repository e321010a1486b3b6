//! A vendor whose server states whether its report has changed.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::evidence::ResponseTimes;
use domain::guard::{Guard, Share};
use domain::identifiers::VendorId;
use domain::ports::{Clock as _, FeedError, Fetched, FetchedReport, VendorFeed};
use domain::report::Report;
use domain::validators::Validators;

use crate::builders::fetched;

/// Vendor `v`, with a guard that holds a report that takes away more than half of its units.
pub(crate) struct ConditionalFeed {
    pub(crate) vendor_id: VendorId,
    /// The report and its version; `None` if the document is malformed.
    current: Mutex<(Option<Report>, u32)>,
    /// The version that each request named, if any.
    named: Mutex<Vec<Option<u32>>>,
}

impl ConditionalFeed {
    pub(crate) fn new(vendor_id: VendorId, report: Report) -> Self {
        Self {
            vendor_id,
            current: Mutex::new((Some(report), 1)),
            named: Mutex::default(),
        }
    }

    /// Replaces the report; `None` is a document that is malformed.
    pub(crate) fn set(&self, report: Option<Report>) {
        let mut current = self.current.lock().unwrap();
        *current = (report, current.1 + 1);
    }

    /// Returns the version that the last request named, if any.
    pub(crate) fn last_named(&self) -> Option<u32> {
        self.named.lock().unwrap().last().copied().flatten()
    }
}

/// The validators of a version.
pub(crate) fn validators(version: u32) -> Validators {
    Validators {
        scope: "0f".to_owned(),
        etag: Some(format!("\"{version} \u{fc}\"")),
        last_modified: version
            .is_multiple_of(2)
            .then(|| "Mon, 23 Nov 2026 12:00:00 GMT".to_owned()),
    }
}

#[async_trait]
impl VendorFeed for ConditionalFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    fn guard(&self) -> Guard {
        Guard {
            max_drop: Share::parse(0.5).ok(),
            ..Guard::default()
        }
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let report = self.current.lock().unwrap().0.clone();
        let malformed = || FeedError::Malformed("not a list".to_owned().into());
        let report = report.ok_or_else(malformed)?;
        Ok(fetched(&report, SystemClock.now()))
    }

    fn is_conditional(&self) -> bool {
        true
    }

    async fn fetch_changed<'k>(&self, known: Option<&'k Validators>) -> Result<Fetched, FeedError> {
        let version = self.current.lock().unwrap().1;
        let named = (1..=version).find(|named| known == Some(&validators(*named)));
        assert_eq!(named.is_some(), known.is_some(), "{known:?}");
        self.named.lock().unwrap().push(named);
        if named == Some(version) {
            let date = Some(SystemClock.now());
            return Ok(Fetched::NotModified(ResponseTimes {
                date,
                ..ResponseTimes::default()
            }));
        }
        let report = self.fetch().await?;
        Ok(Fetched::Report(Box::new(report), Some(validators(version))))
    }
}
