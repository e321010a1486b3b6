//! The sources: how the bytes of a vendor's document, and the times that they prove, come to this machine.
//!
//! To add a source: implement [`DocumentSource`] in a file of its own, add its options to
//! [`Source`](crate::options::Source), and create it in [`source`].

mod file;
mod http;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError};

use crate::decode::Spool;
use crate::feed::InvalidOptions;
use crate::options::{FeedOptions, FormatOptions, Source};

/// A document as it was transferred.
#[derive(Debug)]
pub(crate) struct Transferred {
    /// The bytes, at their beginning.
    pub(crate) bytes: Spool,
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

/// Creates the source of the options, without a connection.
pub(crate) fn source(
    options: &FeedOptions,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn DocumentSource>, InvalidOptions> {
    let max_bytes = options.decode.max_bytes;
    Ok(match &options.source {
        Source::Http { url } => Box::new(http::HttpSource::new(
            http::HttpOptions {
                vendor_id: options.vendor_id.clone(),
                url: url.clone(),
                accept: accept(&options.format),
                connect_timeout: connect_timeout(options),
                retries: options.retries,
                max_bytes,
            },
            clock,
        )?),
        Source::File { path } => Box::new(file::FileSource::new(path.clone(), max_bytes, clock)),
    })
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
        FeedError::Malformed(text)
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
