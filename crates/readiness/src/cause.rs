//! Causes of a process not being ready. Each has a fixed text, because the readiness endpoint is unauthenticated; the log
//! has the details.

use domain::ports::{QueueError, StoreError};
use domain::services::{RelayError, SettleError, VendorSetError};

/// Why a task or a dependency makes a process not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The store is unreachable, read-only or full.
    StoreUnavailable,
    /// The store rejects the write.
    StoreFailed,
    /// Every attempt conflicts with another transaction.
    Conflicts,
    /// A row cannot be decoded.
    UnreadableRow,
    /// The store does not respond in time.
    StoreTimeout,
    /// A write has no outcome yet.
    WriteHangs,
    /// The queue is unreachable.
    QueueUnavailable,
    /// The queue does not respond in time.
    QueueTimeout,
    /// The queue does not confirm messages.
    Unconfirmed,
    /// An invariant of the program is violated.
    Defect,
    /// No vendor is configured, so every order is rejected.
    NoVendors,
    /// A vendor that this process syncs is not configured.
    NotConfigured,
    /// A vendor of the settings has the source of another vendor in the store.
    SourceTaken,
    /// The task has not started yet.
    NotStarted,
}

impl Cause {
    /// The text for the readiness endpoint.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::StoreUnavailable => "the store cannot be reached or cannot be written to",
            Self::StoreFailed => "the store failed",
            Self::Conflicts => "every transaction conflicts with another one",
            Self::UnreadableRow => "a row of the store cannot be decoded",
            Self::StoreTimeout => "the store does not respond in time",
            Self::WriteHangs => "a write to the store does not end",
            Self::QueueUnavailable => "the queue cannot be reached",
            Self::QueueTimeout => "the queue does not respond in time",
            Self::Unconfirmed => "the queue does not confirm messages",
            Self::Defect => "internal error",
            Self::NoVendors => "no vendor is configured",
            Self::NotConfigured => "a vendor is not configured",
            Self::SourceTaken => "a vendor of the settings has the source of another vendor",
            Self::NotStarted => "not started yet",
        }
    }
}

impl From<&StoreError> for Cause {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::StoreUnavailable,
            StoreError::CommitUnknown(_) => Self::WriteHangs,
            StoreError::Conflict(_) => Self::Conflicts,
            StoreError::Corrupt { .. } => Self::UnreadableRow,
            StoreError::Failed(_) => Self::StoreFailed,
        }
    }
}

impl From<&VendorSetError> for Cause {
    fn from(error: &VendorSetError) -> Self {
        match error {
            VendorSetError::Store(error) => error.into(),
            VendorSetError::SourceTaken { .. } => Self::SourceTaken,
        }
    }
}

impl From<&QueueError> for Cause {
    fn from(error: &QueueError) -> Self {
        match error {
            QueueError::Unavailable(_) | QueueError::Closed => Self::QueueUnavailable,
        }
    }
}

impl From<&SettleError> for Cause {
    fn from(error: &SettleError) -> Self {
        match error {
            SettleError::Policy(_) => Self::Defect,
            SettleError::Store(error) => error.into(),
        }
    }
}

impl From<&RelayError> for Cause {
    fn from(error: &RelayError) -> Self {
        match error {
            RelayError::Store(error) => error.into(),
            RelayError::Queue(error) => error.into(),
            RelayError::Unconfirmed(_) => Self::Unconfirmed,
        }
    }
}
