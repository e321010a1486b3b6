//! Documents at a URL.
//!
//! Redirects and links to pages are followed to the hosts that the settings name, and to addresses that are public or that
//! the settings name. Only the scheme, host and port of the settings' URL receive credentials. Cookies are not kept, and
//! proxies are not used. A response with `Retry-After` ends the transfer immediately, and the error contains the delay.

mod auth;
mod client;
mod exchange;
mod failure;
mod link;
mod pages;
mod retry_after;
mod targets;
mod times;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError};
use reqwest::Url;
use tracing::debug;

use self::exchange::{Exchange, Fetch, Received};
use self::failure::Failure;
use self::pages::{ReadPage, Sequence};
use super::{DocumentSource, FeedSource, PagedSource, Pages, Transferred};
use crate::feed::InvalidOptions;
use crate::options::{HttpOptions, PageOptions};
use crate::page::{PageContent, on_page};
use crate::secrets::Secrets;

/// Pause before the first retry; it doubles with each retry, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Options of a feed that the requests depend on.
pub(super) struct RequestOptions {
    pub(super) vendor_id: VendorId,
    pub(super) accept: &'static str,
    pub(super) connect_timeout: Duration,
    pub(super) retries: u32,
    pub(super) max_bytes: u64,
}

/// Requests documents of one vendor.
struct HttpSource {
    vendor_id: VendorId,
    retries: u32,
    exchange: Exchange,
    secrets: Arc<Secrets>,
    clock: Arc<dyn Clock>,
}

/// Creates a source, without sending a request, and returns it with its secrets. `clock` is the clock of this process; it is
/// used for a `Retry-After` date if the response has no `Date`.
pub(super) fn source(
    options: &HttpOptions,
    request: RequestOptions,
    clock: Arc<dyn Clock>,
) -> Result<(FeedSource, Arc<Secrets>), InvalidOptions> {
    let (exchange, secrets) = client::exchange(options, &request)?;
    let source = HttpSource {
        vendor_id: request.vendor_id,
        retries: request.retries,
        exchange,
        secrets: Arc::clone(&secrets),
        clock,
    };
    let source = match options.pages.clone() {
        None => FeedSource::Document(Box::new(source)),
        Some(pages) => FeedSource::Pages(Box::new(HttpPages { source, pages })),
    };
    Ok((source, secrets))
}

impl HttpSource {
    /// Requests a URL, with retries. The rest is as in [`Exchange::get`].
    async fn get(
        &self,
        url: &Url,
        size: (u64, bool),
        fetch: &Fetch,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Received, FeedError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(usize::try_from(self.retries).unwrap_or(usize::MAX))
            .with_jitter();
        (|| self.exchange.get(url, size, fetch, self.clock.as_ref()))
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|failure: &Failure| failure.is_transient)
            .notify(|failure, pause| {
                let error = self.secrets.redact_error(failure.error.clone());
                debug!(vendor.id = %self.vendor_id, %error, pause_ms = pause.as_millis(), "request to the vendor failed; retrying");
                *last_failure = Some(error);
            })
            .await
            .map_err(|failure| failure.error)
    }
}

#[async_trait]
impl DocumentSource for HttpSource {
    async fn transfer(
        &self,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Transferred, FeedError> {
        let url = self.exchange.targets.first();
        let received = self
            .get(url, (0, false), &Fetch::default(), last_failure)
            .await?;
        Ok(received.transferred)
    }
}

/// Requests the pages of reports of one vendor.
struct HttpPages {
    source: HttpSource,
    pages: PageOptions,
}

impl PagedSource for HttpPages {
    fn begin(&self) -> Box<dyn Pages + '_> {
        Box::new(PagesOfReport {
            source: &self.source,
            sequence: Sequence::new(&self.pages, &self.source.exchange.targets),
            fetch: Fetch::default(),
            used: 0,
            last: None,
        })
    }
}

/// The pages of one report.
struct PagesOfReport<'s> {
    source: &'s HttpSource,
    sequence: Sequence<'s>,
    fetch: Fetch,
    /// Number of bytes that were transferred.
    used: u64,
    /// URL and links of the last page.
    last: Option<(Url, Vec<String>)>,
}

#[async_trait]
impl Pages for PagesOfReport<'_> {
    async fn next(
        &mut self,
        read: Option<&PageContent>,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Option<Transferred>, FeedError> {
        let next = match (read, &self.last) {
            (Some(content), Some((url, links))) => {
                let next = self.sequence.after(&ReadPage {
                    content,
                    links,
                    url,
                });
                next.map_err(|problem| {
                    on_page(self.sequence.pages(), FeedError::Malformed(problem.into()))
                })?
            }
            _ => Some(self.sequence.first()),
        };
        let Some(url) = next else { return Ok(None) };
        let page = self.sequence.pages() + 1;
        let received = self
            .source
            .get(&url, (self.used, true), &self.fetch, last_failure)
            .await
            .map_err(|error| on_page(page, error))?;
        self.used += received.size;
        self.last = Some((received.url, received.links));
        Ok(Some(received.transferred))
    }
}
