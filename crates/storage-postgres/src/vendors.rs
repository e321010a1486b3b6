//! Vendor queries.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{StoreError, VendorQueries, VendorStatus};

use crate::store::PgStore;

#[async_trait]
impl VendorQueries for PgStore {
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError> {
        const SQL: &str = "
SELECT v.vendor_id, v.configured, v.applied_as_of, v.full_as_of, v.outcome, v.finished_at, v.duration_ms, v.received,
    v.changed, v.error, e.as_of, e.evidence, e.no_evidence, e.clock_skew_ms, e.quarantined, e.held, e.held_reason, e.held_document,
    (SELECT count(*) FROM vendor_stock p WHERE p.vendor_id = v.vendor_id) AS products,
    EXISTS (SELECT FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.is_expired) AS is_expired, clock_timestamp() AS now
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id)
WHERE v.vendor_id = ANY($1) ORDER BY v.vendor_id";
        let found = self.load(SQL, vec![vendor_ids.into()]).await?;
        let each = found.into_iter().map(storage_sql::vendor_status);
        self.unreadable().leave_out(each)
    }
}
