//! One request and its response, bounded in size.

use std::error::Error;

use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, StatusCode, Url};

use crate::excerpt::bounded;
use crate::{retry_after, times};

/// Longest reason of the HTTP library that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;

/// What a vendor answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The times that its header fields state.
    pub(crate) times: ResponseTimes,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

/// Why a request gave no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: FeedError,
    /// Whether the same request may succeed soon.
    pub(crate) is_transient: bool,
}

impl Failure {
    fn lasting(error: FeedError) -> Self {
        Self {
            error,
            is_transient: false,
        }
    }

    fn of_transport(error: reqwest::Error) -> Self {
        // The URL is the vendor's, known from its id; what is worth reading is behind it.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self {
            error: FeedError::Unavailable(bounded(&text, MAX_REASON_CHARS)),
            is_transient: true,
        }
    }

    fn of_status(status: StatusCode, headers: &HeaderMap, clock: &dyn Clock) -> Self {
        let redirects = if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            "; redirects are not followed"
        } else {
            ""
        };
        let reason = format!("the vendor answered {status}{redirects}");
        if let Some(retry_after) = retry_after::demanded(status, headers, clock) {
            // A retry of the same fetch would come too early, and the next fetch knows of the demand.
            return Self::lasting(FeedError::RetryLater {
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

/// Asks once. Reads no more than `max_bytes` of the body.
pub(crate) async fn ask(
    client: &Client,
    url: &Url,
    max_bytes: usize,
    clock: &dyn Clock,
) -> Result<Answer, Failure> {
    let request = client.get(url.clone()).send();
    let response = request.await.map_err(Failure::of_transport)?;
    if response.status() != StatusCode::OK {
        return Err(Failure::of_status(
            response.status(),
            response.headers(),
            clock,
        ));
    }
    times::refuse_page(response.headers())
        .map_err(|problem| Failure::lasting(FeedError::Malformed(problem)))?;
    let times = times::response_times(response.headers());
    let body = read_body(response, max_bytes).await?;
    Ok(Answer { times, body })
}

async fn read_body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let too_large = || {
        let problem = format!("it is larger than {max_bytes} bytes");
        Failure::lasting(FeedError::Malformed(problem))
    };
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |announced| announced > max_bytes) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::of_transport)? {
        if chunk.len() > max_bytes - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
