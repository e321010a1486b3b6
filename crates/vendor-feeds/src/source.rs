//! The sources: how the bytes of a vendor's document, and the times that they prove, come to this machine.
//!
//! To add a source: implement [`DocumentSource`] in a file of its own, or [`PagedSource`] if its reports come in pages, or
//! [`Directory`](directory::Directory) if it has files; add its options to [`Source`], and create it in [`source`]. A source with a
//! library of its own is behind a feature with its name.

pub(crate) mod address;
#[cfg(feature = "bucket")]
mod bucket;
mod directory;
mod file;
#[cfg(feature = "ftps")]
mod ftps;
mod http;
#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
mod network;
mod resolver;
#[cfg(feature = "sftp")]
mod sftp;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::ExponentialBuilder;
use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError, ReadFile};
use domain::report::ReportKind;
use domain::timestamp::Timestamp;
use domain::validators::Validators;
use secrecy::ExposeSecret as _;

pub(crate) use self::directory::matches_pattern;
use self::directory::{After, DirectorySource, FilePattern, OpenDirectory};
use crate::decode::Spool;
use crate::feed::InvalidOptions;
use crate::format::PageFields;
use crate::options::{FeedOptions, FormatOptions, PageKind, PageTotal, SftpLogin, Source};
use crate::page::PageContent;
use crate::secrets::Secrets;

/// A document as it was transferred.
#[derive(Debug)]
pub(crate) struct Transferred {
    /// The bytes, at their beginning.
    pub(crate) bytes: Spool,
    /// The file; `None` if the source has no files.
    pub(crate) file: Option<ReadFile>,
    /// Whether the source compressed the bytes for the transfer.
    pub(crate) is_compressed: bool,
    /// The times of the document, as the source states them.
    pub(crate) times: ResponseTimes,
}

