//! What a use case answers, and what it should.

use domain::ports::{QueueError, StoreError};
use domain::services::{ChangeStatusError, RelayError, SettleError, SyncError, VendorSetError};

use crate::faults::{Call, Failure, Injection, Role};
use crate::use_cases::UseCase;

/// An answer, less its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
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
    /// Nothing: the use case was dropped.
    Nothing,
}

impl From<StoreError> for Told {
    fn from(error: StoreError) -> Self {
        let told = match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::CommitUnknown(_) => Self::CommitUnknown,
            StoreError::Conflict(_) => Self::Conflict,
            StoreError::Failed(_) => Self::Failed,
            StoreError::Corrupt { .. } => Self::Corrupt,
        };
        let is_transient = matches!(
            told,
            Self::Unavailable | Self::CommitUnknown | Self::Conflict
        );
        assert_eq!(error.is_retryable(), is_transient, "{error}");
        told
    }
}

impl From<VendorSetError> for Told {
    fn from(error: VendorSetError) -> Self {
        match error {
            VendorSetError::Store(error) => error.into(),
            taken @ VendorSetError::SourceTaken { .. } => panic!("{taken}"),
        }
    }
}

impl From<QueueError> for Told {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unavailable(_) => Self::QueueUnavailable,
            QueueError::Closed => Self::QueueClosed,
        }
    }
}

impl From<RelayError> for Told {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Store(error) => error.into(),
            RelayError::Queue(error) => error.into(),
            RelayError::Unconfirmed(_) => Self::Unconfirmed,
        }
    }
}

impl From<SettleError> for Told {
    fn from(error: SettleError) -> Self {
        let is_transient = error.is_retryable();
        let told = match error {
            SettleError::Store(error) => error.into(),
            other @ SettleError::Policy(_) => panic!("{other}"),
        };
        assert_eq!(is_transient, !matches!(told, Self::Failed | Self::Corrupt));
        told
    }
}

impl From<SyncError> for Told {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => error.into(),
            SyncError::Feed { .. } => Self::NoReport,
            SyncError::NotConfigured(_) => Self::NotConfigured,
            SyncError::Imbalance(imbalance) => panic!("{imbalance}"),
            paused @ SyncError::Paused { .. } => panic!("{paused}"),
        }
    }
}

impl From<ChangeStatusError> for Told {
    fn from(error: ChangeStatusError) -> Self {
        match error {
            ChangeStatusError::Store(error) => error.into(),
            ChangeStatusError::Illegal(_) => Self::Illegal,
            other => panic!("{other}"),
        }
    }
}

impl<T, E: Into<Told>> From<Result<T, E>> for Told {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(Into::into, |_| Self::Done)
    }
}

/// What a use case must answer when a call fails; `undisturbed` is what it answers when none does.
pub(crate) fn expected(
    use_case: UseCase,
    undisturbed: Told,
    call: Call,
    injection: Injection,
) -> Told {
    let in_transaction = call.role != Role::Probe;
    match injection.failure {
        Failure::Conflict if in_transaction && !injection.lasts => undisturbed,
        Failure::Conflict => Told::Conflict,
        // The batch is halved, and the halves succeed; if it lasts, not even a dead letter can be recorded.
        Failure::Failed | Failure::Corrupt
            if in_transaction
                && use_case.halves()
                && !injection.lasts
                && !use_case.records_a_dead_letter_at(injection.at) =>
        {
            undisturbed
        }
        Failure::Failed => Told::Failed,
        Failure::Corrupt => Told::Corrupt,
        Failure::AnswerLost if call.role == Role::Handover => Told::QueueUnavailable,
        Failure::AnswerLost => Told::CommitUnknown,
        Failure::Unavailable => Told::Unavailable,
        Failure::QueueUnavailable => Told::QueueUnavailable,
        Failure::QueueClosed => Told::QueueClosed,
        Failure::Unconfirmed => Told::Unconfirmed,
        Failure::FeedUnavailable | Failure::FeedMalformed => Told::NoReport,
        Failure::Abandoned => Told::Nothing,
    }
}
