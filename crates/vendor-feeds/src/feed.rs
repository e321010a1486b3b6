//! The feed of one vendor: source, decoding, format and rules in sequence, as the implementation of the port.

mod push;
mod reading;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::ports::{
    Clock, FeedError, Fetched, FetchedReport, MalformedReport, ReadFile, VendorFeed,
};
use domain::validators::Validators;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::excerpt::excerpt;
use crate::options::{FeedOptions, FormatOptions, PageOptions, Source};
use crate::page::{PageContent, of_page};
use crate::parser::{Parse, Progress};
use crate::sample::Sampler;
use crate::secrets::Secrets;
use crate::source::{
    self, Changed, ConditionalSource, DocumentSource, FeedSource, PagedSource, Transferred,
    blocking, of_file, storage_failure,
};
use crate::times::ReportTimes;

pub use self::push::{PushOptions, PushReceiver};
use self::reading::Reading;

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
    reading: Reading,
    source: FeedSource,
    secrets: Arc<Secrets>,
    /// `None` if no samples are kept.
    sampler: Option<Sampler>,
}

impl fmt::Debug for SourceFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the source, which may contain a secret.
        f.debug_struct("SourceFeed")
            .field("vendor_id", &self.reading.vendor_id)
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
        check_skipped_rows(&options)?;
        Ok(Self {
            reading: Reading::new(options.into(), &page_fields)?,
            source,
            secrets,
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
        let transferred = transferred.unwrap_or_else(|_| Err(self.no_response(None, failure)))?;
        let modified = transferred
            .file
            .as_ref()
            .and_then(|file| file.version.modified);
        let read = self.read_document(transferred, deadline).await;
        read.map_err(|error| of_file(modified, error))
    }

    /// Reads a report that is one document, unless it is the one with the validators `known`.
    async fn fetch_conditional(
        &self,
        source: &dyn ConditionalSource,
        known: Option<&Validators>,
        deadline: Instant,
    ) -> Result<Fetched, FeedError> {
        let mut failure = None;
        let changed = timeout_at(deadline, source.transfer_changed(known, &mut failure)).await;
        let changed = changed.unwrap_or_else(|_| Err(self.no_response(None, failure)))?;
        match changed {
            Changed::NotModified(times) => Ok(Fetched::NotModified(times)),
            Changed::Document(transferred, validators) => {
                let report = self.read_document(*transferred, deadline).await?;
                Ok(Fetched::Report(Box::new(report), validators))
            }
        }
    }

    async fn read_document(
        &self,
        mut transferred: Transferred,
        deadline: Instant,
    ) -> Result<FetchedReport, FeedError> {
        self.add_to_sample(&mut transferred)?;
        let (times, read_file) = (transferred.times.clone(), transferred.file.take());
        let parsed = self.parse(transferred, Progress::default(), None, deadline);
        let parsed = parsed
            .await
            .and_then(|(read, _)| self.reading.parser.finish(read));
        let file = read_file.as_ref().map(|file| excerpt(&file.version.name));
        let (report, size) = parsed.map_err(|error| in_file(file.as_deref(), error))?;
        Ok(FetchedReport {
            report,
            times,
            size,
            file,
            read_file,
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
        let (report, size) = self.reading.parser.finish(progress)?;
        Ok(FetchedReport {
            report,
            times: times.finish(),
            size,
            file: None,
            read_file: None,
        })
    }

    /// The error of a response that took too long.
    fn no_response(&self, page: Option<u64>, last_failure: Option<FeedError>) -> FeedError {
        let timeout = self.reading.timeout;
        let of_page = page.map_or(String::new(), |page| format!(" of page {page}"));
        let (last, modified) = last_failure.map_or((String::new(), None), |error| {
            let (error, modified) = error.split_file_time();
            (format!("; last failure: {error}"), modified)
        });
        let problem = format!("no complete response{of_page} within {timeout:?}{last}");
        of_file(modified, FeedError::Unavailable(problem))
    }

    /// Parses a document on a thread that may block: a large one would block the other tasks of this thread.
    async fn parse(
        &self,
        transferred: Transferred,
        progress: Progress,
        page: Option<u64>,
        deadline: Instant,
    ) -> Result<(Progress, PageContent), FeedError> {
        let parser = Arc::clone(&self.reading.parser);
        let cancelled = CancelOnDrop::default();
        let is_cancelled = Arc::clone(&cancelled.0);
        let sampler = self.sampler.clone();
        let parsed = blocking(move || {
            let parse = Parse {
                page,
                is_cancelled: &is_cancelled,
                sampler: sampler.as_ref(),
            };
            parser.parse(transferred, progress, &parse)
        });
        timeout_at(deadline, parsed).await.unwrap_or_else(|_| {
            let timeout = self.reading.timeout;
            let problem = format!("the report could not be read within {timeout:?}");
            Err(of_page(page, FeedError::Unavailable(problem)))
        })
    }
}

#[async_trait]
impl VendorFeed for SourceFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.reading.vendor_id
    }

    fn lag(&self) -> Duration {
        self.reading.lag
    }

    fn max_age(&self) -> Option<Duration> {
        self.reading.max_age
    }

    fn guard(&self) -> Guard {
        self.reading.guard
    }

    async fn finish_file(&self, file: &ReadFile) -> Result<(), String> {
        let FeedSource::Document(source) = &self.source else {
            return Ok(());
        };
        let timeout = self.reading.timeout;
        let finished = tokio::time::timeout(timeout, source.finish(file)).await;
        let finished = finished.unwrap_or_else(|_| {
            let shown = excerpt(&file.version.name);
            let problem = format!(
                "the file {shown} was not deleted or moved within {timeout:?} (source.after)"
            );
            Err(FeedError::Unavailable(problem))
        });
        finished.map_err(|error| self.secrets.redact_error(error).to_string())
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        match self.fetch_changed(None).await? {
            Fetched::Report(report, _) => Ok(*report),
            Fetched::NotModified(_) => {
                let problem = "the source stated without a condition that its report is unchanged";
                Err(FeedError::Unavailable(problem.to_owned()))
            }
        }
    }

    fn is_conditional(&self) -> bool {
        matches!(self.source, FeedSource::Conditional(_))
    }

    async fn fetch_changed<'k>(&self, known: Option<&'k Validators>) -> Result<Fetched, FeedError> {
        let deadline = Instant::now() + self.reading.timeout;
        if let Some(sampler) = &self.sampler {
            sampler.clear();
        }
        let report = |report| Fetched::Report(Box::new(report), None);
        let fetched = match &self.source {
            FeedSource::Document(source) => {
                let fetched = self.fetch_document(source.as_ref(), deadline).await;
                fetched.map(report)
            }
            FeedSource::Conditional(source) => {
                self.fetch_conditional(source.as_ref(), known, deadline)
                    .await
            }
            FeedSource::Pages(source) => {
                let fetched = self.fetch_pages(source.as_ref(), deadline).await;
                fetched.map(report)
            }
        };
        if let Some(sampler) = &self.sampler {
            sampler.redact(&self.secrets);
        }
        fetched.map_err(|error| self.secrets.redact_error(error))
    }
}

/// Refuses to skip rows of pages that are counted: whether the vendor counts the skipped rows is not known.
fn check_skipped_rows(options: &FeedOptions) -> Result<(), InvalidOptions> {
    let skip_rows = match &options.format {
        FormatOptions::Csv(csv) => csv.skip_rows.as_ref(),
        FormatOptions::Xlsx(xlsx) => xlsx.skip_rows.as_ref(),
        _ => None,
    };
    let pages = match &options.source {
        Source::Http(http) => http.pages.as_ref(),
        _ => None,
    };
    if skip_rows.is_some() && pages.is_some_and(PageOptions::counts_records) {
        let problem = "format.skip_rows cannot be used with source.pages of the type \"page\" or \"offset\", or with a total: the \
                       records of each page are counted, and whether the vendor counts the skipped rows is not known";
        return Err(InvalidOptions::Option(problem.to_owned()));
    }
    Ok(())
}

/// Adds the name of the file to an error about its content.
pub(crate) fn in_file(file: Option<&str>, error: FeedError) -> FeedError {
    match error {
        FeedError::Malformed(malformed) => FeedError::Malformed(MalformedReport {
            file: file.map(str::to_owned),
            ..malformed
        }),
        error => error,
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
