//! Errors as clients see them: `application/problem+json`, RFC 9457.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use telemetry::request_id::{self, RequestId};
use utoipa::ToSchema;

use crate::contract::schemas;

/// After how many seconds a client may try again when the service is unavailable.
const RETRY_AFTER_S: u64 = 1;

/// What kind of problem: one slug, one status, one page of explanation each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request cannot be parsed.
    MalformedRequest,
    /// The API key is missing or unknown.
    Unauthenticated,
    /// The API key lacks the role.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body takes too long to arrive.
    RequestTimeout,
    /// The order's state machine has no such edge.
    IllegalTransition,
    /// `If-Match` names another version.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The host is not served here.
    MisdirectedRequest,
    /// Well-formed, but not acceptable.
    ValidationFailed,
    /// The idempotency key stands for another request.
    IdempotencyKeyReused,
    /// Too many requests.
    RateLimited,
    /// The vendor's report could not be read.
    VendorUnavailable,
    /// The service cannot do it now.
    Unavailable,
    /// The store did not confirm the outcome.
    OutcomeUnknown,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::MalformedRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::IllegalTransition,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::MisdirectedRequest,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::VendorUnavailable,
        Self::Unavailable,
        Self::OutcomeUnknown,
    ];

    /// Its name in the `type` URI, `/problems/<slug>`.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed-request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::IllegalTransition => "illegal-transition",
            Self::PreconditionFailed => "precondition-failed",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::MisdirectedRequest => "misdirected-request",
            Self::ValidationFailed => "validation-failed",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::RateLimited => "rate-limited",
            Self::VendorUnavailable => "vendor-unavailable",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome-unknown",
        }
    }

    /// What stands in `type`: the address of its page.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("/problems/{}", self.slug())
    }

    /// Its name for people, the same for every occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::MalformedRequest => "The request cannot be read",
            Self::Unauthenticated => "An API key is needed",
            Self::Forbidden => "The API key does not allow this",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "The path does not have this method",
            Self::RequestTimeout => "The body took too long to arrive",
            Self::IllegalTransition => "The order cannot change to this status",
            Self::PreconditionFailed => "The order is in another version",
            Self::PayloadTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body is not declared as JSON",
            Self::MisdirectedRequest => "The host is not served here",
            Self::ValidationFailed => "The request is not acceptable",
            Self::IdempotencyKeyReused => "The idempotency key was used for another request",
            Self::RateLimited => "Too many requests",
            Self::VendorUnavailable => "The vendor's report cannot be read",
            Self::Unavailable => "The service cannot do this now",
            Self::OutcomeUnknown => "The outcome is not known",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::IllegalTransition => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
            Self::ValidationFailed | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::VendorUnavailable => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// One wrong member of a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Which: a JSON pointer (RFC 6901), empty for the document itself.
    pub pointer: String,
    /// What is wrong with it.
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

    /// The same error, of a part of a larger document.
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

/// An answer that says why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    /// `Retry-After`, in seconds.
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem and what it is about this time.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: (kind == ProblemKind::Unavailable).then_some(RETRY_AFTER_S),
        }
    }

    /// The same problem, which a repeated request can only be without after this time, if it is known. It is rounded up to
    /// a second.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, span: Option<Duration>) -> Self {
        let seconds = |span: Duration| span.as_secs() + u64::from(span.subsec_nanos() > 0);
        self.retry_after_s = span.map(seconds).or(self.retry_after_s);
        self
    }

    /// A body that is JSON and not acceptable.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [FieldError { pointer, detail }] if pointer.is_empty() => {
                format!("the body {detail}").into()
            }
            [FieldError { pointer, detail }] => format!("{pointer} {detail}").into(),
            several => format!("{} members of the body are not acceptable", several.len()).into(),
        };
        Self {
            kind: ProblemKind::ValidationFailed,
            detail,
            errors,
            retry_after_s: None,
        }
    }

    /// A request that cannot be parsed.
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::MalformedRequest, detail)
    }

    /// Something that does not exist.
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// A failure that is not the client's.
    pub(crate) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::Unavailable, detail)
    }

    /// Its document, to be rendered.
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

    /// Its kind.
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

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// What kind of problem it is: the address of a page that explains it.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// The kind's name for people.
    title: &'static str,
    /// The HTTP status.
    #[schema(schema_with = schemas::error_status)]
    status: u16,
    /// What is wrong this time.
    detail: &'a str,
    /// Each wrong member of the body; there if and only if the kind is `validation-failed`.
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
