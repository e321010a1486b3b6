//! The feed of one vendor: its options, and the implementation of the port.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError, FetchedReport, VendorFeed};
use domain::report::ReportKind;
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue};
use reqwest::{Client, Url, redirect};
use thiserror::Error;
use tracing::debug;

use crate::document::FeedFormat;
use crate::exchange::{self, Failure, VendorResponse};

/// Pause before the first retry; it doubles with each retry, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// `User-Agent` of requests to vendors.
const USER_AGENT: &str = concat!("order-aggregator/", env!("CARGO_PKG_VERSION"));

/// Options of a vendor's feed.
#[derive(Debug, Clone)]
pub struct HttpVendorOptions {
    /// Id of the vendor.
    pub vendor_id: VendorId,
    /// URL of the report, with the scheme `http` or `https`.
    pub url: Url,
    /// Longest duration of a fetch, including retries.
    pub timeout: Duration,
    /// Maximum size of the body, in bytes.
    pub max_bytes: usize,
    /// Number of retries after transient failures.
    pub retries: u32,
    /// Whether a report lists all of the vendor's stock or changes only.
    pub kind: ReportKind,
    /// Longest age of the vendor's counts when it reports them.
    pub lag: Duration,
    /// Age beyond which the vendor's stock is not sold; `None` is no limit.
    pub max_age: Option<Duration>,
    /// Where the fields are in the document.
    pub format: FeedFormat,
}

/// Why a feed cannot be created with the given options.
#[derive(Debug, Error)]
pub enum InvalidOptions {
    /// The scheme of the URL is neither `http` nor `https`.
    #[error("the URL must start with http:// or https://")]
    Scheme,
    /// The HTTP client cannot be built, for example because the machine has no root certificates.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Reads a vendor's reports over HTTP.
pub struct HttpVendorFeed {
    options: HttpVendorOptions,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for HttpVendorFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the URL, which may contain a secret.
        f.debug_struct("HttpVendorFeed")
            .field("vendor_id", &self.options.vendor_id)
            .finish_non_exhaustive()
    }
}

impl HttpVendorFeed {
    /// Creates a feed, without sending a request. `clock` is the clock of this process; it is used for a `Retry-After` date
    /// if the response has no `Date`.
    ///
    /// # Errors
    /// [`InvalidOptions`].
    pub fn new(options: HttpVendorOptions, clock: Arc<dyn Clock>) -> Result<Self, InvalidOptions> {
        if !matches!(options.url.scheme(), "http" | "https") {
            return Err(InvalidOptions::Scheme);
        }
        // Each attempt gets an equal share of the timeout to connect, so that one lost packet does not use all of it.
        let connect_timeout = options.timeout / options.retries.saturating_add(1);
        let client = build_client(&options.url, connect_timeout).map_err(InvalidOptions::Client)?;
        Ok(Self {
            options,
            client,
            clock,
        })
    }

    /// Sends the request, with retries after transient failures.
    async fn send(
        &self,
        last_failure: &mut Option<FeedError>,
    ) -> Result<VendorResponse, FeedError> {
        let HttpVendorOptions {
            vendor_id,
            url,
            max_bytes,
            retries,
            ..
        } = &self.options;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(usize::try_from(*retries).unwrap_or(usize::MAX))
            .with_jitter();
        (|| exchange::send(&self.client, url, *max_bytes, self.clock.as_ref()))
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|failure: &Failure| failure.is_transient)
            .notify(|failure, pause| {
                let error = &failure.error;
                debug!(vendor.id = %vendor_id, %error, pause_ms = pause.as_millis(), "request to the vendor failed; retrying");
                *last_failure = Some(error.clone());
            })
            .await
            .map_err(|failure| failure.error)
    }
}

fn build_client(url: &Url, connect_timeout: Duration) -> Result<Client, reqwest::Error> {
    // Fails if a provider is already installed, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .connect_timeout(connect_timeout)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy();
    if url.scheme() == "http" {
        // Plain HTTP needs no root certificates, so a machine without any must not cause an error.
        return builder.tls_certs_only([]).build();
    }
    builder.https_only(true).build()
}

#[async_trait]
impl VendorFeed for HttpVendorFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.options.vendor_id
    }

    fn lag(&self) -> Duration {
        self.options.lag
    }

    fn max_age(&self) -> Option<Duration> {
        self.options.max_age
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let timeout = self.options.timeout;
        let mut last_failure = None;
        let response = tokio::time::timeout(timeout, self.send(&mut last_failure)).await;
        let VendorResponse { times, body } = response.unwrap_or_else(|_| {
            let last =
                last_failure.map_or(String::new(), |error| format!("; last failure: {error}"));
            let problem = format!("no complete response within {timeout:?}{last}");
            Err(FeedError::Unavailable(problem))
        })?;
        // Parsing a large document would block the other tasks of this thread.
        let (format, kind) = (self.options.format.clone(), self.options.kind);
        let report = tokio::task::spawn_blocking(move || format.parse(kind, &body))
            .await
            .map_err(|error| {
                FeedError::Unavailable(format!("parsing the report was aborted: {error}"))
            })?
            .map_err(FeedError::Malformed)?;
        Ok(FetchedReport { report, times })
    }
}
