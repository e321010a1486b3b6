//! The port to a vendor's feed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::evidence::ResponseTimes;
use crate::guard::Guard;
use crate::identifiers::VendorId;
use crate::pacing::RetryAfter;
use crate::refusal::Refusals;
use crate::report::Report;
use crate::run::ReportSize;

/// A report with the times of the response that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedReport {
    /// The report, with the as-of that its document states.
    pub report: Report,
    /// The times of the response's header fields.
    pub times: ResponseTimes,
    /// The size of the transferred document.
    pub size: ReportSize,
}

/// A document that is not a valid report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct MalformedReport {
    /// The problem, on one line.
    pub problem: String,
    /// The records that the vendor's rules do not cover; none if the document has another problem.
    pub refused: Refusals,
    /// The size of the transferred document.
    pub size: ReportSize,
}

/// A document with a problem that is not about its records.
impl From<String> for MalformedReport {
    fn from(problem: String) -> Self {
        Self {
            problem,
            ..Self::default()
        }
    }
}

/// A document with records that the vendor's rules do not cover.
impl From<Refusals> for MalformedReport {
    fn from(refused: Refusals) -> Self {
        Self {
            problem: refused.to_string(),
            refused,
            size: ReportSize::default(),
        }
    }
}

/// The reason why no report was received.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeedError {
    /// The vendor could not be reached, or its response was an error.
    #[error("{0}")]
    Unavailable(String),
    /// The vendor's response was an error with a `Retry-After`.
    #[error("{reason} (Retry-After: {} s)", .retry_after.span().as_secs())]
    RetryLater {
        /// The error.
        reason: String,
        /// The duration of `Retry-After`.
        retry_after: RetryAfter,
    },
    /// The response is not a valid report.
    #[error("the report is malformed: {0}")]
    Malformed(MalformedReport),
    /// The vendor has not finished its report: a file is empty or still grows. This is no failure of the vendor.
    #[error("the report is not ready: {0}")]
    NotReady(String),
}

impl FeedError {
    /// The duration of the vendor's `Retry-After`, if it sent one.
    #[must_use]
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::RetryLater { retry_after, .. } => Some(*retry_after),
            Self::Unavailable(_) | Self::Malformed(_) | Self::NotReady(_) => None,
        }
    }
}

/// Reads the reports of one vendor.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorFeed: Send + Sync {
    /// Returns the vendor's id. MUST always return the same id.
    fn vendor_id(&self) -> &VendorId;

    /// Requests a report. MUST return within a bounded time and read a bounded size, and MUST NOT return a report of which
    /// any part is malformed. MUST NOT invent a time that the response does not have. A `Retry-After` MUST end the call
    /// immediately, with [`FeedError::RetryLater`]. A report that the vendor is still writing MUST be
    /// [`FeedError::NotReady`].
    async fn fetch(&self) -> Result<FetchedReport, FeedError>;

    /// Returns the setting `lag`: the maximum age of the vendor's numbers at the time at which it states them. MUST NOT
    /// block.
    fn lag(&self) -> Duration;

    /// Returns the setting `max_age`: the age beyond which the vendor's numbers are not sold from; `None` for no limit. MUST
    /// NOT block.
    fn max_age(&self) -> Option<Duration> {
        None
    }

    /// Returns the settings `guard`: how much one report may take away before it is held in quarantine. MUST NOT block.
    fn guard(&self) -> Guard {
        Guard::default()
    }
}

/// A feed of the settings.
#[derive(Clone)]
pub struct ConfiguredFeed {
    /// Reads the vendor's reports.
    pub feed: Arc<dyn VendorFeed>,
    /// Time from the start of one sync to the start of the next; a sync that takes longer delays the next. The time grows
    /// while the vendor fails.
    pub sync_interval: Duration,
    /// The URL of the reports without its query, which may contain a secret.
    pub url: String,
}

impl ConfiguredFeed {
    /// Returns the vendor and its sync interval.
    #[must_use]
    pub fn interval(&self) -> (VendorId, Duration) {
        (self.feed.vendor_id().clone(), self.sync_interval)
    }
}

/// A feed with one given report, by which stock is entered as if a vendor had reported it.
#[derive(Debug)]
pub struct GivenFeed {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The report of each request.
    pub report: Report,
}

#[async_trait]
impl VendorFeed for GivenFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        Ok(FetchedReport {
            report: self.report.clone(),
            times: ResponseTimes::default(),
            size: ReportSize {
                bytes: None,
                rows: Some(self.report.quantities().len() as u64),
            },
        })
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}
