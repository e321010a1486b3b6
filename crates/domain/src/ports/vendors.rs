//! The port to a vendor's feed.

#![cfg_attr(
    any(test, feature = "test-support"),
    allow(
        clippy::ref_option_ref,
        reason = "mockall generates it for `fetch_changed`"
    )
)]

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
use crate::timestamp::Timestamp;
use crate::validators::Validators;

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// The name of the file in its directory.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
    /// The modification time; `None` if the server does not state a usable one.
    pub modified: Option<Timestamp>,
}

/// A file from which a report was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The version that was read.
    pub version: FileVersion,
    /// The older files that were found with it, oldest first. Its report replaces theirs, so they are finished with it.
    pub older: Vec<FileVersion>,
}

/// A report with the times of the response that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedReport {
    /// The report, with the as-of that its document states.
    pub report: Report,
    /// The times of the response's header fields.
    pub times: ResponseTimes,
    /// The size of the transferred document.
    pub size: ReportSize,
    /// The name of the file or object in its directory, on one line; `None` if the source has no files.
    pub file: Option<String>,
    /// That file, for [`VendorFeed::finish_file`].
    pub read_file: Option<ReadFile>,
}

/// The response to a request with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// A report, and its validators if the source states reliable ones.
    Report(Box<FetchedReport>, Option<Validators>),
    /// The report is still the one with the validators of the condition. The times are those of this response.
    NotModified(ResponseTimes),
}

/// A document that is not a valid report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Error)]
#[error("{}{problem}", .file.as_deref().map(|file| format!("{file}: ")).unwrap_or_default())]
pub struct MalformedReport {
    /// The problem, on one line.
    pub problem: String,
    /// The records that the vendor's rules do not cover; none if the document has another problem.
    pub refused: Refusals,
    /// The size of the transferred document.
    pub size: ReportSize,
    /// The name of the file or object in its directory, which `problem` does not name; `None` if the source has no files.
    pub file: Option<String>,
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
            ..Self::default()
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
    /// One of the others, about a file that was found.
    #[error("{error}")]
    OfFile {
        /// The modification time of the file.
        modified: Timestamp,
        /// The error; not of this variant.
        error: Box<Self>,
    },
}

impl FeedError {
    /// Returns the error without the modification time of the file that was found, and that time.
    #[must_use]
    pub fn split_file_time(self) -> (Self, Option<Timestamp>) {
        match self {
            Self::OfFile { modified, error } => (*error, Some(modified)),
            error => (error, None),
        }
    }

    /// The duration of the vendor's `Retry-After`, if it sent one.
    #[must_use]
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::RetryLater { retry_after, .. } => Some(*retry_after),
            Self::OfFile { error, .. } => error.retry_after(),
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
    /// [`FeedError::NotReady`]. MUST name the file of a report that comes from one, also if the file is malformed. An error about
    /// a file that was found MUST be [`FeedError::OfFile`] if its time is known.
    async fn fetch(&self) -> Result<FetchedReport, FeedError>;

    /// Returns whether the source can state that its report has not changed. MUST NOT block, and MUST be false for deltas.
    fn is_conditional(&self) -> bool {
        false
    }

    /// Requests a report with the condition that it is not the one with the validators `known`, if there are any. MUST return
    /// [`Fetched::NotModified`] only if the source has stated, upon this condition and with the same settings, that the report
    /// is that one. MUST return only validators that another report of the source does not have. The rest is as for
    /// [`fetch`](Self::fetch).
    async fn fetch_changed<'k>(&self, known: Option<&'k Validators>) -> Result<Fetched, FeedError> {
        let _ = known;
        Ok(Fetched::Report(Box::new(self.fetch().await?), None))
    }

    /// Leaves the file of a report, deletes it or moves it, as the setting `source.after` says. It is called after the report was
    /// applied, or ignored because a newer one was, and that is recorded. MUST return within a bounded time, and MUST NOT change
    /// another version of a file, or a file that is neither `file.version` nor in `file.older`. The error is one line for operators.
    async fn finish_file(&self, file: &ReadFile) -> Result<(), String> {
        let _ = file;
        Ok(())
    }

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
            file: None,
            read_file: None,
        })
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}
