//! Converts errors of ports and use cases to problems. Each failure is logged here once; its cause is not revealed to
//! clients.

use std::error::Error;
use std::fmt;

use domain::ports::StoreError;
use domain::services::{ChangeStatusError, PauseVendorError, PlaceOrderError, SyncError};
use domain::stock::Imbalance;
use tracing::{error, warn};

use crate::problem::{Problem, ProblemKind};
use crate::request::status;

const TRY_LATER: &str = "the store is unavailable; retry the request later, with the same Idempotency-Key if it has one";

/// The detail of a sync that changed some products of the report and then failed.
const SYNC_IS_INCOMPLETE: &str =
    "the report was applied to some of its products only; retry the request later";

/// The detail of a commit with an unknown outcome.
const OUTCOME_UNKNOWN: &str = "the store did not confirm the outcome: the change may have been made, or may still be made; \
     retry the request with the same Idempotency-Key, or read the current state";

/// Logs the failure. Unless the outcome of a commit is unknown, a client can only retry: an unreadable row has to be
/// repaired by the operator, and the log identifies the row.
impl From<StoreError> for Problem {
    fn from(failure: StoreError) -> Self {
        log_store_failure(&failure, "");
        if failure.is_commit_unknown() {
            return Self::new(ProblemKind::OutcomeUnknown, OUTCOME_UNKNOWN);
        }
        Self::unavailable(TRY_LATER)
    }
}

/// Logs a store failure that occurs after the response has started, so that the response can only be aborted.
pub(crate) fn log_aborted_response(failure: &StoreError) {
    log_store_failure(failure, "; a response in progress is aborted");
}

fn log_store_failure(failure: &StoreError, consequence: &str) {
    if failure.is_retryable() {
        warn!(error = %failure, "the store is unavailable{consequence}");
    } else {
        error!(error = %Chain(failure), "the store failed{consequence}");
    }
}

impl From<PlaceOrderError> for Problem {
    fn from(failure: PlaceOrderError) -> Self {
        match failure {
            PlaceOrderError::KeyReused => Self::new(
                ProblemKind::IdempotencyKeyReused,
                "the Idempotency-Key was already used for another request",
            ),
            // The batcher logs when it becomes full.
            PlaceOrderError::Full => {
                Self::unavailable("too many orders are waiting to be written; nothing was recorded")
            }
            PlaceOrderError::Store(failure) => failure.into(),
        }
    }
}

impl From<ChangeStatusError> for Problem {
    fn from(failure: ChangeStatusError) -> Self {
        match failure {
            ChangeStatusError::NotFound(id) => Self::not_found(format!("order {id} not found")),
            ChangeStatusError::VersionMismatch => Self::new(
                ProblemKind::PreconditionFailed,
                "If-Match does not list the current version of the order",
            ),
            ChangeStatusError::Illegal(illegal) => {
                Self::new(ProblemKind::IllegalTransition, illegal.to_string())
            }
            ChangeStatusError::NotSupplied(vendor_id) => status::not_supplied(&vendor_id),
            ChangeStatusError::Imbalance(imbalance) => inconsistent(&imbalance),
            ChangeStatusError::Store(failure) => failure.into(),
        }
    }
}

/// A failed feed is logged where the sync is recorded.
impl From<SyncError> for Problem {
    fn from(failure: SyncError) -> Self {
        match failure {
            SyncError::Feed { .. } | SyncError::Paused { .. } => Self::new(
                ProblemKind::VendorUnavailable,
                format!("{failure}; the stock was not changed"),
            )
            .with_retry_after(failure.retry_after()),
            SyncError::NotConfigured(id) => {
                warn!(vendor.id = %id, "vendor in the settings is not in the vendor set that the workers sync");
                Self::unavailable(format!(
                    "vendor {id} is not in the workers' vendor set yet; the stock was not changed"
                ))
            }
            SyncError::Imbalance(imbalance) => inconsistent(&imbalance),
            SyncError::Store(failure) => failure.into(),
            SyncError::Incomplete { source, .. } => {
                log_store_failure(&source, "");
                // Not 503, which promises that nothing was recorded.
                Self::new(ProblemKind::OutcomeUnknown, SYNC_IS_INCOMPLETE)
            }
        }
    }
}

impl From<PauseVendorError> for Problem {
    fn from(failure: PauseVendorError) -> Self {
        match failure {
            PauseVendorError::NotFound(_) => Self::not_found("vendor not found"),
            PauseVendorError::Pushes(_) => {
                Self::not_found("the vendor pushes its reports: it has no scheduled syncs")
            }
            PauseVendorError::Store(failure) => failure.into(),
        }
    }
}

fn inconsistent(imbalance: &Imbalance) -> Problem {
    error!(error = %imbalance, "the store is inconsistent");
    Problem::unavailable(TRY_LATER)
}

/// An error with its causes, on one line.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut shown = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(next) = cause {
            let text = next.to_string();
            // Some errors repeat their cause in their own text.
            if !shown.contains(&text) {
                write!(f, ": {text}")?;
            }
            shown = text;
            cause = next.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Opaque(StoreError);

    impl fmt::Display for Opaque {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("opaque")
        }
    }

    impl Error for Opaque {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn sync_that_changed_some_products_has_an_unknown_outcome() {
        let source = StoreError::Conflict("held".to_owned());
        let incomplete = SyncError::Incomplete { changed: 1, source };
        let expected = Problem::new(ProblemKind::OutcomeUnknown, SYNC_IS_INCOMPLETE);
        assert_eq!(Problem::from(incomplete), expected);
    }

    #[test]
    fn chain_contains_each_cause_once() {
        let repeats_cause = StoreError::Failed(Box::new(std::io::Error::other("disk full")));
        assert_eq!(
            Chain(&repeats_cause).to_string(),
            "the store failed: disk full"
        );
        let hides_cause = Opaque(StoreError::Unavailable("gone".to_owned()));
        assert_eq!(
            Chain(&hides_cause).to_string(),
            "opaque: the store cannot be reached: gone"
        );
    }
}
