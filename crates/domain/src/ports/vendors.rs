//! Vendors.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::evidence::ResponseTimes;
use crate::identifiers::VendorId;
use crate::pacing::RetryAfter;
use crate::report::Report;

/// A report with the times of the response that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedReport {
    /// The report, with the as-of that its document states.
    pub report: Report,
    /// The other times.
    pub times: ResponseTimes,
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeedError {
    /// The vendor could not be reached, or answered with a failure.
    #[error("{0}")]
    Unavailable(String),
    /// The vendor answered with a failure, and with the time for which it demands to get no request.
    #[error("{reason} and demands to get no request for {} s", .retry_after.span().as_secs())]
    RetryLater {
        /// The failure.
        reason: String,
        /// The demand.
        retry_after: RetryAfter,
    },
    /// The vendor answered with something that is not a report.
    #[error("the report is malformed: {0}")]
    Malformed(String),
}

impl FeedError {
    /// The time for which the vendor demands to get no request, if it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::RetryLater { retry_after, .. } => Some(*retry_after),
            Self::Unavailable(_) | Self::Malformed(_) => None,
        }
    }
}

/// Reads one vendor's reports.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorFeed: Send + Sync {
    /// Whose.
    fn vendor_id(&self) -> &VendorId;

    /// Asks for a report. MUST return within a bounded time and read a bounded size, and MUST NOT return a report of
    /// which any part was malformed. MUST NOT make up a time that the response does not have. A demand to get no request for
    /// some time MUST end the call at once, with [`FeedError::RetryLater`].
    async fn fetch(&self) -> Result<FetchedReport, FeedError>;

    /// How old the vendor's numbers may be when it states them: a setting.
    fn lag(&self) -> Duration;

    /// The age beyond which the vendor's numbers are not sold from: a setting. `None` for no limit.
    fn max_age(&self) -> Option<Duration> {
        None
    }
}
