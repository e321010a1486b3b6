//! The errors of syncs.

use std::time::Duration;

use thiserror::Error;

use crate::identifiers::VendorId;
use crate::pacing::RetryAfter;
use crate::ports::{FeedError, StoreError};
use crate::retry::AsStoreError;
use crate::stock::Imbalance;
use crate::timestamp::Timestamp;

/// The reason why a sync failed.
#[derive(Debug, Error)]
pub enum SyncError {
    /// The vendor returned no report.
    #[error("vendor {vendor_id}: {source}")]
    Feed {
        /// The vendor.
        vendor_id: VendorId,
        /// The error of the feed.
        source: FeedError,
    },
    /// The vendor sent a `Retry-After` earlier, and was not requested.
    #[error("vendor {vendor_id} sent Retry-After: no request is sent before {until}")]
    Paused {
        /// The vendor.
        vendor_id: VendorId,
        /// The end of the `Retry-After`, by the store's clock.
        until: Timestamp,
        /// The time until then.
        wait: Duration,
    },
    /// The vendor is not configured.
    #[error("vendor {0} is not configured")]
    NotConfigured(VendorId),
    /// The store is inconsistent.
    #[error(transparent)]
    Imbalance(#[from] Imbalance),
    /// The store failed before the report changed any product.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed, or other transactions held products, after the report had changed others.
    #[error("{source}; the report changed {changed} other products")]
    Incomplete {
        /// Number of products that were changed.
        changed: u64,
        /// The reason why the others were not.
        source: StoreError,
    },
}

impl AsStoreError for SyncError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) | Self::Incomplete { source: error, .. } => Some(error),
            _ => None,
        }
    }
}

impl SyncError {
    /// The error after the report has changed some products.
    pub(super) fn after_changes(self, changed: u64) -> Self {
        match self {
            Self::Store(source) if changed > 0 => Self::Incomplete { changed, source },
            error => error,
        }
    }

    /// The error of the store, if this is one.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        self.as_store_error()
    }

    /// The time until the vendor may be requested again, if it sent a `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Paused { wait, .. } => Some(*wait),
            _ => self.feed_error()?.retry_after().map(RetryAfter::span),
        }
    }

    /// Whether the sync may have been committed.
    pub(super) fn is_commit_unknown(&self) -> bool {
        self.as_store_error()
            .is_some_and(StoreError::is_commit_unknown)
    }

    /// The error of the vendor's feed, if this is one.
    pub(super) fn feed_error(&self) -> Option<&FeedError> {
        match self {
            Self::Feed { source, .. } => Some(source),
            _ => None,
        }
    }
}
