//! One vendor's feed: what is configured of it, and the port.

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

use crate::document::Layout;
use crate::exchange::{self, Answer, Failure};
use crate::pointer::JsonPointer;

/// Pause before the first retry; it doubles, with some jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What the vendor's log shows.
const USER_AGENT: &str = concat!("order-aggregator/", env!("CARGO_PKG_VERSION"));

/// How one vendor is asked.
#[derive(Debug, Clone)]
pub struct HttpVendorOptions {
    /// Whose report it is.
    pub vendor_id: VendorId,
    /// Where it is read: `http` or `https`.
    pub url: Url,
    /// How long a fetch may take, with all its retries.
    pub timeout: Duration,
    /// Largest body, in bytes.
    pub max_bytes: usize,
    /// How many more times a fetch is tried after a failure that may pass.
    pub retries: u32,
    /// Whether a report speaks of all of the vendor's stock.
    pub kind: ReportKind,
    /// How old the vendor's numbers may be when it states them.
    pub lag: Duration,
    /// The age beyond which the vendor's numbers are not sold from; `None` for no limit.
    pub max_age: Option<Duration>,
    /// Where in the document things stand.
    pub format: FeedFormat,
}

/// Where in a vendor's document things stand, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFormat {
    /// The list, from the document; empty for the document itself.
    pub items: String,
    /// The product's id, from an item.
    pub product_id: String,
    /// The number of units, from an item.
    pub quantity: String,
    /// The moment for which the report is true, from the document, if the document says it.
    pub as_of: Option<String>,
}

/// Why there can be no feed with these options.
#[derive(Debug, Error)]
pub enum InvalidOptions {
    /// Neither `http` nor `https`.
    #[error("vendor {vendor_id}: the URL must start with http:// or https://")]
    Scheme {
        /// Whose.
        vendor_id: VendorId,
    },
    /// Not a JSON pointer.
    #[error("vendor {vendor_id}: {field} is {pointer:?}, which is not a JSON pointer")]
    Pointer {
        /// Whose.
        vendor_id: VendorId,
        /// Which of the pointers.
        field: &'static str,
        /// What it says.
        pointer: String,
    },
    /// The HTTP client cannot be made, as when there are no root certificates on this machine.
    #[error("vendor {vendor_id}: the HTTP client cannot be made")]
    Client {
        /// Whose.
        vendor_id: VendorId,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

/// Reads a vendor's reports over HTTP.
pub struct HttpVendorFeed {
    vendor_id: VendorId,
    client: Client,
    url: Url,
    timeout: Duration,
    max_bytes: usize,
    retries: u32,
    kind: ReportKind,
    lag: Duration,
    max_age: Option<Duration>,
    layout: Layout,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for HttpVendorFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its URL, which may hold a secret.
        f.debug_struct("HttpVendorFeed")
            .field("vendor_id", &self.vendor_id)
            .finish_non_exhaustive()
    }
}

impl HttpVendorFeed {
    /// Makes a feed; nothing is asked yet. The clock is this process's own, for a `Retry-After` whose response has no `Date`.
    ///
    /// # Errors
    /// [`InvalidOptions`].
    pub fn new(options: HttpVendorOptions, clock: Arc<dyn Clock>) -> Result<Self, InvalidOptions> {
        let HttpVendorOptions {
            vendor_id,
            url,
            timeout,
            max_bytes,
            retries,
            kind,
            lag,
            max_age,
            format,
        } = options;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidOptions::Scheme { vendor_id });
        }
        let pointer = |field, text: &str| {
            JsonPointer::parse(text).ok_or_else(|| InvalidOptions::Pointer {
                vendor_id: vendor_id.clone(),
                field,
                pointer: text.to_owned(),
            })
        };
        let layout = Layout {
            items: pointer("items", &format.items)?,
            product_id: pointer("product_id", &format.product_id)?,
            quantity: pointer("quantity", &format.quantity)?,
            as_of: format
                .as_of
                .map(|text| pointer("as_of", &text))
                .transpose()?,
        };
        // Each try gets its share to connect in, so that one lost packet does not use up the time of all.
        let connect_timeout = timeout / retries.saturating_add(1);
        let client = build_client(&url, connect_timeout).map_err(|source| {
            let vendor_id = vendor_id.clone();
            InvalidOptions::Client { vendor_id, source }
        })?;
        Ok(Self {
            vendor_id,
            client,
            url,
            timeout,
            max_bytes,
            retries,
            kind,
            lag,
            max_age,
            layout,
            clock,
        })
    }

    /// Asks, and asks again after failures that may pass.
    async fn ask(&self, last_failure: &mut Option<FeedError>) -> Result<Answer, FeedError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(usize::try_from(self.retries).unwrap_or(usize::MAX))
            .with_jitter();
        (|| exchange::ask(&self.client, &self.url, self.max_bytes, self.clock.as_ref()))
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|failure: &Failure| failure.is_transient)
            .notify(|failure, pause| {
                let (vendor_id, error) = (&self.vendor_id, &failure.error);
                debug!(vendor.id = %vendor_id, %error, pause_ms = pause.as_millis(), "asking the vendor again");
                *last_failure = Some(error.clone());
            })
            .await
            .map_err(|failure| failure.error)
    }
}

fn build_client(url: &Url, connect_timeout: Duration) -> Result<Client, reqwest::Error> {
    // Whoever came first has chosen; a second choice is refused, and needs not be made.
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
        // No certificate is ever looked at: a machine that has none must not be a reason to fail.
        return builder.tls_certs_only([]).build();
    }
    builder.https_only(true).build()
}

#[async_trait]
impl VendorFeed for HttpVendorFeed {
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
        let mut last_failure = None;
        let answer = tokio::time::timeout(self.timeout, self.ask(&mut last_failure)).await;
        let Answer { times, body } = answer.unwrap_or_else(|_| {
            let timeout = self.timeout;
            let before =
                last_failure.map_or(String::new(), |error| format!("; before that: {error}"));
            let problem = format!("no whole answer came within {timeout:?}{before}");
            Err(FeedError::Unavailable(problem))
        })?;
        // A large document takes long enough to keep everything else on this thread waiting.
        let (layout, kind) = (self.layout.clone(), self.kind);
        let report = tokio::task::spawn_blocking(move || layout.parse(kind, &body))
            .await
            .map_err(|error| FeedError::Unavailable(format!("reading it was cut short: {error}")))?
            .map_err(FeedError::Malformed)?;
        Ok(FetchedReport { report, times })
    }
}
