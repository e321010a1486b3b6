//! The lines of reports in quarantine.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{ProductId, VendorId};
use crate::timestamp::Timestamp;

/// Number of lines that are written, read or removed at a time: a report can have a million.
pub const MAX_QUARANTINED_LINES: usize = 1_024;

/// Keeps the lines of reports in quarantine, inside a transaction. The history of the vendor's reports states which report
/// is in quarantine; its lines are complete before the history names it. All calls are made while the vendor is locked.
#[async_trait]
pub trait QuarantineRepository {
    /// Adds lines to the vendor's report that was requested at `requested_at`; at most [`MAX_QUARANTINED_LINES`]. MUST replace
    /// a line of the report that exists already.
    async fn add_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        lines: &[(ProductId, u32)],
    ) -> Result<(), StoreError>;

    /// Returns the number of lines of the vendor's report that was requested at `requested_at`.
    async fn count_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Removes at most `limit` lines of the vendor's reports other than the one that was requested at `kept`; `None` keeps
    /// none. MUST return the number of removed lines, which is less than `limit` only if none are left. The kept lines MUST
    /// NOT make it slower.
    async fn remove_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        kept: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
