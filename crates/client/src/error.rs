//! Errors of requests.

use std::error::Error;
use std::time::Duration;

use thiserror::Error;

use crate::problem::{Problem, ProblemKind};

/// Maximum number of characters of a response that an error quotes.
const MAX_QUOTED_CHARS: usize = 200;

/// The reason why a request did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The arguments do not make a valid request; nothing was sent.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// The service responded with a problem (RFC 9457).
    #[error(transparent)]
    Problem(Box<Problem>),
    /// No response arrived, or only a part of it. The request may have been executed.
    #[error("no complete response")]
    NoResponse(#[source] Box<dyn Error + Send + Sync>),
    /// The response does not follow this API: it is from another server, a proxy or a newer version of the service.
    #[error("unexpected response (status {status}): {reason}")]
    UnexpectedResponse {
        /// HTTP status of the response.
        status: u16,
        /// Difference from the contract.
        reason: String,
    },
}

impl ClientError {
    pub(crate) fn unusable(reason: impl Into<String>) -> Self {
        Self::InvalidRequest(reason.into())
    }

    pub(crate) fn no_response(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::NoResponse(cause.into())
    }

    pub(crate) fn unexpected(status: u16, reason: impl Into<String>) -> Self {
        Self::UnexpectedResponse {
            status,
            reason: reason.into(),
        }
    }

    /// Returns the problem, if the service responded with one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Returns the kind of the problem, if the service responded with one.
    #[must_use]
    pub fn kind(&self) -> Option<&ProblemKind> {
        self.problem().map(|problem| &problem.kind)
    }

    /// Returns the HTTP status of the response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::UnexpectedResponse { status, .. } => Some(*status),
            Self::InvalidRequest(_) | Self::NoResponse(_) => None,
        }
    }

    /// Returns the delay of the response's `Retry-After`, if it has one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.problem()?.retry_after
    }

    /// Returns whether the request may have been executed although it failed. An order without an `Idempotency-Key` must not
    /// be placed again then: it could exist twice.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::NoResponse(_) => true,
            Self::Problem(problem) => problem.kind == ProblemKind::OutcomeUnknown,
            // A proxy may have forwarded the request.
            Self::UnexpectedResponse { status, .. } => {
                *status < 400 || matches!(status, 500 | 502..=504)
            }
            Self::InvalidRequest(_) => false,
        }
    }

    /// Returns whether the same request may succeed later. If [`is_outcome_unknown`](Self::is_outcome_unknown), it is
    /// safe to repeat only with an `Idempotency-Key`.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoResponse(_) => true,
            Self::Problem(problem) => matches!(
                problem.kind,
                ProblemKind::Unavailable
                    | ProblemKind::OutcomeUnknown
                    | ProblemKind::RateLimited
                    | ProblemKind::RequestTimeout
            ),
            // A proxy reports that it does not reach the service.
            Self::UnexpectedResponse { status, .. } => matches!(status, 502..=504),
            Self::InvalidRequest(_) => false,
        }
    }
}

/// Returns the beginning of a response body, quoted for an error.
pub(crate) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut chars = text.chars();
    let mut quoted: String = chars.by_ref().take(MAX_QUOTED_CHARS).collect();
    if chars.next().is_some() {
        quoted.push('…');
    }
    format!("{quoted:?}")
}
