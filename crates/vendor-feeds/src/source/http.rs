//! Documents at a URL.
//!
//! Redirects are not followed, cookies are not kept, and proxies are not used. A response with `Retry-After` ends the transfer
//! immediately, and the error contains the delay. A response that is one page of several is rejected.

mod exchange;
mod retry_after;
mod times;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderValue};
use reqwest::{Client, Url, redirect};
use tracing::debug;

use self::exchange::Failure;
use super::{DocumentSource, Transferred};
use crate::feed::InvalidOptions;

/// Pause before the first retry; it doubles with each retry, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// `User-Agent` of requests to vendors.
const USER_AGENT: &str = concat!("order-aggregator/", env!("CARGO_PKG_VERSION"));

/// Options of a source.
pub(super) struct HttpOptions {
    pub(super) vendor_id: VendorId,
    pub(super) url: Url,
    pub(super) accept: &'static str,
    pub(super) connect_timeout: Duration,
    pub(super) retries: u32,
    pub(super) max_bytes: u64,
}

/// Requests documents of one vendor.
pub(super) struct HttpSource {
    options: HttpOptions,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl HttpSource {
    /// Creates a source, without sending a request. `clock` is the clock of this process; it is used for a `Retry-After`
    /// date if the response has no `Date`.
    pub(super) fn new(options: HttpOptions, clock: Arc<dyn Clock>) -> Result<Self, InvalidOptions> {
        if !matches!(options.url.scheme(), "http" | "https") {
            return Err(InvalidOptions::Scheme);
        }
        let client = build_client(&options).map_err(InvalidOptions::Client)?;
        Ok(Self {
            options,
            client,
            clock,
        })
    }
}

#[async_trait]
impl DocumentSource for HttpSource {
    async fn transfer(
        &self,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Transferred, FeedError> {
        let HttpOptions {
            vendor_id,
            url,
            retries,
            max_bytes,
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

fn build_client(options: &HttpOptions) -> Result<Client, reqwest::Error> {
    // Fails if a provider is already installed, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static(options.accept)),
        // A compressed document is decoded, but not requested: some caches ignore `Vary`.
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .connect_timeout(options.connect_timeout)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy();
    if options.url.scheme() == "http" {
        // Plain HTTP needs no root certificates, so a machine without any must not cause an error.
        return builder.tls_certs_only([]).build();
    }
    builder.https_only(true).build()
}
