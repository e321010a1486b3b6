//! The state with which vendors' reports are compared.

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{ReportedTotals, StoreError, SyncQueries, VendorSyncState};
use domain::timestamp::Timestamp;

use crate::store::SqliteStore;

pub(crate) const PAGE: &str =
    storage_sql::reported_stock!("p.product_id > $2 ORDER BY p.product_id LIMIT $3");

#[async_trait]
impl SyncQueries for SqliteStore {
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        const SQL: &str = concat!(
        "SELECT ",
        storage_sql::history_columns!(),
        ",
    EXISTS (SELECT 1 FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.reported > 0) AS has_stock,
    EXISTS (
        SELECT 1 FROM allocations a
        WHERE a.vendor_id = v.vendor_id AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL AND a.shipped_at > $1
    ) AS has_future_shipments,
    EXISTS (
        SELECT 1 FROM allocations a
        WHERE a.vendor_id = v.vendor_id AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL AND a.shipped_at < e.as_of
    ) AS has_unmarked_shipments,
    EXISTS (SELECT 1 FROM quarantined_lines q WHERE q.vendor_id = v.vendor_id) AS has_quarantined_lines, $1 AS now
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = $2 AND v.configured"
    );
        let now = self.shared().clock.now();
        let binds = vec![now.into(), vendor_id.into()];
        storage_sql::sync_state(vendor_id, self.load(SQL, binds).await?)
    }

    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        let after = storage_sql::page_start(after);
        let unreadable = &self.shared().unreadable;
        storage_sql::readable_page(unreadable, after, limit, |after, left| async move {
            let binds = vec![vendor_id.into(), after.as_str().into(), left.into()];
            let found = self.load(PAGE, binds).await?;
            Ok(storage_sql::each_reported(found).collect())
        })
        .await
    }

    async fn sum_reported_stock(&self, vendor_id: &VendorId) -> Result<ReportedTotals, StoreError> {
        let found = self.load(storage_sql::REPORTED_TOTALS, vec![vendor_id.into()]);
        storage_sql::reported_totals(&storage_sql::first(found.await?)?)
    }

    async fn list_quarantined_lines(
        &self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<(ProductId, u32)>, StoreError> {
        let binds = storage_sql::quarantined_lines_binds(vendor_id, requested_at, after, limit);
        let found = self.load(storage_sql::QUARANTINED_LINES, binds).await?;
        storage_sql::quarantined_lines(found)
    }
}