/// Where a vendor's documents are.
#[async_trait]
pub(crate) trait DocumentSource: Send + Sync {
    /// Transfers the current document. MUST NOT transfer more than `decode.max_bytes`, and MUST be safe to cancel. Stores
    /// each failure after which it tries again in `last_failure`.
    async fn transfer(
        &self,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Transferred, FeedError>;

    /// Leaves, deletes or moves a file whose report was applied, as the options say. MUST be safe to cancel.
    async fn finish(&self, _file: &ReadFile) -> Result<(), FeedError> {
        Ok(())
    }
}

/// Where a vendor's documents are, if their source can state that a document has not changed.
#[async_trait]
pub(crate) trait ConditionalSource: Send + Sync {
    /// Transfers the current document, unless it is the one with the validators `known`. The rest is as in
    /// [`DocumentSource::transfer`].
    async fn transfer_changed(
        &self,
        known: Option<&Validators>,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Changed, FeedError>;
}

/// The current document, compared with a known one.
#[derive(Debug)]
pub(crate) enum Changed {
    /// It is another one, or may be. Its validators, if they are reliable.
    Document(Box<Transferred>, Option<Validators>),
    /// It is the known one. The times are those of this response.
    NotModified(ResponseTimes),
}

/// Where a vendor's reports are in pages.
pub(crate) trait PagedSource: Send + Sync {
    /// Begins to transfer a report, without a request.
    fn begin(&self) -> Box<dyn Pages + '_>;
}

/// The pages of one report, one after another.
#[async_trait]
pub(crate) trait Pages: Send {
    /// Transfers the next page; `None` after the last. `read` is the content of the page before, and `None` for the first.
    ///
    /// MUST NOT transfer more than `decode.max_bytes` for all pages, and MUST be safe to cancel. MUST return an error if the
    /// pages cannot be those of one report. An error names the page. Stores each failure after which it tries again in
    /// `last_failure`.
    async fn next(
        &mut self,
        read: Option<&PageContent>,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Option<Transferred>, FeedError>;
}

/// The source of a feed.
pub(crate) enum FeedSource {
    /// A report is one document.
    Document(Box<dyn DocumentSource>),
    /// A report is one document, and is requested only if it has changed.
    Conditional(Box<dyn ConditionalSource>),
    /// A report has pages.
    Pages(Box<dyn PagedSource>),
}

/// Creates the source of the options, without a connection, and returns it with the secrets that it sends.
pub(crate) fn source(
    options: &FeedOptions,
    clock: Arc<dyn Clock>,
) -> Result<(FeedSource, Arc<Secrets>), InvalidOptions> {
    let max_bytes = options.decode.max_bytes;
    let secrets = Arc::new(secrets(&options.source));
    let source: Box<dyn DocumentSource> = match &options.source {
        Source::Http(http) => {
            let request = http::RequestOptions {
                vendor_id: options.vendor_id.clone(),
                accept: accept(&options.format),
                connect_timeout: connect_timeout(options),
                retries: options.retries,
                max_bytes,
                settings: options.digest(),
                is_full: options.kind == ReportKind::Full,
            };
            return http::source(http, request, clock);
        }
        Source::File { path } => {
            let (directory, file) = file::split(path);
            files(options, (clock, &secrets), directory, file)
        }
        #[cfg(feature = "sftp")]
        Source::Sftp(sftp) => {
            let (server, file) =
                sftp::SftpServer::new(sftp, connect_timeout(options), options.timeout)?;
            files(options, (clock, &secrets), server, file)
        }
        #[cfg(not(feature = "sftp"))]
        Source::Sftp(_) => return Err(InvalidOptions::MissingFeature("sftp")),
        #[cfg(feature = "ftps")]
        Source::Ftps(ftps) => {
            let (server, file) = ftps::FtpsServer::new(ftps, connect_timeout(options))?;
            files(options, (clock, &secrets), server, file)
        }
        #[cfg(not(feature = "ftps"))]
        Source::Ftps(_) => return Err(InvalidOptions::MissingFeature("ftps")),
        #[cfg(feature = "bucket")]
        Source::Bucket(bucket) => {
            let (bucket, file) = bucket::Bucket::new(bucket, connect_timeout(options), max_bytes)?;
            files(options, (clock, &secrets), bucket, file)
        }
        #[cfg(not(feature = "bucket"))]
        Source::Bucket(_) => return Err(InvalidOptions::MissingFeature("bucket")),
    };
    Ok((FeedSource::Document(source), secrets))
}

/// The secrets of a source with a login, which a server may repeat.
fn secrets(source: &Source) -> Secrets {
    let mut secrets = Secrets::default();
    match source {
        Source::Sftp(options) => {
            if let SftpLogin::Password(password) = &options.login {
                secrets.add(password.expose_secret());
            }
        }
        Source::Ftps(options) => secrets.add(options.password.expose_secret()),
        Source::Bucket(options) => {
            if let Some(key) = &options.access_key {
                secrets.add(key.secret.expose_secret());
            }
        }
        Source::Http(_) | Source::File { .. } => {}
    }
    secrets
}

/// Creates the source of files in a directory.
fn files<O: OpenDirectory + 'static>(
    options: &FeedOptions,
    (clock, secrets): (Arc<dyn Clock>, &Arc<Secrets>),
    directory: O,
    file: FilePattern,
) -> Box<dyn DocumentSource> {
    Box::new(DirectorySource {
        vendor_id: options.vendor_id.clone(),
        directory,
        file,
        after: After {
            action: options.after.clone(),
            is_full: options.kind == ReportKind::Full,
        },
        max_bytes: options.decode.max_bytes,
        retries: options.retries,
        clock,
        secrets: Arc::clone(secrets),
    })
}

/// The fields in which documents state what the source needs to request their next page.
pub(crate) fn page_fields(source: &Source) -> PageFields {
    let pages = match source {
        Source::Http(http) => http.pages.as_ref(),
        _ => None,
    };
    let Some(pages) = pages else {
        return PageFields::default();
    };
    let next = match &pages.kind {
        PageKind::LinkBody { next } | PageKind::Cursor { next, .. } => Some(next.clone()),
        PageKind::LinkHeader | PageKind::Number { .. } | PageKind::Offset { .. } => None,
    };
    let total = match &pages.total {
        Some(PageTotal::Field(field)) => Some(field.clone()),
        Some(PageTotal::Header(_)) | None => None,
    };
    PageFields { next, total }
}

/// The pauses before the retries of a transfer.
fn retry_pauses(retries: u32) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(usize::try_from(retries).unwrap_or(usize::MAX))
        .with_jitter()
}

/// Each attempt gets an equal share of the timeout to connect, so that one lost packet does not use all of it.
fn connect_timeout(options: &FeedOptions) -> Duration {
    options.timeout / options.retries.saturating_add(1)
}

/// The media types to request.
fn accept(format: &FormatOptions) -> &'static str {
    match format {
        FormatOptions::Json(_) => "application/json",
        _ => "*/*",
    }
}

/// Adds the modification time of the file that an error is about, if it is known and the error does not have one.
pub(crate) fn of_file(modified: Option<Timestamp>, error: FeedError) -> FeedError {
    match (modified, error) {
        (_, error @ FeedError::OfFile { .. }) | (None, error) => error,
        (Some(modified), error) => FeedError::OfFile {
            modified,
            error: Box::new(error),
        },
    }
}

/// Describes an error of a spool.
pub(crate) fn storage_failure(error: &io::Error) -> FeedError {
    let text = log_text::one_line(&error.to_string());
    if error.kind() == io::ErrorKind::InvalidData {
        FeedError::Malformed(text.into())
    } else {
        FeedError::Unavailable(format!(
            "cannot store the report in a temporary file: {text}"
        ))
    }
}

/// Runs a function on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FeedError> + Send + 'static,
) -> Result<T, FeedError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        FeedError::Unavailable(format!("reading the report was aborted: {error}"))
    })?
}
