//! Failures of ports and use cases as problems. Each is logged here, once; no cause is shown to a client.

use std::error::Error;
use std::fmt;

use domain::ports::StoreError;
use domain::services::{ChangeStatusError, PlaceOrderError, SyncError};
use tracing::{error, warn};

use crate::problem::{Problem, ProblemKind};
use crate::request::status;

const TRY_LATER: &str =
    "the store cannot answer now; repeat the request later, with its Idempotency-Key if it has one";

/// What a client can do after a commit whose outcome is not known.
const OUTCOME_UNKNOWN: &str = "the store did not confirm the outcome: what was asked for may have happened, or may still \
     happen; repeat the request with the same Idempotency-Key, or look it up";

/// A store that failed. Unless the outcome is not known, whatever the reason, what the client can do is to come back: a row that cannot be read is the
/// operator's to mend, and the log tells which.
pub(crate) fn of_store(failure: &StoreError) -> Problem {
    log_of_store(failure, "");
    if failure.is_commit_unknown() {
        return Problem::new(ProblemKind::OutcomeUnknown, OUTCOME_UNKNOWN);
    }
    Problem::unavailable(TRY_LATER)
}

/// A store that failed when the answer had begun, so that it can only be broken off.
pub(crate) fn in_answer(failure: &StoreError) {
    log_of_store(failure, "; an answer that was being sent is broken off");
}

fn log_of_store(failure: &StoreError, consequence: &str) {
    if failure.is_retryable() {
        warn!(error = %failure, "the store cannot answer{consequence}");
    } else {
        error!(error = %Chain(failure), "the store failed{consequence}");
    }
}

/// An order that was not taken.
pub(crate) fn of_placing(failure: &PlaceOrderError) -> Problem {
    match failure {
        PlaceOrderError::KeyReused => Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "the Idempotency-Key was used before, for another request",
        ),
        // The batcher tells of it once.
        PlaceOrderError::Full => {
            Problem::unavailable("too many orders wait to be written; nothing was recorded")
        }
        PlaceOrderError::Store(failure) => of_store(failure),
    }
}

/// A status that was not changed.
pub(crate) fn of_changing(failure: &ChangeStatusError) -> Problem {
    match failure {
        ChangeStatusError::NotFound(id) => Problem::not_found(format!("there is no order {id}")),
        ChangeStatusError::VersionMismatch => Problem::new(
            ProblemKind::PreconditionFailed,
            "If-Match does not name the version that the order is in",
        ),
        ChangeStatusError::Illegal(illegal) => {
            Problem::new(ProblemKind::IllegalTransition, illegal.to_string())
        }
        ChangeStatusError::NotSupplied(vendor_id) => status::not_supplied(vendor_id),
        ChangeStatusError::Imbalance(imbalance) => {
            error!(error = %imbalance, "the store contradicts itself");
            Problem::unavailable(TRY_LATER)
        }
        ChangeStatusError::Store(failure) => of_store(failure),
    }
}

/// A vendor that was not synced. What the vendor did is logged where it is recorded.
pub(crate) fn of_syncing(failure: &SyncError) -> Problem {
    match failure {
        SyncError::Feed { .. } | SyncError::Paused { .. } => Problem::new(
            ProblemKind::VendorUnavailable,
            format!("{failure}; its stock stays as it was"),
        )
        .with_retry_after(failure.retry_after()),
        SyncError::NotConfigured(id) => {
            warn!(vendor.id = %id, "a vendor of the settings is not among those that the workers sync");
            Problem::unavailable(format!(
                "no worker has taken up vendor {id} yet; its stock stays as it was"
            ))
        }
        SyncError::Imbalance(imbalance) => {
            error!(error = %imbalance, "the store contradicts itself");
            Problem::unavailable(TRY_LATER)
        }
        SyncError::Store(failure) => of_store(failure),
    }
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
    struct Quiet(StoreError);

    impl fmt::Display for Quiet {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("quiet")
        }
    }

    impl Error for Quiet {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        let told_already = StoreError::Failed(Box::new(std::io::Error::other("disk full")));
        assert_eq!(
            Chain(&told_already).to_string(),
            "the store failed: disk full"
        );
        let not_told = Quiet(StoreError::Unavailable("gone".to_owned()));
        assert_eq!(
            Chain(&not_told).to_string(),
            "quiet: the store cannot be reached: gone"
        );
    }
}
