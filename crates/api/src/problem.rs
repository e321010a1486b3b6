//! Error responses: `application/problem+json`, RFC 9457.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};
use telemetry::request_id::{self, RequestId};
use utoipa::ToSchema;

use crate::openapi::schemas;

/// `Retry-After` of an unavailable service, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// The kind of a problem. Each has a slug, a status and a page that describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ProblemKind {
    /// The request cannot be parsed.
    MalformedRequest,
    /// The API key is missing or unknown.
    Unauthenticated,
    /// The API key lacks the role.
    Forbidden,
    /// The resource does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The order's state machine does not allow the transition.
    IllegalTransition,
    /// `If-Match` does not list the current version.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The host is not allowed.
    MisdirectedRequest,
    /// The body is well-formed but invalid.
    ValidationFailed,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// Too many requests.
    RateLimited,
    /// The vendor's report could not be read.
    VendorUnavailable,
    /// The service is temporarily unavailable.
    Unavailable,
    /// The store did not confirm the outcome.
    OutcomeUnknown,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name in the `type` URI, `/problems/<slug>`.
    #[must_use]
    pub fn slug(self) -> &'static str {
        self.into()
    }

    /// The value of `type`: the path of the page that describes the problem.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("/problems/{}", self.slug())
    }

    /// The human-readable title, the same for every occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.status_and_title().1
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.status_and_title().0
    }

    fn status_and_title(self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedRequest => (StatusCode::BAD_REQUEST, "Malformed request"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "Authentication required"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
            Self::IllegalTransition => (StatusCode::CONFLICT, "Status change not allowed"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "ETag does not match"),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::MisdirectedRequest => (StatusCode::MISDIRECTED_REQUEST, "Host not allowed"),
            Self::ValidationFailed => (StatusCode::UNPROCESSABLE_ENTITY, "Validation failed"),
            Self::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency key reused")
            }
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Self::VendorUnavailable => (StatusCode::BAD_GATEWAY, "Vendor unavailable"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
            Self::OutcomeUnknown => (StatusCode::GATEWAY_TIMEOUT, "Outcome unknown"),
        }
    }
}

/// One invalid member of a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) to the member; empty for the document itself.
    pub pointer: String,
    /// The reason why the member is invalid.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// An error of the document as a whole.
    pub(crate) fn of_document(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            pointer: String::new(),
            detail: detail.into(),
        }
    }

    /// The same error, with its pointer relative to a larger document.
    pub(crate) fn within(self, pointer: &str) -> Self {
        Self {
            pointer: format!("{pointer}{}", self.pointer),
            detail: self.detail,
        }
    }

    /// An error of a member of the top-level object.
    pub(crate) fn of_member(name: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            detail: detail.into(),
        }
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    /// `Retry-After`, in seconds.
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem of a kind, with the detail of this occurrence.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: (kind == ProblemKind::Unavailable).then_some(RETRY_AFTER_S),
        }
    }

    /// Sets `Retry-After`, if the time is known, rounded up to whole seconds.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, span: Option<Duration>) -> Self {
        let seconds = |span: Duration| span.as_secs() + u64::from(span.subsec_nanos() > 0);
        self.retry_after_s = span.map(seconds).or(self.retry_after_s);
        self
    }

    /// A body that is JSON but invalid.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [FieldError { pointer, detail }] if pointer.is_empty() => {
                format!("the body {detail}").into()
            }
            [FieldError { pointer, detail }] => format!("{pointer} {detail}").into(),
            several => format!("{} members of the body are invalid", several.len()).into(),
        };
        Self {
            kind: ProblemKind::ValidationFailed,
            detail,
            errors,
            retry_after_s: None,
        }
    }

    /// A document that is not acceptable, with the places of its errors.
    pub(crate) fn invalid_document(
        detail: impl Into<Cow<'static, str>>,
        errors: Vec<FieldError>,
    ) -> Self {
        Self {
            errors,
            ..Self::new(ProblemKind::ValidationFailed, detail)
        }
    }

    /// A request that cannot be parsed.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::MalformedRequest, detail)
    }

    /// A resource that does not exist.
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// A failure that the client did not cause.
    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::Unavailable, detail)
    }

    /// The document to render.
    pub(crate) fn document(&self) -> Document<'_> {
        Document {
            r#type: self.kind.type_uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            errors: (self.kind == ProblemKind::ValidationFailed).then_some(&self.errors),
            request_id: None,
        }
    }

    /// The kind of the problem.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.detail)
    }
}

/// The reason why a request was rejected (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// The kind of the problem: the path of a page that describes it.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// The human-readable title of the kind.
    title: &'static str,
    /// The HTTP status.
    #[schema(schema_with = schemas::error_status)]
    status: u16,
    /// The detail of this occurrence.
    detail: &'a str,
    /// The invalid members of the body. Present if and only if the kind is `validation-failed`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FieldError]>,
    /// The id of the request, as in `X-Request-Id` and in the service's log.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.status());
        response
            .content_type("application/problem+json")
            .insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        let request_id = request_id::current();
        response.json(Document {
            request_id: request_id.as_ref().map(RequestId::as_str),
            ..self.document()
        })
    }
}
