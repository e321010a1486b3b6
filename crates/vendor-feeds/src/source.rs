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
use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError};
use secrecy::ExposeSecret as _;

use self::directory::{DirectorySource, FilePattern, OpenDirectory};
use crate::decode::Spool;
use crate::feed::InvalidOptions;
use crate::format::PageFields;
use crate::options::{FeedOptions, FormatOptions, PageKind, SftpLogin, Source};
use crate::page::PageContent;
use crate::secrets::Secrets;

/// A document as it was transferred.
#[derive(Debug)]
pub(crate) struct Transferred {
    /// The bytes, at their beginning.
    pub(crate) bytes: Spool,
    /// Name of the file, on one line; `None` if the source has no name for the document.
    pub(crate) file: Option<String>,
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
    /// A report has pages.
    Pages(Box<dyn PagedSource>),
}

/// Creates the source of the options, without a connection, and returns it with the secrets that it sends.
pub(crate) fn source(
    options: &FeedOptions,
    clock: Arc<dyn Clock>,
) -> Result<(FeedSource, Arc<Secrets>), InvalidOptions> {
    let max_bytes = options.decode.max_bytes;
    let source: Box<dyn DocumentSource> = match &options.source {
        Source::Http(http) => {
            let request = http::RequestOptions {
                vendor_id: options.vendor_id.clone(),
                accept: accept(&options.format),
                connect_timeout: connect_timeout(options),
                retries: options.retries,
                max_bytes,
            };
            return http::source(http, request, clock);
        }
        Source::File { path } => {
            let (directory, file) = file::split(path);
            files(options, clock, directory, file)
        }
        #[cfg(feature = "sftp")]
        Source::Sftp(sftp) => {
            let (server, file) =
                sftp::SftpServer::new(sftp, connect_timeout(options), options.timeout)?;
            files(options, clock, server, file)
        }
        #[cfg(not(feature = "sftp"))]
        Source::Sftp(_) => return Err(InvalidOptions::MissingFeature("sftp")),
        #[cfg(feature = "ftps")]
        Source::Ftps(ftps) => {
            let (server, file) = ftps::FtpsServer::new(ftps, connect_timeout(options))?;
            files(options, clock, server, file)
        }
        #[cfg(not(feature = "ftps"))]
        Source::Ftps(_) => return Err(InvalidOptions::MissingFeature("ftps")),
        #[cfg(feature = "bucket")]
        Source::Bucket(bucket) => {
            let (bucket, file) = bucket::Bucket::new(bucket, connect_timeout(options), max_bytes)?;
            files(options, clock, bucket, file)
        }
        #[cfg(not(feature = "bucket"))]
        Source::Bucket(_) => return Err(InvalidOptions::MissingFeature("bucket")),
    };
    Ok((
        FeedSource::Document(source),
        Arc::new(secrets(&options.source)),
    ))
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
    clock: Arc<dyn Clock>,
    directory: O,
    file: FilePattern,
) -> Box<dyn DocumentSource> {
    Box::new(DirectorySource {
        vendor_id: options.vendor_id.clone(),
        directory,
        file,
        max_bytes: options.decode.max_bytes,
        retries: options.retries,
        clock,
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
    PageFields {
        next,
        total: pages.total.clone(),
    }
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
