//! Problem details (RFC 9457) of error responses.

use std::time::Duration;

use serde::Deserialize;
use strum::{AsRefStr, Display, EnumString};
use thiserror::Error;

/// Problem details of an error response.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}: {detail}")]
#[non_exhaustive]
pub struct Problem {
    /// Kind of the problem.
    pub kind: ProblemKind,
    /// HTTP status of the response, or of the item in a batch.
    pub status: u16,
    /// Summary of the kind; the same for each problem of a kind.
    pub title: String,
    /// Explanation of this occurrence.
    pub detail: String,
    /// Invalid members of the body; empty unless the kind is [`ValidationFailed`](ProblemKind::ValidationFailed).
    pub errors: Vec<FieldError>,
    /// Delay after which the request can be repeated.
    pub retry_after: Option<Duration>,
}

/// An invalid member of a body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the member; empty for the body itself.
    pub pointer: String,
    /// Reason why the member is invalid.
    pub detail: String,
}

/// Kind of a problem: the slug at the end of its `type`. `GET` of that path returns a page that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Display, AsRefStr, EnumString)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// The request cannot be parsed.
    MalformedRequest,
    /// The API key is missing or unknown.
    Unauthenticated,
    /// The API key lacks the role.
    Forbidden,
    /// The order, product, vendor or path does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The order's state machine does not have this transition.
    IllegalTransition,
    /// `If-Match` does not match the current entity tag.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// No API keys are configured, and `Host` is not an allowed host.
    MisdirectedRequest,
    /// The body is well-formed but invalid: see [`Problem::errors`].
    ValidationFailed,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// Too many requests: see [`Problem::retry_after`].
    RateLimited,
    /// The vendor's report could not be read.
    VendorUnavailable,
    /// The service is temporarily unavailable; nothing was recorded.
    Unavailable,
    /// The store did not confirm the outcome: the request may have been executed. Repeat an order only with its
    /// `Idempotency-Key`.
    OutcomeUnknown,
    /// A kind that is unknown to this version, with its slug or its whole `type`.
    #[strum(default, transparent)]
    Other(String),
}

impl ProblemKind {
    /// Returns the slug.
    #[must_use]
    pub fn slug(&self) -> &str {
        self.as_ref()
    }

    fn from_type(uri: &str) -> Self {
        uri.strip_prefix("/problems/").unwrap_or(uri).into()
    }
}

/// A problem document. All its members are optional (RFC 9457).
#[derive(Deserialize)]
pub(crate) struct Document {
    #[serde(default = "default_type")]
    r#type: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

/// Returns the `type` of a document without one.
fn default_type() -> String {
    "about:blank".to_owned()
}

impl Document {
    pub(crate) fn into_problem(self, status: u16, retry_after: Option<Duration>) -> Problem {
        Problem {
            kind: ProblemKind::from_type(&self.r#type),
            status,
            title: self.title,
            detail: self.detail,
            errors: self.errors,
            retry_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_round_trips() {
        let slugs = "malformed-request unauthenticated forbidden not-found method-not-allowed request-timeout \
                     illegal-transition precondition-failed payload-too-large unsupported-media-type \
                     misdirected-request validation-failed idempotency-key-reused rate-limited \
                     vendor-unavailable unavailable outcome-unknown";
        for slug in slugs.split(' ') {
            let kind = ProblemKind::from_type(&format!("/problems/{slug}"));
            assert!(!matches!(kind, ProblemKind::Other(_)), "{slug}");
            assert_eq!(kind.slug(), slug);
        }
        let uri = "https://example.org/out-of-stock";
        let other = ProblemKind::from_type(uri);
        assert_eq!(other.slug(), uri);
        assert_eq!(other.to_string(), uri);
    }

    #[test]
    fn problem_without_members_is_parsed() {
        let document: Document = serde_json::from_str("{}").unwrap();
        let problem = document.into_problem(500, None);
        assert_eq!(problem.kind, ProblemKind::Other("about:blank".to_owned()));
    }
}
