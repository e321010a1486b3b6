//! Why there is no good answer.

use std::error::Error;
use std::time::Duration;

use thiserror::Error;

use crate::problem::{Problem, ProblemKind};

/// Most of an answer that an error quotes, in characters.
const QUOTED_CHARS: usize = 200;

/// Why there is no good answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing was sent: what the request was to be made of cannot be sent.
    #[error("nothing was sent: {0}")]
    Unusable(String),
    /// The service said why not.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// No answer came, or not the whole of it. What was asked for may have happened.
    #[error("no whole answer came")]
    NoAnswer(#[source] Box<dyn Error + Send + Sync>),
    /// The answer is none of this API: something else listens there or stands between, or the service is newer.
    #[error("not an answer of this API (status {status}): {reason}")]
    Strange {
        /// The status of the answer.
        status: u16,
        /// What is strange about it.
        reason: String,
    },
}

impl ClientError {
    pub(crate) fn unusable(reason: impl Into<String>) -> Self {
        Self::Unusable(reason.into())
    }

    pub(crate) fn no_answer(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::NoAnswer(cause.into())
    }

    pub(crate) fn strange(status: u16, reason: impl Into<String>) -> Self {
        Self::Strange {
            status,
            reason: reason.into(),
        }
    }

    /// The answer of the service, if it said why not.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// What kind of problem it was, if the service said why not.
    #[must_use]
    pub fn kind(&self) -> Option<&ProblemKind> {
        self.problem().map(|problem| &problem.kind)
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Strange { status, .. } => Some(*status),
            Self::Unusable(_) | Self::NoAnswer(_) => None,
        }
    }

    /// After how long the service said that one may come again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.problem()?.retry_after
    }

    /// Whether what was asked for may have happened although the request failed. An order that was placed without an
    /// `Idempotency-Key` must not be placed again then: it could exist twice.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Problem(problem) => problem.kind == ProblemKind::OutcomeUnknown,
            // Whatever is between may have sent the request on.
            Self::Strange { status, .. } => *status < 400 || matches!(status, 500 | 502..=504),
            Self::Unusable(_) => false,
        }
    }

    /// Whether the same request may well succeed later. Whether it is safe to repeat is another question: see
    /// [`is_outcome_unknown`](Self::is_outcome_unknown).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Problem(problem) => matches!(
                problem.kind,
                ProblemKind::Unavailable
                    | ProblemKind::OutcomeUnknown
                    | ProblemKind::RateLimited
                    | ProblemKind::RequestTimeout
            ),
            // What stands between says that it does not reach the service.
            Self::Strange { status, .. } => matches!(status, 502..=504),
            Self::Unusable(_) => false,
        }
    }
}

/// The beginning of what was answered, for an error.
pub(crate) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut chars = text.chars();
    let mut quoted: String = chars.by_ref().take(QUOTED_CHARS).collect();
    if chars.next().is_some() {
        quoted.push('…');
    }
    format!("{quoted:?}")
}
