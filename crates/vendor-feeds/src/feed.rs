//! The feed of one vendor: source, decoding, format and rules in sequence, as the implementation of the port.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError, FetchedReport, VendorFeed};
use domain::report::{Report, ReportKind};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::decode::{self, MAX_LEVELS, Spool};
use crate::format::{self, Format, FormatError};
use crate::options::{DecodeOptions, FeedOptions, FieldOptions, RuleOptions};
use crate::record::{Record, RecordSink};
use crate::rules::{Refused, Rules};
use crate::source::{self, DocumentSource, Transferred, blocking, storage_failure};

/// Why a feed cannot be created with the given options.
#[derive(Debug, Error)]
pub enum InvalidOptions {
    /// The scheme of the URL is neither `http` nor `https`.
    #[error("the URL must start with http:// or https://")]
    Scheme,
    /// An option of the format or of the fields is invalid; the text names it and its problem.
    #[error("{0}")]
    Option(String),
    /// The HTTP client cannot be built, for example because the machine has no root certificates.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Reads a vendor's reports from its source.
pub struct SourceFeed {
    vendor_id: VendorId,
    source: Box<dyn DocumentSource>,
    parser: Arc<Parser>,
    timeout: Duration,
    lag: Duration,
    max_age: Option<Duration>,
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
        let source = source::source(&options, clock)?;
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
            ..
        } = options;
        let format = format::format(&format, &fields).map_err(InvalidOptions::Option)?;
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
            parser: Arc::new(parser),
            timeout,
            lag,
            max_age,
        })
    }

    async fn transfer(&self, deadline: Instant) -> Result<Transferred, FeedError> {
        let mut last_failure = None;
        let transferred = timeout_at(deadline, self.source.transfer(&mut last_failure)).await;
        transferred.unwrap_or_else(|_| {
            let timeout = self.timeout;
            let last =
                last_failure.map_or(String::new(), |error| format!("; last failure: {error}"));
            let problem = format!("no complete response within {timeout:?}{last}");
            Err(FeedError::Unavailable(problem))
        })
    }

    /// Parses a document on a thread that may block: a large one would block the other tasks of this thread.
    async fn parse(
        &self,
        bytes: Spool,
        levels: usize,
        deadline: Instant,
    ) -> Result<Report, FeedError> {
        let parser = Arc::clone(&self.parser);
        let cancelled = CancelOnDrop::default();
        let is_cancelled = Arc::clone(&cancelled.0);
        let parsed = blocking(move || parser.parse(bytes, levels, &is_cancelled));
        timeout_at(deadline, parsed).await.unwrap_or_else(|_| {
            let timeout = self.timeout;
            let problem = format!("the report could not be read within {timeout:?}");
            Err(FeedError::Unavailable(problem))
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

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let deadline = Instant::now() + self.timeout;
        let Transferred {
            bytes,
            is_compressed,
            times,
        } = self.transfer(deadline).await?;
        let levels = MAX_LEVELS + usize::from(is_compressed);
        let report = self.parse(bytes, levels, deadline).await?;
        Ok(FetchedReport { report, times })
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

/// Parses a document into a report.
struct Parser {
    decode: DecodeOptions,
    format: Box<dyn Format>,
    fields: FieldOptions,
    rules: RuleOptions,
    kind: ReportKind,
}

impl Parser {
    fn parse(
        &self,
        bytes: Spool,
        levels: usize,
        is_cancelled: &AtomicBool,
    ) -> Result<Report, FeedError> {
        let document =
            decode::unpack(bytes, &self.decode, levels).map_err(|error| storage_failure(&error))?;
        let mut rules = Rules::new(&self.fields, &self.rules);
        let mut records = Cancellable {
            records: &mut rules,
            is_cancelled,
        };
        let as_of = match self.format.read(document, &mut records) {
            Ok(as_of) => as_of,
            Err(FormatError::Malformed(problem)) => return Err(FeedError::Malformed(problem)),
            Err(FormatError::Read(error)) => return Err(storage_failure(&error)),
        };
        let quantities = rules.finish().map_err(|refused| {
            FeedError::Malformed(match refused {
                Refused::Records(refusals) => refusals.to_string(),
                Refused::TooMany(max_rows) => {
                    format!("more than {max_rows} records (rules.max_rows)")
                }
            })
        })?;
        Report::from_quantities(self.kind, as_of, quantities)
            .map_err(|error| FeedError::Malformed(error.to_string()))
    }
}

/// Takes no more records after the work was cancelled.
struct Cancellable<'r> {
    records: &'r mut dyn RecordSink,
    is_cancelled: &'r AtomicBool,
}

impl RecordSink for Cancellable<'_> {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        self.records.take(record)
    }
}
