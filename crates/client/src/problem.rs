//! Problems (RFC 9457) as the service answers them.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// An answer that says why not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}: {detail}")]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// The status of the answer, or within a batch of the item.
    pub status: u16,
    /// The kind in words, the same each time.
    pub title: String,
    /// What it is about this time.
    pub detail: String,
    /// What is wrong with the body, member by member; empty for other kinds than
    /// [`ValidationFailed`](ProblemKind::ValidationFailed).
    pub errors: Vec<FieldError>,
    /// After how long one may come again.
    pub retry_after: Option<Duration>,
}

/// One wrong member of a body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FieldError {
    /// Which: a JSON pointer (RFC 6901), empty for the body itself.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What kind of problem: the slug at the end of its `type`. `GET` of that path explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// The body took too long to arrive.
    RequestTimeout,
    /// The order's state machine has no such edge.
    IllegalTransition,
    /// `If-Match` names another version.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// Without API keys, the request names a host that is not served.
    MisdirectedRequest,
    /// Well-formed, but not acceptable: see [`Problem::errors`].
    ValidationFailed,
    /// The `Idempotency-Key` stands for another request.
    IdempotencyKeyReused,
    /// Too many requests: see [`Problem::retry_after`].
    RateLimited,
    /// The vendor's report could not be read.
    VendorUnavailable,
    /// The service cannot do it now, and nothing was recorded.
    Unavailable,
    /// The store did not confirm the outcome: what was asked for may have happened. An order is repeated with its
    /// `Idempotency-Key` only.
    OutcomeUnknown,
    /// One that this client does not know, by its slug or its whole `type`.
    Other(String),
}

const SLUGS: [(&str, ProblemKind); 17] = [
    ("malformed-request", ProblemKind::MalformedRequest),
    ("unauthenticated", ProblemKind::Unauthenticated),
    ("forbidden", ProblemKind::Forbidden),
    ("not-found", ProblemKind::NotFound),
    ("method-not-allowed", ProblemKind::MethodNotAllowed),
    ("request-timeout", ProblemKind::RequestTimeout),
    ("illegal-transition", ProblemKind::IllegalTransition),
    ("precondition-failed", ProblemKind::PreconditionFailed),
    ("payload-too-large", ProblemKind::PayloadTooLarge),
    ("unsupported-media-type", ProblemKind::UnsupportedMediaType),
    ("misdirected-request", ProblemKind::MisdirectedRequest),
    ("validation-failed", ProblemKind::ValidationFailed),
    ("idempotency-key-reused", ProblemKind::IdempotencyKeyReused),
    ("rate-limited", ProblemKind::RateLimited),
    ("vendor-unavailable", ProblemKind::VendorUnavailable),
    ("unavailable", ProblemKind::Unavailable),
    ("outcome-unknown", ProblemKind::OutcomeUnknown),
];

impl ProblemKind {
    /// The slug.
    #[must_use]
    pub fn slug(&self) -> &str {
        if let Self::Other(slug) = self {
            return slug;
        }
        let mut known = SLUGS.iter();
        known
            .find(|(_, kind)| kind == self)
            .map_or("about:blank", |(slug, _)| slug)
    }

    fn of_type(uri: &str) -> Self {
        let slug = uri.strip_prefix("/problems/").unwrap_or(uri);
        let mut known = SLUGS.iter();
        known
            .find(|(known, _)| *known == slug)
            .map_or_else(|| Self::Other(slug.to_owned()), |(_, kind)| kind.clone())
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// A problem as it is written. RFC 9457 lets every member be absent.
#[derive(Deserialize)]
pub(crate) struct Document {
    #[serde(default = "untyped")]
    r#type: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

/// What an absent `type` stands for.
fn untyped() -> String {
    "about:blank".to_owned()
}

impl Document {
    pub(crate) fn into_problem(self, status: u16, retry_after: Option<Duration>) -> Problem {
        Problem {
            kind: ProblemKind::of_type(&self.r#type),
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
    fn every_slug_is_read_and_written() {
        for (slug, kind) in SLUGS {
            assert_eq!(ProblemKind::of_type(&format!("/problems/{slug}")), kind);
            assert_eq!(kind.slug(), slug);
        }
        let other = ProblemKind::of_type("https://example.org/out-of-stock");
        assert_eq!(other.slug(), "https://example.org/out-of-stock");
    }

    #[test]
    fn a_problem_may_say_nothing() {
        let document: Document = serde_json::from_str("{}").unwrap();
        let problem = document.into_problem(500, None);
        assert_eq!(problem.kind, ProblemKind::Other("about:blank".to_owned()));
    }
}
