//! The feed of one vendor: source, decoding, format and rules in sequence, as the implementation of the port.

mod push;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError, FetchedReport, VendorFeed};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::format;
use crate::options::FeedOptions;
use crate::page::{PageContent, of_page};
use crate::parser::{Parser, Progress};
use crate::sample::Sampler;
use crate::secrets::Secrets;
use crate::source::{
    self, DocumentSource, FeedSource, PagedSource, Transferred, blocking, storage_failure,
};
use crate::times::ReportTimes;

pub use self::push::{PushOptions, PushReceiver};

/// Why a feed cannot be created with the given options.
#[derive(Debug, Error)]
pub enum InvalidOptions {
    /// The scheme of the URL is neither `http` nor `https`.
    #[error("the URL must start with http:// or https://")]
    Scheme,
    /// An option of the format or of the fields is invalid; the text names it and its problem.
    #[error("{0}")]
    Option(String),
    /// The source needs a feature that this program was built without.
    #[error("source.type is {0:?}, but this program was built without the feature {0}")]
    MissingFeature(&'static str),
    /// The HTTP client cannot be built, for example because the machine has no root certificates.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Reads a vendor's reports from its source.
pub struct SourceFeed {
    vendor_id: VendorId,
    source: FeedSource,
    secrets: Arc<Secrets>,
    parser: Arc<Parser>,
    timeout: Duration,
    lag: Duration,
    max_age: Option<Duration>,
    guard: Guard,
    /// `None` if no samples are kept.
    sampler: Option<Sampler>,
}

impl fmt::Debug for SourceFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the source, which may contain a secret.
        f.debug_struct("SourceFeed")
            .field("vendor_id", &self.vendor_id)
            .finish_non_exhaustive()
    }
}

impl SourceFeed {
    /// Creates a feed, without a connection to its source. `clock` is the clock of this process.
    ///
    /// # Errors
    /// [`InvalidOptions`].
    pub fn new(options: FeedOptions, clock: Arc<dyn Clock>) -> Result<Self, InvalidOptions> {
        let (source, secrets) = source::source(&options, clock)?;
        let page_fields = source::page_fields(&options.source);
        let FeedOptions {
            vendor_id,
            decode,
            format,
            fields,
            rules,
            timeout,
            kind,
            lag,
            max_age,
            guard,
            ..
        } = options;
        let format =
            format::format(&format, &fields, &page_fields).map_err(InvalidOptions::Option)?;
        let parser = Parser {
            decode,
            format,
            fields,
            rules,
            kind,
        };
        Ok(Self {
            vendor_id,
            source,
            secrets,
            parser: Arc::new(parser),
            timeout,
            lag,
            max_age,
            guard,
            sampler: None,
        })
    }

    /// Keeps a sample of each fetch in `sampler`.
    #[must_use]
    pub fn with_sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Adds a transferred document to the sample.
    fn add_to_sample(&self, transferred: &mut Transferred) -> Result<(), FeedError> {
        let Some(sampler) = &self.sampler else {
            return Ok(());
        };
        let added = sampler.add_document(transferred);
        added.map_err(|error| storage_failure(&error))
    }

    /// Reads a report that is one document.
    async fn fetch_document(
        &self,
        source: &dyn DocumentSource,
        deadline: Instant,
    ) -> Result<FetchedReport, FeedError> {
        let mut failure = None;
        let transferred = timeout_at(deadline, source.transfer(&mut failure)).await;
        let mut transferred =
            transferred.unwrap_or_else(|_| Err(self.no_response(None, failure)))?;
        self.add_to_sample(&mut transferred)?;
        let times = transferred.times.clone();
        let parsed = self.parse(transferred, Progress::default(), None, deadline);
        let (progress, _) = parsed.await?;
        let (report, size) = self.parser.finish(progress)?;
        Ok(FetchedReport {
            report,
            times,
            size,
        })
    }

    /// Reads a report in pages.
    async fn fetch_pages(
        &self,
        source: &dyn PagedSource,
        deadline: Instant,
    ) -> Result<FetchedReport, FeedError> {
        let mut pages = source.begin();
        let mut times = ReportTimes::default();
        let mut progress = Progress::default();
        let mut read: Option<PageContent> = None;
        for page in 1.. {
            let mut failure = None;
            let next = timeout_at(deadline, pages.next(read.as_ref(), &mut failure)).await;
            let next = next.unwrap_or_else(|_| Err(self.no_response(Some(page), failure)))?;
            let Some(mut transferred) = next else {
                break;
            };
            self.add_to_sample(&mut transferred)?;
            times.add(&transferred.times);
            let parsed = self.parse(transferred, progress, Some(page), deadline);
            let content;
            (progress, content) = parsed.await?;
            read = Some(content);
        }
        let (report, size) = self.parser.finish(progress)?;
        Ok(FetchedReport {
            report,
            times: times.finish(),
            size,
        })
    }

    /// The error of a response that took too long.
    fn no_response(&self, page: Option<u64>, last_failure: Option<FeedError>) -> FeedError {
        let timeout = self.timeout;
        let of_page = page.map_or(String::new(), |page| format!(" of page {page}"));
        let last = last_failure.map_or(String::new(), |error| format!("; last failure: {error}"));
        FeedError::Unavailable(format!(
            "no complete response{of_page} within {timeout:?}{last}"
        ))
    }

    /// Parses a document on a thread that may block: a large one would block the other tasks of this thread.
    async fn parse(
        &self,
        transferred: Transferred,
        progress: Progress,
        page: Option<u64>,
        deadline: Instant,
    ) -> Result<(Progress, PageContent), FeedError> {
        let parser = Arc::clone(&self.parser);
        let cancelled = CancelOnDrop::default();
        let is_cancelled = Arc::clone(&cancelled.0);
        let sampler = self.sampler.clone();
        let parsed = blocking(move || {
            parser.parse(transferred, progress, page, &is_cancelled, sampler.as_ref())
        });
        timeout_at(deadline, parsed).await.unwrap_or_else(|_| {
            let timeout = self.timeout;
            let problem = format!("the report could not be read within {timeout:?}");
            Err(of_page(page, FeedError::Unavailable(problem)))
        })
    }
}

#[async_trait]
impl VendorFeed for SourceFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    fn lag(&self) -> Duration {
        self.lag
    }

    fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    fn guard(&self) -> Guard {
        self.guard
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let deadline = Instant::now() + self.timeout;
        if let Some(sampler) = &self.sampler {
            sampler.clear();
        }
        let fetched = match &self.source {
            FeedSource::Document(source) => self.fetch_document(source.as_ref(), deadline).await,
            FeedSource::Pages(source) => self.fetch_pages(source.as_ref(), deadline).await,
        };
        if let Some(sampler) = &self.sampler {
            sampler.redact(&self.secrets);
        }
        fetched.map_err(|error| self.secrets.redact_error(error))
    }
}

/// Ends the work on a blocking thread when its task is dropped.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_feature_is_named() {
        assert_eq!(
            InvalidOptions::MissingFeature("sftp").to_string(),
            r#"source.type is "sftp", but this program was built without the feature sftp"#
        );
    }
}
