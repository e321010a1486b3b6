//! One HTTP request, and its response with a bounded size.

use std::error::Error;

use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, StatusCode, Url};

use crate::{retry_after, times};

/// Maximum length of an error message of the HTTP library that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;

/// A successful response of a vendor.
#[derive(Debug)]
pub(crate) struct VendorResponse {
    /// The times in the header fields.
    pub(crate) times: ResponseTimes,
    /// The complete body.
    pub(crate) body: Vec<u8>,
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: FeedError,
    /// Whether a retry may succeed.
    pub(crate) is_transient: bool,
}

impl Failure {
    fn permanent(error: FeedError) -> Self {
        Self {
            error,
            is_transient: false,
        }
    }

    fn from_transport(error: reqwest::Error) -> Self {
        // The vendor id identifies the URL; the causes are more useful.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self {
            error: FeedError::Unavailable(log_text::excerpt(&text, MAX_REASON_CHARS)),
            is_transient: true,
        }
    }

    fn from_status(status: StatusCode, headers: &HeaderMap, clock: &dyn Clock) -> Self {
        let redirects = if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            "; redirects are not followed"
        } else {
            ""
        };
        let reason = format!("the vendor responded with {status}{redirects}");
        if let Some(retry_after) = retry_after::parse(status, headers, clock) {
            // A retry in the same fetch would be too early; the delay is recorded for the next fetch.
            return Self::permanent(FeedError::RetryLater {
                reason,
                retry_after,
            });
        }
        Self {
            error: FeedError::Unavailable(reason),
            is_transient: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Sends one request. Reads at most `max_bytes` of the body.
pub(crate) async fn send(
    client: &Client,
    url: &Url,
    max_bytes: usize,
    clock: &dyn Clock,
) -> Result<VendorResponse, Failure> {
    let request = client.get(url.clone()).send();
    let response = request.await.map_err(Failure::from_transport)?;
    if response.status() != StatusCode::OK {
        return Err(Failure::from_status(
            response.status(),
            response.headers(),
            clock,
        ));
    }
    times::reject_partial(response.headers())
        .map_err(|problem| Failure::permanent(FeedError::Malformed(problem)))?;
    let times = times::response_times(response.headers());
    let body = read_body(response, max_bytes).await?;
    Ok(VendorResponse { times, body })
}

async fn read_body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let too_large = || {
        let problem = format!("the report is larger than {max_bytes} bytes");
        Failure::permanent(FeedError::Malformed(problem))
    };
    let length = response.content_length().unwrap_or(0);
    if usize::try_from(length).map_or(true, |length| length > max_bytes) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::from_transport)? {
        if chunk.len() > max_bytes - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
