//! The lines of reports in quarantine, in both stores.

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{QuarantineRepository, StoreError};
use domain::timestamp::Timestamp;

use super::PairedWork;

#[async_trait]
impl QuarantineRepository for PairedWork {
    async fn add_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        lines: &[(ProductId, u32)],
    ) -> Result<(), StoreError> {
        let real_at = self.pairs.with(|pairs| pairs.timestamp(requested_at));
        both!(
            self.add_quarantined_lines(vendor_id, requested_at, lines),
            vendor_id,
            real_at,
            lines
        )
    }

    async fn count_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
    ) -> Result<u64, StoreError> {
        let real_at = self.pairs.with(|pairs| pairs.timestamp(requested_at));
        both!(
            self.count_quarantined_lines(vendor_id, requested_at),
            vendor_id,
            real_at
        )
    }

    async fn remove_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        kept: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let real_kept = self
            .pairs
            .with(|pairs| kept.map(|kept| pairs.timestamp(kept)));
        both!(
            self.remove_quarantined_lines(vendor_id, kept, limit),
            vendor_id,
            real_kept,
            limit
        )
    }
}
