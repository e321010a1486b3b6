//! One request for a report or a page of it: redirects, credentials, and a response with a bounded size.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::evidence::ResponseTimes;
use domain::ports::Clock;
use domain::validators::Validators;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderName, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};

use super::auth::Credentials;
use super::conditions::{Conditions, is_of_another_version};
use super::failure::Failure;
use super::link::next_links;
use super::targets::{Step, Targets, shown_host};
use super::times;
use crate::decode::{Limit, Spool, SpoolWriter};
use crate::excerpt::excerpt;
use crate::source::{Transferred, storage_failure};

/// Maximum number of redirects of one request.
const MAX_REDIRECTS: u32 = 5;

/// Sends the requests of one source.
pub(super) struct Exchange {
    pub(super) client: Client,
    pub(super) targets: Targets,
    pub(super) credentials: Option<Credentials>,
    /// Headers that each host receives.
    pub(super) headers: HeaderMap,
    /// Headers that only the host of the settings' URL receives.
    pub(super) secret_headers: HeaderMap,
    pub(super) conditions: Conditions,
    /// The header with the number of records on all pages.
    pub(super) total_header: Option<HeaderName>,
    pub(super) max_bytes: u64,
}

/// A response that has a report, or a page of it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) transferred: Transferred,
    /// The size of the body as it was transferred, in bytes.
    pub(super) size: u64,
    /// The URL after redirects.
    pub(super) url: Url,
    /// The links with the relation `next`.
    pub(super) links: Vec<String>,
    /// The number of records on all pages, as a header states it.
    pub(super) total: Option<String>,
    /// The validators of the response, if they are reliable.
    pub(super) validators: Option<Validators>,
}

/// The response to a request with a condition.
#[derive(Debug)]
pub(super) enum Reply {
    Document(Box<Received>),
    NotModified(ResponseTimes),
}

/// The state of one fetch.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    /// Whether the token was renewed.
    has_renewed: AtomicBool,
}

impl Exchange {
    /// Requests a URL, of which `used` bytes of the report's limit are used already. A page may be `partial`: it may refer
    /// to others.
    pub(super) async fn get(
        &self,
        url: &Url,
        (used, may_be_partial): (u64, bool),
        fetch: &Fetch,
        clock: &dyn Clock,
    ) -> Result<Received, Failure> {
        let (response, url) = self.follow(url, None, fetch, clock).await?;
        self.receive(response, url, (used, may_be_partial), clock)
            .await
    }

    /// Requests the document at the URL of the settings, with the condition that it is not the one with the validators
    /// `known`, if there are any.
    pub(super) async fn get_changed(
        &self,
        known: Option<&Validators>,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) -> Result<Reply, Failure> {
        let first = self.targets.first();
        let known = known.filter(|known| self.conditions.are_useful(known));
        let (mut response, mut url) = self.follow(first, known, fetch, clock).await?;
        let is_met = response.status() == StatusCode::NOT_MODIFIED;
        let known = known.filter(|known| is_met && self.conditions.headers(known, &url).is_some());
        if let Some(known) = known {
            if !is_of_another_version(known, response.headers()) {
                let times = times::response_times(response.headers());
                return Ok(Reply::NotModified(times));
            }
            self.conditions
                .on_another_version(known, response.headers());
            (response, url) = self.follow(first, None, fetch, clock).await?;
        }
        let received = self.receive(response, url, (0, false), clock).await?;
        Ok(Reply::Document(Box::new(received)))
    }

    /// Reads the document of a response.
    async fn receive(
        &self,
        response: Response,
        url: Url,
        (used, may_be_partial): (u64, bool),
        clock: &dyn Clock,
    ) -> Result<Received, Failure> {
        if response.status() != StatusCode::OK {
            let hint = self.hint(response.status(), &url);
            let response = (response.status(), response.headers());
            return Err(Failure::from_status(response, clock, "the vendor", &hint));
        }
        let headers = response.headers();
        if !may_be_partial {
            times::reject_partial(headers).map_err(Failure::malformed)?;
        }
        let is_compressed = is_compressed(headers).map_err(Failure::malformed)?;
        let times = times::response_times(headers);
        let links = next_links(headers).map_err(Failure::malformed)?;
        let total = self.total_header.as_ref();
        let total = total.and_then(|name| times::joined(headers, name));
        let validators = self.conditions.validators(&url, headers);
        let (bytes, size) = self.read_body(response, used).await?;
        Ok(Received {
            transferred: Transferred {
                bytes,
                file: None,
                is_compressed,
                times,
            },
            size,
            url,
            links,
            total,
            validators,
        })
    }

