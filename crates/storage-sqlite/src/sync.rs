//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::SqliteConnection;
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{LockedVendor, StoreError, SyncRecord, SyncRepository};
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;
use storage_sql::{Bind, RECORD_RUN, SAVE_EVIDENCE, SAVE_ORDERS, StoredHistory, run_binds};

use crate::error::expect_one;
use crate::statement::execute;
use crate::unit_of_work::SqliteUnitOfWork;

fn record(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
    record: &SyncRecord,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    const SQL: &str = "
UPDATE vendor_syncs SET outcome = $1, finished_at = $2, duration_ms = $3, received = $4, changed = $5, error = $6
WHERE vendor_id = $7";
    let binds = vec![
        <&str>::from(record.outcome).into(),
        now.into(),
        Bind::count(record.took.as_millis()),
        Bind::count(record.received),
        Bind::count(record.changed),
        record.error.as_deref().into(),
        vendor_id.into(),
    ];
    let written = execute(connection, SQL, binds)?;
    expect_one("recording a sync of vendor", vendor_id, written)?;
    let written = execute(connection, RECORD_RUN, run_binds(vendor_id, record, now))?;
    expect_one("recording a run of vendor", vendor_id, written)?;
    Ok(now)
}

fn save_history(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
    row: &StoredHistory,
) -> Result<(), StoreError> {
    let [orders, evidence] = row.binds(vendor_id);
    let written = execute(connection, SAVE_ORDERS, orders)?;
    expect_one("recording the order of reports of", vendor_id, written)?;
    let written = execute(connection, SAVE_EVIDENCE, evidence)?;
    expect_one("recording the evidence of", vendor_id, written)
}

#[async_trait]
impl SyncRepository for SqliteUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            storage_sql::history_columns!(),
            "
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = $1 AND v.configured"
        );
        let found = self.load(SQL, vec![vendor_id.into()]).await?;
        storage_sql::locked_vendor(vendor_id, found)
    }

    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        const SQL: &str = storage_sql::reported_stock!(
            "p.product_id IN (SELECT value FROM json_each($2)) ORDER BY p.product_id"
        );
        let binds = vec![vendor_id.into(), product_ids.into()];
        let found = storage_sql::each_reported(self.load(SQL, binds).await?);
        found.map(|(_, stock)| stock).collect()
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO stock (product_id, updated_at) SELECT value, $1 FROM json_each($2) WHERE true
ON CONFLICT (product_id) DO NOTHING";
        let binds = vec![self.now().into(), product_ids.into()];
        self.execute(SQL, binds).await.map(drop)
    }

    async fn mark_included(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        const SQL: &str = "
UPDATE allocations SET known_as_of = $1
WHERE vendor_id = $2 AND product_id IN (SELECT value FROM json_each($3))
  AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at < $1
RETURNING product_id, quantity AS units";
        let binds = vec![as_of.into(), vendor_id.into(), product_ids.into()];
        storage_sql::included_units(self.load(SQL, binds).await?)
    }

    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
UPDATE vendor_stock SET as_of = $1, requested_at = $2
WHERE vendor_id = $3 AND product_id IN (SELECT value FROM json_each($4))";
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
UPDATE allocations SET shipped_at = $1
WHERE vendor_id = $2 AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at > $1";
        let now = self.now();
        self.execute(SQL, vec![now.into(), vendor_id.into()]).await
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
        let sql = if is_expired { EXPIRED } else { OTHERS };
        let after = storage_sql::page_start(after);
        let binds = vec![vendor_id.into(), after.as_str().into(), limit.into()];
        storage_sql::product_ids(self.load(sql, binds).await?, "vendor_stock")
    }

    async fn save_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        let (vendor_id, history) = (vendor_id.clone(), StoredHistory::from(history));
        self.call(move |connection, _| save_history(connection, &vendor_id, &history))
            .await
    }

    async fn record_sync<'r>(
        &mut self,
        vendor_id: &VendorId,
        sync: &SyncRecord,
        history: Option<&'r ReportHistory>,
    ) -> Result<Timestamp, StoreError> {
        let (vendor_id, sync) = (vendor_id.clone(), sync.clone());
        let history = history.map(StoredHistory::from);
        self.call(move |connection, now| {
            let finished_at = record(connection, &vendor_id, &sync, now())?;
            if let Some(history) = history {
                save_history(connection, &vendor_id, &history)?;
            }
            Ok(finished_at)
        })
        .await
    }
}
