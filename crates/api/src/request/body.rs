//! Request bodies: declared as JSON, of bounded size, and received in bounded time.

use std::str::FromStr;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpMessage, HttpRequest};
use serde_json::json;

use super::json::Members;
use crate::openapi::{Body, schemas};
use crate::problem::{Problem, ProblemKind};

/// Maximum size of a body, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Maximum size of the body of a batch, in bytes.
pub(crate) const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Maximum time from the head of a request to the end of its body. Body and handler are held in memory during that time, so
/// it must not depend on the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyTimeout(pub(crate) Duration);

impl Default for BodyTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// Reads a body that is declared as JSON, without parsing it.
pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    read_at_most(MAX_BYTES, request, payload).await
}

/// Like `read`, with another maximum size.
pub(crate) async fn read_at_most(
    max_bytes: usize,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Bytes, Problem> {
    let body = read_any(max_bytes, request, payload).await?;
    body.ok_or_else(|| Problem::malformed("the body is empty; a JSON object is expected"))
}

/// Reads a body that may be absent and is declared as JSON otherwise, without parsing it.
pub(crate) async fn read_optional(
    request: &HttpRequest,
    payload: Payload,
) -> Result<Option<Bytes>, Problem> {
    read_any(MAX_BYTES, request, payload).await
}

/// Reads the body of a request that needs none. An empty JSON object is accepted too, for clients that cannot send an empty
/// body.
pub(crate) async fn read_none(request: &HttpRequest, payload: Payload) -> Result<(), Problem> {
    let Some(body) = read_optional(request, payload).await? else {
        return Ok(());
    };
    let mut errors = Vec::new();
    Members::parse(&body)?.refuse_rest(&mut errors);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(errors))
    }
}

/// The contract of the body of a request that needs none.
pub(crate) fn contract_of_none() -> Body {
    let nothing = schemas::closed_object().max_properties(Some(0));
    Body {
        description: "No body, or an empty object.",
        required: false,
        schema: "EmptyBody",
        example: json!({}),
        schemas: [("EmptyBody".to_owned(), nothing.into())].into(),
    }
}

async fn read_any(
    max_bytes: usize,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Option<Bytes>, Problem> {
    let is_declared = is_declared_as_json(request)?;
    if declared_bytes(request).is_some_and(|bytes: usize| bytes > max_bytes) {
        return Err(too_large(max_bytes));
    }
    let BodyTimeout(timeout) = request.app_data().copied().unwrap_or_default();
    let read = tokio::time::timeout(timeout, payload.to_bytes_limited(max_bytes))
        .await
        .map_err(|_| too_slow(timeout))?;
    let bytes = read
        .map_err(|_| too_large(max_bytes))?
        .map_err(|_| Problem::malformed("the body is incomplete"))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_declared {
        return Err(unsupported(
            "the Content-Type is missing; application/json is expected",
        ));
    }
    Ok(Some(bytes))
}

/// Whether the body is declared as JSON. A missing declaration is not an error here, because there may be no body.
fn is_declared_as_json(request: &HttpRequest) -> Result<bool, Problem> {
    let is_encoded = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_encoded {
        return Err(unsupported("Content-Encoding is not supported"));
    }
    match request.headers().get_all(header::CONTENT_TYPE).count() {
        0 => return Ok(false),
        1 => {}
        _ => return Err(unsupported("the Content-Type is repeated")),
    }
    let Ok(Some(media_type)) = request.mime_type() else {
        return Err(unsupported("the Content-Type is malformed"));
    };
    let is_json = media_type.type_() == "application"
        && (media_type.subtype() == "json"
            || media_type.suffix().is_some_and(|suffix| suffix == "json"));
    if !is_json {
        return Err(unsupported("the Content-Type is not application/json"));
    }
    let is_utf8 = media_type
        .get_param("charset")
        .is_none_or(|charset| charset.as_str().eq_ignore_ascii_case("utf-8"));
    if !is_utf8 {
        return Err(unsupported("the charset is not utf-8"));
    }
    Ok(true)
}

pub(super) fn declared_bytes<N: FromStr>(request: &HttpRequest) -> Option<N> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(
        ProblemKind::PayloadTooLarge,
        format!("the body is larger than {max_bytes} bytes"),
    )
}

pub(super) fn too_slow(timeout: Duration) -> Problem {
    Problem::new(
        ProblemKind::RequestTimeout,
        format!("the body did not arrive within {} ms", timeout.as_millis()),
    )
}

fn unsupported(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::UnsupportedMediaType, detail)
}