    /// The first response that is not a redirect, and its URL.
    async fn follow(
        &self,
        url: &Url,
        known: Option<&Validators>,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) -> Result<(Response, Url), Failure> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, known, fetch, clock).await?;
            let Some(location) = location(&response) else {
                return Ok((response, url));
            };
            let target = self.targets.follow(&url, &location, Step::Redirect);
            url = target.map_err(Failure::unavailable)?;
        }
        Err(Failure::unavailable(format!(
            "more than {MAX_REDIRECTS} redirects, the last to the host {} (source.url should be where they lead)",
            shown_host(&url)
        )))
    }

    /// Sends a request; again with a new token, once in a fetch, if the token is no longer valid.
    async fn send(
        &self,
        url: &Url,
        known: Option<&Validators>,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) -> Result<Response, Failure> {
        loop {
            let (response, sent) = self.send_once(url, known, clock).await?;
            let credentials = self.credentials.as_ref().filter(|_| {
                response.status() == StatusCode::UNAUTHORIZED && self.targets.is_first_origin(url)
            });
            let Some(credentials) = credentials else {
                return Ok(response);
            };
            if !credentials.discard(&sent).await || fetch.has_renewed.swap(true, Ordering::Relaxed)
            {
                return Ok(response);
            }
        }
    }

    /// Sends a request; returns also its headers.
    async fn send_once(
        &self,
        url: &Url,
        known: Option<&Validators>,
        clock: &dyn Clock,
    ) -> Result<(Response, HeaderMap), Failure> {
        let (mut url, mut headers) = (url.clone(), self.headers.clone());
        let condition = known.and_then(|known| self.conditions.headers(known, &url));
        headers.extend(condition.unwrap_or_default());
        let checked = self.targets.check_address(&url);
        checked.map_err(Failure::unavailable)?;
        if self.targets.is_first_origin(&url) {
            headers.extend(self.secret_headers.clone());
            if let Some(credentials) = &self.credentials {
                let client = &self.client;
                credentials
                    .add_to(&mut url, &mut headers, client, clock)
                    .await?;
            }
        }
        let request = self.client.get(url).headers(headers.clone());
        let response = request.send().await.map_err(Failure::from_transport)?;
        Ok((response, headers))
    }

    /// Returns a hint to add to the error if credentials are missing because of a redirect.
    fn hint(&self, status: StatusCode, url: &Url) -> String {
        let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !is_refused || self.credentials.is_none() || self.targets.is_first_origin(url) {
            return String::new();
        }
        let (scheme, host) = (url.scheme(), shown_host(url));
        format!(
            "; {scheme}://{host} got no credentials: only the scheme, host and port of source.url do"
        )
    }

    /// Reads a body into a spool; returns also its size in bytes.
    async fn read_body(&self, mut response: Response, used: u64) -> Result<(Spool, u64), Failure> {
        let limit = Limit::Transferred(self.max_bytes);
        let failure = |error: io::Error| Failure::permanent(storage_failure(&error));
        let left = self.max_bytes.saturating_sub(used);
        if response.content_length().unwrap_or(0) > left {
            return Err(failure(limit.exceeded()));
        }
        let mut writer = SpoolWriter::new(limit).after(used);
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(Failure::from_transport)? {
            size += chunk.len() as u64;
            writer.write(&chunk).await.map_err(failure)?;
        }
        let spool = writer.finish().await.map_err(failure)?;
        Ok((spool, size))
    }
}

/// Where a response redirects to, if it does.
fn location(response: &Response) -> Option<String> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Whether the body is compressed for the transfer. Another coding than gzip is an error. The names are not case-sensitive
/// (RFC 9110, section 8.4.1).
fn is_compressed(headers: &HeaderMap) -> Result<bool, String> {
    let mut is_compressed = false;
    for field in headers.get_all(CONTENT_ENCODING) {
        let field = String::from_utf8_lossy(field.as_bytes());
        for coding in field.split(',').map(str::trim) {
            match coding.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !is_compressed => is_compressed = true,
                _ => {
                    let shown = excerpt(&field);
                    return Err(format!(
                        "the response has the Content-Encoding {shown}, which was not requested and is not supported (gzip is)"
                    ));
                }
            }
        }
    }
    Ok(is_compressed)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_recognized_in_any_case_and_other_codings_are_refused() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            is_compressed(&headers)
        };
        for (values, expected) in [
            (&[][..], false),
            (&["identity"], false),
            (&["gzip"], true),
            (&["GZip"], true),
            (&["X-GZIP"], true),
            (&["identity, gzip"], true),
            (&["identity", "gzip"], true),
        ] {
            assert_eq!(read(values), Ok(expected), "{values:?}");
        }
        for coding in [
            "br",
            "zstd",
            "deflate",
            "compress",
            "gzip, gzip",
            "gzip, br",
        ] {
            assert_eq!(
                read(&[coding]).unwrap_err(),
                format!(
                    "the response has the Content-Encoding {coding}, which was not requested and is not supported (gzip is)"
                )
            );
        }
    }
}
