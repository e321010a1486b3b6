//! Sends one request, reads its response within limits of size and time, and turns error responses into a [`ClientError`].

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{ClientError, quote};
use crate::problem::Document;

/// Maximum size of a response body that is buffered. A page of 1,000 orders has a few hundred kilobytes.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The HTTP client with the options of all its requests.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    /// Sent with each request.
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

impl Transport {
    /// Returns the URL of a path, given by its segments.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, ClientError> {
        for segment in segments {
            // URL parsers resolve dot segments, even percent-encoded ones, and remove some control characters.
            if matches!(*segment, "." | "..") || segment.chars().any(char::is_control) {
                let reason = format!("{segment:?} cannot be a path segment");
                return Err(ClientError::InvalidRequest(reason));
            }
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| ClientError::unusable("the base URL cannot have a path"))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// Returns the URL of a path with a query.
    pub(crate) fn url_with(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<Url, ClientError> {
        let mut url = self.url(segments)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    pub(crate) fn patch(&self, url: Url) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        request.headers(self.headers.clone())
    }

    /// Sends a request whose response must be 200 with a JSON body.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        self.send(request).await?.expect(&[200])?.json()
    }

    /// Sends a request and reads the complete response.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
    ) -> Result<BufferedResponse, ClientError> {
        self.send_with_timeout(request, self.timeout).await
    }

    pub(crate) async fn send_with_timeout(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<BufferedResponse, ClientError> {
        let response = timeout(limit, async { read(start(request).await?).await });
        response.await.map_err(ClientError::no_response)?
    }

    /// Sends a request for a streamed response of this media type and returns once the response head has arrived.
    pub(crate) async fn open(
        &self,
        request: RequestBuilder,
        media_type: &'static str,
    ) -> Result<Response, ClientError> {
        let request = request.header(reqwest::header::ACCEPT, media_type);
        let response = timeout(self.timeout, async {
            let response = start(request).await?;
            if response.status() == 200 {
                return expect_type(response, media_type);
            }
            Err(read(response).await?.to_error())
        });
        response.await.map_err(ClientError::no_response)?
    }
}

async fn start(request: RequestBuilder) -> Result<Response, ClientError> {
    request.send().await.map_err(from_http)
}

/// Converts an error of the HTTP client. A request that could not be built was not sent.
pub(crate) fn from_http(error: reqwest::Error) -> ClientError {
    let error = error.without_url();
    if error.is_builder() {
        return ClientError::unusable(error.to_string());
    }
    ClientError::no_response(error)
}

fn expect_type(response: Response, media_type: &str) -> Result<Response, ClientError> {
    let given = content_type(response.headers());
    if essence(given).eq_ignore_ascii_case(media_type.as_bytes()) {
        return Ok(response);
    }
    let reason = format!("expected {media_type}, got {}", quote(given));
    Err(ClientError::unexpected(response.status().as_u16(), reason))
}

fn content_type(headers: &HeaderMap) -> &[u8] {
    let content_type = headers.get(CONTENT_TYPE);
    content_type.map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Returns the media type of a `Content-Type`, without its parameters.
fn essence(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|byte| *byte == b';');
    content_type[..end.unwrap_or(content_type.len())].trim_ascii()
}

async fn read(mut response: Response) -> Result<BufferedResponse, ClientError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(from_http)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            let reason = format!("the body has more than {MAX_BODY_BYTES} bytes");
            return Err(ClientError::unexpected(status, reason));
        }
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(BufferedResponse {
        status,
        headers,
        body,
    })
}

/// A complete response.
pub(crate) struct BufferedResponse {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl BufferedResponse {
    /// Returns an error unless the response has one of these statuses.
    pub(crate) fn expect(self, statuses: &[u16]) -> Result<Self, ClientError> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        Err(self.to_error())
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.unexpected(format!("{error} in {}", quote(&self.body))))
    }

    /// Returns the value of a header if it is visible ASCII.
    pub(crate) fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into())?.to_str().ok()
    }

    pub(crate) fn unexpected(&self, reason: impl Into<String>) -> ClientError {
        ClientError::unexpected(self.status, reason)
    }

    /// Returns the error of a response that has not an expected status.
    fn to_error(&self) -> ClientError {
        let media_type = essence(content_type(&self.headers));
        if self.status < 400 || media_type != b"application/problem+json" {
            return self.unexpected(format!("the body is {}", quote(&self.body)));
        }
        match self.json::<Document>() {
            Ok(document) => {
                let problem = document.into_problem(self.status, self.retry_after());
                ClientError::Problem(Box::new(problem))
            }
            Err(error) => error,
        }
    }

    /// Returns `Retry-After`; the service sends it in seconds.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER)?;
        Some(Duration::from_secs(seconds.trim().parse().ok()?))
    }
}

/// Sets a JSON body.
pub(crate) fn with_json(
    request: RequestBuilder,
    body: &impl Serialize,
) -> Result<RequestBuilder, ClientError> {
    let body = serde_json::to_vec(body).map_err(|error| {
        ClientError::unusable(format!("the body cannot be serialized: {error}"))
    })?;
    let json = HeaderValue::from_static("application/json");
    Ok(request.header(CONTENT_TYPE, json).body(body))
}

/// Returns a header value for a string given by the caller.
pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(value).map_err(|_| {
        ClientError::unusable(format!(
            "{name} contains characters that a header cannot have"
        ))
    })
}
