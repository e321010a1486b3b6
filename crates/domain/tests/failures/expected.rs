//! Results of use cases, and the expected result after a failure.

use domain::ports::{QueueError, StoreError};
use domain::services::{
    ChangeStatusError, PlaceOrderError, RelayError, SettleError, SyncError, VendorSetError,
};

use crate::faults::{Call, Failure, Injection, Role};
use crate::use_cases::UseCase;

/// The result of a use case, without its details, as actual and expected results are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Done,
    Unavailable,
    CommitUnknown,
    Conflict,
    Failed,
    Corrupt,
    QueueUnavailable,
    QueueClosed,
    Unconfirmed,
    NoReport,
    NotConfigured,
    Illegal,
    /// No result: the use case was dropped.
    Dropped,
}

impl From<StoreError> for Expected {
    fn from(error: StoreError) -> Self {
        let result = match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::CommitUnknown(_) => Self::CommitUnknown,
            StoreError::Conflict(_) => Self::Conflict,
            StoreError::Failed(_) => Self::Failed,
            StoreError::Corrupt { .. } => Self::Corrupt,
        };
        let is_transient = matches!(
            result,
            Self::Unavailable | Self::CommitUnknown | Self::Conflict
        );
        assert_eq!(error.is_retryable(), is_transient, "{error}");
        result
    }
}

impl From<VendorSetError> for Expected {
    fn from(error: VendorSetError) -> Self {
        match error {
            VendorSetError::Store(error) => error.into(),
            taken @ VendorSetError::SourceTaken { .. } => panic!("{taken}"),
        }
    }
}

impl From<QueueError> for Expected {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unavailable(_) => Self::QueueUnavailable,
            QueueError::Closed => Self::QueueClosed,
        }
    }
}

impl From<RelayError> for Expected {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Store(error) => error.into(),
            RelayError::Queue(error) => error.into(),
            RelayError::Unconfirmed(_) => Self::Unconfirmed,
        }
    }
}

impl From<SettleError> for Expected {
    fn from(error: SettleError) -> Self {
        let is_transient = error.is_retryable();
        let result = match error {
            SettleError::Store(error) => error.into(),
            other @ SettleError::Policy(_) => panic!("{other}"),
        };
        assert_eq!(
            is_transient,
            !matches!(result, Self::Failed | Self::Corrupt)
        );
        result
    }
}

impl From<SyncError> for Expected {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) | SyncError::Incomplete { source: error, .. } => error.into(),
            SyncError::Feed { .. } => Self::NoReport,
            SyncError::NotConfigured(_) => Self::NotConfigured,
            SyncError::Imbalance(imbalance) => panic!("{imbalance}"),
            paused @ SyncError::Paused { .. } => panic!("{paused}"),
        }
    }
}

impl From<ChangeStatusError> for Expected {
    fn from(error: ChangeStatusError) -> Self {
        match error {
            ChangeStatusError::Store(error) => error.into(),
            ChangeStatusError::Illegal(_) => Self::Illegal,
            other => panic!("{other}"),
        }
    }
}

impl From<PlaceOrderError> for Expected {
    fn from(error: PlaceOrderError) -> Self {
        match error {
            PlaceOrderError::Store(error) => error.into(),
            other => panic!("{other}"),
        }
    }
}

impl<T, E: Into<Expected>> From<Result<T, E>> for Expected {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(Into::into, |_| Self::Done)
    }
}

/// Returns the expected result of a use case in which a call fails; `without_failure` is its result when none does.
pub(crate) fn expected_result(
    use_case: UseCase,
    without_failure: Expected,
    call: Call,
    injection: Injection,
) -> Expected {
    let in_transaction = call.role != Role::Probe;
    match injection.failure {
        Failure::Conflict if in_transaction && !injection.lasts => without_failure,
        Failure::Conflict => Expected::Conflict,
        // The batch is halved, and the halves succeed. If the failure lasts, not even a dead letter can be recorded.
        Failure::Failed | Failure::Corrupt
            if in_transaction
                && use_case.halves()
                && !injection.lasts
                && !use_case.records_a_dead_letter_at(injection.at) =>
        {
            without_failure
        }
        Failure::Failed => Expected::Failed,
        Failure::Corrupt => Expected::Corrupt,
        Failure::ReplyLost if call.role == Role::Publish => Expected::QueueUnavailable,
        Failure::ReplyLost => Expected::CommitUnknown,
        Failure::Unavailable => Expected::Unavailable,
        Failure::QueueUnavailable => Expected::QueueUnavailable,
        Failure::QueueClosed => Expected::QueueClosed,
        Failure::Unconfirmed => Expected::Unconfirmed,
        Failure::FeedUnavailable | Failure::FeedMalformed => Expected::NoReport,
        Failure::Abandoned => Expected::Dropped,
    }
}
