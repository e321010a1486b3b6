//! Vendors.

use async_trait::async_trait;
use thiserror::Error;

use crate::identifiers::VendorId;
use crate::report::Report;

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeedError {
    /// The vendor could not be reached, or answered with a failure.
    #[error("{0}")]
    Unavailable(String),
    /// The vendor answered with something that is not a report.
    #[error("the report is malformed: {0}")]
    Malformed(String),
}

/// Reads one vendor's reports.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait VendorFeed: Send + Sync {
    /// Whose.
    fn vendor_id(&self) -> &VendorId;

    /// Asks for a report. MUST answer within a bounded time and read a bounded size, and MUST NOT return a report of
    /// which any part was malformed.
    async fn fetch(&self) -> Result<Report, FeedError>;
}
