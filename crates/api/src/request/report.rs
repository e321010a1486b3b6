//! Reports that a vendor pushes: documents of any media type, which are streamed to where the vendor's feed reads them.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{
    CONTENT_ENCODING, DATE, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use actix_web::web::Payload;
use domain::evidence::ResponseTimes;
use domain::ports::{DocumentUpload, PushedDocument, UploadError, VendorFeed};
use domain::timestamp::Timestamp;
use futures_util::StreamExt as _;

use super::body::{self, BodyTimeout};
use crate::problem::{Problem, ProblemKind};

/// The properties of a document that the head of its request states.
pub(crate) fn document(request: &HttpRequest) -> Result<PushedDocument, Problem> {
    let headers = request.headers();
    Ok(PushedDocument {
        is_compressed: is_compressed(headers)?,
        times: times(headers),
        announced_bytes: body::declared_bytes(request),
    })
}

/// Receives a document within the timeout of bodies, or within that of the vendor if it is longer.
pub(crate) async fn receive(
    request: &HttpRequest,
    payload: Payload,
    upload: Box<dyn DocumentUpload>,
    vendor_timeout: Duration,
) -> Result<Box<dyn VendorFeed>, Problem> {
    let BodyTimeout(timeout) = request.app_data().copied().unwrap_or_default();
    let timeout = timeout.max(vendor_timeout);
    let written = tokio::time::timeout(timeout, write(payload, upload)).await;
    written.map_err(|_| body::too_slow(timeout))?
}

async fn write(
    mut payload: Payload,
    mut upload: Box<dyn DocumentUpload>,
) -> Result<Box<dyn VendorFeed>, Problem> {
    let mut is_empty = true;
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| Problem::malformed("the body is incomplete"))?;
        is_empty &= piece.is_empty();
        upload.write(&piece).await.map_err(upload_problem)?;
    }
    if is_empty {
        return Err(Problem::malformed(
            "the body is empty; a report is expected",
        ));
    }
    upload.finish().await.map_err(upload_problem)
}

/// The problem of a document that was not received.
pub(crate) fn upload_problem(error: UploadError) -> Problem {
    match error {
        UploadError::TooLarge(problem) => Problem::new(ProblemKind::PayloadTooLarge, problem),
        UploadError::Storage(problem) => {
            tracing::error!(error = %problem, "a pushed report cannot be stored");
            Problem::unavailable("the report cannot be stored; the stock was not changed")
        }
    }
}

/// Whether the document is compressed for the transfer. The names of codings are not case-sensitive (RFC 9110, section 8.4.1).
fn is_compressed(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut is_compressed = false;
    for field in headers.get_all(CONTENT_ENCODING) {
        let field = String::from_utf8_lossy(field.as_bytes());
        for coding in field.split(',').map(str::trim) {
            match coding.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !is_compressed => is_compressed = true,
                _ => {
                    return Err(Problem::new(
                        ProblemKind::UnsupportedMediaType,
                        "the Content-Encoding is not supported; gzip once, or none, is expected",
                    ));
                }
            }
        }
    }
    Ok(is_compressed)
}

/// The times of a request. Its other header fields are about the request and not about the document: `Cache-Control` of a
/// request does not allow anything to be reused.
fn times(headers: &HeaderMap) -> ResponseTimes {
    ResponseTimes {
        last_modified: dates(headers, &LAST_MODIFIED).flatten().min(),
        is_last_modified_unusable: dates(headers, &LAST_MODIFIED).any(|date| date.is_none()),
        date: dates(headers, &DATE).flatten().min(),
        ..ResponseTimes::default()
    }
}

/// The dates of a header field that may be repeated; `None` for each that cannot be read.
fn dates(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<Timestamp>> {
    let parse = |value: &HeaderValue| Timestamp::parse_http_date(value.to_str().ok()?.trim()).ok();
    headers.get_all(name).map(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn gzip_is_recognized_in_any_case_and_other_codings_are_refused() {
        let read = |values: &[&'static str]| {
            let fields = values.iter().map(|value| (CONTENT_ENCODING, *value));
            is_compressed(&headers(&fields.collect::<Vec<_>>()))
        };
        for (values, expected) in [
            (&[][..], false),
            (&["identity"], false),
            (&["GZip"], true),
            (&["x-gzip, identity"], true),
            (&["identity", "gzip"], true),
        ] {
            assert_eq!(read(values), Ok(expected), "{values:?}");
        }
        for value in ["br", "zstd", "deflate", "gzip, gzip", "gzip, br"] {
            let problem = read(&[value]).unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::UnsupportedMediaType, "{value}");
        }
    }

    #[test]
    fn earliest_of_repeated_dates_counts_and_only_dates_do() {
        use actix_web::http::header::{AGE, CACHE_CONTROL, ETAG};
        const EARLIER: &str = "Mon, 23 Nov 2026 12:00:00 GMT";
        const LATER: &str = "Mon, 23 Nov 2026 12:00:01 GMT";
        let earlier = Timestamp::parse_http_date(EARLIER).ok();
        let read = times(&headers(&[
            (DATE, LATER),
            (DATE, EARLIER),
            (LAST_MODIFIED, EARLIER),
            (AGE, "60"),
            (ETAG, "\"a\""),
            (CACHE_CONTROL, "max-age=60"),
        ]));
        let expected = ResponseTimes {
            date: earlier,
            last_modified: earlier,
            ..ResponseTimes::default()
        };
        assert_eq!(read, expected);
        let read = times(&headers(&[(DATE, "now"), (LAST_MODIFIED, "yesterday")]));
        let unusable = ResponseTimes {
            is_last_modified_unusable: true,
            ..ResponseTimes::default()
        };
        assert_eq!(read, unusable);
    }
}
