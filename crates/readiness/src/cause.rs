//! Causes for not being ready: one fixed text each, because the pages that show them are open to everyone. The log has the
//! details.

use domain::ports::{QueueError, StoreError};
use domain::services::{RelayError, SettleError, VendorSetError};

/// Why a task or a dependency keeps a process from being ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The store cannot be reached, is read-only or has no room.
    StoreUnavailable,
    /// The store refuses the write itself.
    StoreFailed,
    /// Each attempt conflicts with another transaction.
    Conflicts,
    /// A row holds what this program cannot read.
    UnreadableRow,
    /// The store does not respond in time.
    StoreTimeout,
    /// A write has begun and has no outcome yet.
    WriteHangs,
    /// The queue cannot be reached.
    QueueUnavailable,
    /// The queue does not respond in time.
    QueueTimeout,
    /// The queue does not confirm messages.
    Unconfirmed,
    /// The program contradicts itself.
    Defect,
    /// No vendor is configured, so that every order is rejected.
    NoVendors,
    /// A vendor that this process syncs is not configured.
    NotConfigured,
    /// A vendor of the settings has the source of another vendor in the store.
    SourceTaken,
    /// The task has not started yet.
    NotStarted,
}

impl Cause {
    /// The fixed text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::StoreUnavailable => "the store cannot be reached or cannot be written to",
            Self::StoreFailed => "the store fails",
            Self::Conflicts => "each transaction conflicts with another one",
            Self::UnreadableRow => "a row of the store cannot be read",
            Self::StoreTimeout => "the store does not respond in time",
            Self::WriteHangs => "a write to the store does not end",
            Self::QueueUnavailable => "the queue cannot be reached",
            Self::QueueTimeout => "the queue does not respond in time",
            Self::Unconfirmed => "the queue does not confirm messages",
            Self::Defect => "the program contradicts itself",
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
