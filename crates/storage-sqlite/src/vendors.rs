//! Vendor queries.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{StoreError, VendorQueries, VendorStatus};

use crate::store::SqliteStore;

#[async_trait]
impl VendorQueries for SqliteStore {
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError> {
        const SQL: &str = "
SELECT v.vendor_id, v.configured, v.applied_as_of, v.full_as_of, v.outcome, v.finished_at, v.duration_ms, v.received,
    v.changed, v.error, e.as_of, e.evidence, e.no_evidence, e.clock_skew_ms, e.quarantined, e.held, e.held_reason, e.held_document,
    (SELECT count(*) FROM vendor_stock p WHERE p.vendor_id = v.vendor_id) AS products,
    EXISTS (SELECT 1 FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.is_expired) AS is_expired, $1 AS now
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id)
WHERE v.vendor_id IN (SELECT value FROM json_each($2)) ORDER BY v.vendor_id";
        let now = self.shared().clock.now();
        let found = self.load(SQL, vec![now.into(), vendor_ids.into()]).await?;
        let each = found.into_iter().map(storage_sql::vendor_status);
        self.shared().unreadable.leave_out(each)
    }
}
