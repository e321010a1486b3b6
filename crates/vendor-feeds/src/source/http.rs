//! Documents at a URL.
//!
//! Redirects and links to pages are followed to the hosts that the settings name, and to addresses that are public or that
//! the settings name. Only the scheme, host and port of the settings' URL receive credentials. Cookies are not kept, and
//! proxies are not used. A response with `Retry-After` ends the transfer immediately, and the error contains the delay.

mod auth;
mod client;
mod conditions;
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
use backon::Retryable;
use domain::identifiers::VendorId;
use domain::ports::{Clock, FeedError};
use domain::validators::Validators;
use reqwest::Url;
use tracing::debug;

use self::exchange::{Exchange, Fetch, Reply};
use self::failure::Failure;
use self::pages::{ReadPage, Sequence};
use super::{
    Changed, ConditionalSource, DocumentSource, FeedSource, PagedSource, Pages, Transferred,
    retry_pauses,
};
use crate::feed::InvalidOptions;
use crate::options::{HttpOptions, PageOptions};
use crate::page::{PageContent, on_page};
use crate::secrets::Secrets;

/// Options of a feed that the requests depend on.
pub(super) struct RequestOptions {
    pub(super) vendor_id: VendorId,
    pub(super) accept: &'static str,
    pub(super) connect_timeout: Duration,
    pub(super) retries: u32,
    pub(super) max_bytes: u64,
    /// Identifies all settings of the feed.
    pub(super) settings: String,
    /// Whether the reports are full ones.
    pub(super) is_full: bool,
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
        None if options.conditional && request.is_full => FeedSource::Conditional(Box::new(source)),
        None => FeedSource::Document(Box::new(source)),
        Some(pages) => FeedSource::Pages(Box::new(HttpPages { source, pages })),
    };
    Ok((source, secrets))
}

impl HttpSource {
    /// Sends a request, with retries.
    async fn with_retries<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        request: impl FnMut() -> F,
        last_failure: &mut Option<FeedError>,
    ) -> Result<T, FeedError> {
        request
            .retry(retry_pauses(self.retries))
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
        let (url, fetch) = (self.exchange.targets.first(), Fetch::default());
        let get = || (self.exchange).get(url, (0, false), &fetch, self.clock.as_ref());
        let received = self.with_retries(get, last_failure).await?;
        Ok(received.transferred)
    }
}

#[async_trait]
impl ConditionalSource for HttpSource {
    async fn transfer_changed(
        &self,
        known: Option<&Validators>,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Changed, FeedError> {
        let fetch = Fetch::default();
        let get = || (self.exchange).get_changed(known, &fetch, self.clock.as_ref());
        Ok(match self.with_retries(get, last_failure).await? {
            Reply::NotModified(times) => Changed::NotModified(times),
            Reply::Document(received) => {
                Changed::Document(Box::new(received.transferred), received.validators)
            }
        })
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
    last: Option<LastPage>,
}

/// The headers of the last page.
struct LastPage {
    /// Its URL, after redirects.
    url: Url,
    /// The links with the relation `next`.
    links: Vec<String>,
    /// The number of records on all pages.
    total: Option<String>,
}

#[async_trait]
impl Pages for PagesOfReport<'_> {
    async fn next(
        &mut self,
        read: Option<&PageContent>,
        last_failure: &mut Option<FeedError>,
    ) -> Result<Option<Transferred>, FeedError> {
        let next = match (read, &self.last) {
            (Some(content), Some(last)) => {
                let next = self.sequence.after(&ReadPage {
                    content,
                    links: &last.links,
                    total: last.total.as_deref(),
                    url: &last.url,
                });
                next.map_err(|problem| {
                    on_page(self.sequence.pages(), FeedError::Malformed(problem.into()))
                })?
            }
            _ => Some(self.sequence.first()),
        };
        let Some(url) = next else { return Ok(None) };
        let page = self.sequence.pages() + 1;
        let HttpSource {
            exchange, clock, ..
        } = self.source;
        let size = (self.used, true);
        let get = || exchange.get(&url, size, &self.fetch, clock.as_ref());
        let received = self.source.with_retries(get, last_failure).await;
        let received = received.map_err(|error| on_page(page, error))?;
        self.used += received.size;
        self.last = Some(LastPage {
            url: received.url,
            links: received.links,
            total: received.total,
        });
        Ok(Some(received.transferred))
    }
}
