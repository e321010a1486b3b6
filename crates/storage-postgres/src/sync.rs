//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{LockedVendor, StoreError, SyncRecord, SyncRepository};
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;
use storage_sql::{
    Bind, FlagRow, InstantRow, RECORD_RUN, SAVE_EVIDENCE, SAVE_ORDERS, StoredHistory, run_binds,
};

use crate::unit_of_work::PgUnitOfWork;

#[async_trait]
impl SyncRepository for PgUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError> {
        // Two statements, because a statement that waits for a row reads the other tables as they were before the wait.
        const LOCK: &str = "
SELECT configured AS flag FROM vendor_syncs WHERE vendor_id = $1 AND configured FOR NO KEY UPDATE";
        const HISTORY: &str = concat!(
            "SELECT ",
            storage_sql::history_columns!(),
            "
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = $1"
        );
        let locked: Vec<FlagRow> = self.load(LOCK, vec![vendor_id.into()]).await?;
        if !storage_sql::flag(&locked) {
            return Ok(None);
        }
        let found = self.load(HISTORY, vec![vendor_id.into()]).await?;
        storage_sql::locked_vendor(vendor_id, found)
    }

    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        const SQL: &str =
            storage_sql::reported_stock!("p.product_id = ANY($2) ORDER BY p.product_id");
        let binds = vec![vendor_id.into(), product_ids.into()];
        let found = storage_sql::each_reported(self.load(SQL, binds).await?);
        found.map(|(_, stock)| stock).collect()
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        const SQL: &str = r#"
INSERT INTO stock (product_id)
SELECT i.product_id FROM unnest($1) AS i (product_id)
WHERE NOT EXISTS (SELECT FROM stock WHERE stock.product_id = i.product_id)
ORDER BY i.product_id COLLATE "C"
ON CONFLICT (product_id) DO NOTHING"#;
        self.execute(SQL, vec![product_ids.into()]).await.map(drop)
    }

    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        const SQL: &str = "
WITH report AS (SELECT $1 AS vendor_id, $2 AS as_of),
included AS (
    SELECT a.order_id, a.vendor_id, report.as_of FROM report JOIN allocations a USING (vendor_id)
    WHERE a.product_id = ANY($3)
      AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL AND a.shipped_at < report.as_of
    ORDER BY a.order_id FOR NO KEY UPDATE OF a SKIP LOCKED
),
marked AS (
    UPDATE allocations a SET known_as_of = included.as_of FROM included
    WHERE a.order_id = included.order_id AND a.vendor_id = included.vendor_id
    RETURNING a.product_id, a.quantity
)
SELECT product_id, sum(quantity)::bigint AS units FROM marked GROUP BY product_id";
        let binds = vec![vendor_id.into(), as_of.into(), product_ids.into()];
        storage_sql::included_units(self.load(SQL, binds).await?)
    }

    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
UPDATE vendor_stock SET as_of = $1, requested_at = $2 WHERE vendor_id = $3 AND product_id = ANY($4)";
        let binds = vec![
            order.as_of.into(),
            order.requested_at.into(),
            vendor_id.into(),
            product_ids.into(),
        ];
        self.execute(SQL, binds).await.map(drop)
    }

    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE allocations SET shipped_at = clock_timestamp()
WHERE vendor_id = $1 AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at > clock_timestamp()";
        Ok(self.execute(SQL, vec![vendor_id.into()]).await? as u64)
    }

    async fn find_by_expiry(
        &mut self,
        vendor_id: &VendorId,
        is_expired: bool,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        const EXPIRED: &str = "
SELECT product_id FROM vendor_stock
WHERE vendor_id = $1 AND is_expired AND product_id > $2 ORDER BY product_id LIMIT $3";
        const OTHERS: &str = "
SELECT product_id FROM vendor_stock
WHERE vendor_id = $1 AND NOT is_expired AND product_id > $2 ORDER BY product_id LIMIT $3";
        let after = storage_sql::page_start(after);
        let binds = vec![vendor_id.into(), after.as_str().into(), limit.into()];
        let sql = if is_expired { EXPIRED } else { OTHERS };
        storage_sql::product_ids(self.load(sql, binds).await?, "vendor_stock")
    }

    async fn save_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        self.write_history(vendor_id, history).await
    }

    async fn record_sync<'r>(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError> {
        const SQL: &str = "
UPDATE vendor_syncs SET outcome = $1, finished_at = clock_timestamp(), duration_ms = $2,
    received = $3, changed = $4, error = $5
WHERE vendor_id = $6 RETURNING finished_at AS instant";
        let binds = vec![
            <&str>::from(record.outcome).into(),
            Bind::count(record.took.as_millis()),
            Bind::count(record.received),
            Bind::count(record.changed),
            record.error.as_deref().into(),
            vendor_id.into(),
        ];
        let written: Vec<InstantRow> = self.load(SQL, binds).await?;
        self.expect_rows("recording a sync", written.len(), 1)?;
        let finished_at = storage_sql::instant(written)?;
        let binds = run_binds(vendor_id, record, finished_at);
        let written = self.execute(RECORD_RUN, binds).await?;
        self.expect_rows("recording a run", written, 1)?;
        if let Some(history) = history {
            self.write_history(vendor_id, history).await?;
        }
        Ok(finished_at)
    }
}

impl PgUnitOfWork {
    async fn write_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        let [orders, evidence] = StoredHistory::from(history).binds(vendor_id);
        let written = self.execute(SAVE_ORDERS, orders).await?;
        self.expect_rows("recording the order of reports", written, 1)?;
        let written = self.execute(SAVE_EVIDENCE, evidence).await?;
        self.expect_rows("recording the evidence of reports", written, 1)
    }
}
