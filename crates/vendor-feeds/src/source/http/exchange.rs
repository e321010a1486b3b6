//! One HTTP request, and its response with a bounded size.

use std::error::Error;
use std::io;

use domain::ports::{Clock, FeedError};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};

use super::{retry_after, times};
use crate::decode::{Limit, Spool, SpoolWriter};
use crate::excerpt::excerpt;
use crate::source::{Transferred, storage_failure};

/// Maximum length of an error message of the HTTP library that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;

/// Why a request failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: FeedError,
    /// Whether a retry may succeed.
    pub(super) is_transient: bool,
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
        let detail = match status {
            StatusCode::ACCEPTED => "; the report is not ready",
            StatusCode::NO_CONTENT => "; there is no report",
            StatusCode::PARTIAL_CONTENT => "; a part of the report, which was not requested",
            StatusCode::NOT_MODIFIED => ", but the request has no condition",
            status if status.is_redirection() => "; redirects are not followed",
            status if status.is_success() => "; only 200 has a report",
            _ => "",
        };
        let reason = format!("the vendor responded with {status}{detail}");
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
pub(super) async fn send(
    client: &Client,
    url: &Url,
    max_bytes: u64,
    clock: &dyn Clock,
) -> Result<Transferred, Failure> {
    let request = client.get(url.clone()).send();
    let response = request.await.map_err(Failure::from_transport)?;
    if response.status() != StatusCode::OK {
        return Err(Failure::from_status(
            response.status(),
            response.headers(),
            clock,
        ));
    }
    let malformed = |problem| Failure::permanent(FeedError::Malformed(problem));
    times::reject_partial(response.headers()).map_err(malformed)?;
    let is_compressed = is_compressed(response.headers()).map_err(malformed)?;
    let times = times::response_times(response.headers());
    let bytes = read_body(response, max_bytes).await?;
    Ok(Transferred {
        bytes,
        is_compressed,
        times,
    })
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

async fn read_body(mut response: Response, max_bytes: u64) -> Result<Spool, Failure> {
    let limit = Limit::Transferred(max_bytes);
    let failure = |error: io::Error| Failure::permanent(storage_failure(&error));
    if response.content_length().unwrap_or(0) > max_bytes {
        return Err(failure(limit.exceeded()));
    }
    let mut writer = SpoolWriter::new(limit);
    while let Some(chunk) = response.chunk().await.map_err(Failure::from_transport)? {
        writer.write(&chunk).await.map_err(failure)?;
    }
    writer.finish().await.map_err(failure)
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
