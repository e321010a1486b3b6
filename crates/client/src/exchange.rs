//! One request and its answer: sent once, read whole within a limit of bytes and of time, and taken for what it is.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{ClientError, quote};
use crate::problem::Document;

/// Largest answer that is read whole. A page of 1,000 orders takes a few hundred kilobytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    /// Sent with each request.
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

impl Exchange {
    /// The URL of a path, given by its segments.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, ClientError> {
        for segment in segments {
            // URLs take these for something else, or leave them out, however they are written.
            if matches!(*segment, "." | "..") || segment.chars().any(char::is_control) {
                let reason = format!("no path can name {segment:?}");
                return Err(ClientError::Unusable(reason));
            }
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| ClientError::unusable("the base URL can have no path"))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// The same with a query.
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

    /// Sends a request, and reads the answer to its end.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        self.send_within(request, self.timeout).await
    }

    pub(crate) async fn send_within(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<Answer, ClientError> {
        let answered = timeout(limit, async { read(begin(request).await?).await });
        answered.await.map_err(ClientError::no_answer)?
    }

    /// Sends a request whose answer is to be streamed as this media type, and returns once it has begun.
    pub(crate) async fn open(
        &self,
        request: RequestBuilder,
        media_type: &'static str,
    ) -> Result<Response, ClientError> {
        let request = request.header(reqwest::header::ACCEPT, media_type);
        let answered = timeout(self.timeout, async {
            let response = begin(request).await?;
            if response.status() == 200 {
                return expect_type(response, media_type);
            }
            let answer = read(response).await?;
            Err(answer.refusal())
        });
        answered.await.map_err(ClientError::no_answer)?
    }
}

async fn begin(request: RequestBuilder) -> Result<Response, ClientError> {
    request.send().await.map_err(of_http)
}

/// What went wrong on the way. Whatever made the request impossible to send never left.
pub(crate) fn of_http(error: reqwest::Error) -> ClientError {
    let error = error.without_url();
    if error.is_builder() {
        return ClientError::unusable(error.to_string());
    }
    ClientError::no_answer(error)
}

fn expect_type(response: Response, media_type: &str) -> Result<Response, ClientError> {
    let content_type = response.headers().get(CONTENT_TYPE);
    let given = content_type.map(HeaderValue::as_bytes).unwrap_or_default();
    if essence(given).eq_ignore_ascii_case(media_type.as_bytes()) {
        return Ok(response);
    }
    let reason = format!("it should be {media_type} and is {}", quote(given));
    Err(ClientError::strange(response.status().as_u16(), reason))
}

/// A media type without its parameters.
fn essence(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|byte| *byte == b';');
    content_type[..end.unwrap_or(content_type.len())].trim_ascii()
}

async fn read(mut response: Response) -> Result<Answer, ClientError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(of_http)? {
        if body.len() + chunk.len() > MAX_BYTES {
            let reason = format!("it has more than {MAX_BYTES} bytes");
            return Err(ClientError::strange(status, reason));
        }
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Refuses any other status than these.
    pub(crate) fn expect(self, statuses: &[u16]) -> Result<Self, ClientError> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        Err(self.refusal())
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.strange(format!("{error} in {}", quote(&self.body))))
    }

    /// A header of plain text.
    pub(crate) fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into())?.to_str().ok()
    }

    pub(crate) fn strange(&self, reason: impl Into<String>) -> ClientError {
        ClientError::strange(self.status, reason)
    }

    /// An answer that is not what was hoped for.
    fn refusal(&self) -> ClientError {
        let content_type = self.headers.get(CONTENT_TYPE);
        let content_type = content_type.map(HeaderValue::as_bytes).unwrap_or_default();
        if self.status < 400 || essence(content_type) != b"application/problem+json" {
            return self.strange(format!("it says {}", quote(&self.body)));
        }
        match self.json::<Document>() {
            Ok(document) => {
                let problem = document.into_problem(self.status, self.retry_after());
                ClientError::Problem(Box::new(problem))
            }
            Err(error) => error,
        }
    }

    /// `Retry-After` in seconds, which is how the service gives it.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER)?;
        Some(Duration::from_secs(seconds.trim().parse().ok()?))
    }
}

/// A body of JSON.
pub(crate) fn with_json(
    request: RequestBuilder,
    body: &impl Serialize,
) -> Result<RequestBuilder, ClientError> {
    let body = serde_json::to_vec(body)
        .map_err(|error| ClientError::unusable(format!("the body cannot be written: {error}")))?;
    let json = HeaderValue::from_static("application/json");
    Ok(request.header(CONTENT_TYPE, json).body(body))
}

/// A header of the request, from what a caller gave.
pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(value)
        .map_err(|_| ClientError::unusable(format!("{name} holds what no header may")))
}
