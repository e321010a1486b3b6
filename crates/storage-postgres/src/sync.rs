//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{LockedVendor, StoreError, SyncRecord, SyncRepository};
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;
use storage_sql::{StoredHistory, StoredReport};

use crate::rows::{InstantRow, ProductIdRow, from_pg, to_pg};
use crate::statement::{Bind, texts};
use crate::sync_queries::{HistoryRow, ReportedRow};
use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct LockedRow {
    #[diesel(sql_type = Bool)]
    configured: bool,
}

#[derive(QueryableByName)]
struct IncludedRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = BigInt)]
    units: i64,
}

#[async_trait]
impl SyncRepository for PgUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError> {
        // Two statements, because a statement that waits for a row reads the other tables as they were before the wait.
        const LOCK: &str = "
SELECT configured FROM vendor_syncs WHERE vendor_id = $1 AND configured FOR NO KEY UPDATE";
        const HISTORY: &str = concat!(
            "SELECT ",
            storage_sql::history_columns!(),
            "
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = $1"
        );
        let id = || vec![Bind::Text(vendor_id.as_str().to_owned())];
        let locked: Vec<LockedRow> = self.load(LOCK, id()).await?;
        if !locked.first().is_some_and(|row| row.configured) {
            return Ok(None);
        }
        let found: Vec<HistoryRow> = self.load(HISTORY, id()).await?;
        let found = found.into_iter().next();
        found.map(|row| row.into_vendor(vendor_id)).transpose()
    }

    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        const SQL: &str =
            storage_sql::reported_stock!("$1", "p.product_id = ANY($2) ORDER BY p.product_id");
        let binds = vec![
            Bind::Text(vendor_id.as_str().to_owned()),
            texts(product_ids.iter().map(ProductId::as_str)),
        ];
        let found: Vec<ReportedRow> = self.load(SQL, binds).await?;
        let found = found.into_iter().map(StoredReport::from);
        found.map(storage_sql::reported_stock).collect()
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        const SQL: &str = r#"
INSERT INTO stock (product_id)
SELECT i.product_id FROM unnest($1) AS i (product_id)
WHERE NOT EXISTS (SELECT FROM stock WHERE stock.product_id = i.product_id)
ORDER BY i.product_id COLLATE "C"
ON CONFLICT (product_id) DO NOTHING"#;
        let product_ids = texts(product_ids.iter().map(ProductId::as_str));
        self.execute(SQL, vec![product_ids]).await.map(drop)
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
        let binds = vec![
            Bind::Text(vendor_id.as_str().to_owned()),
            Bind::Timestamp(to_pg(as_of)),
            texts(product_ids.iter().map(ProductId::as_str)),
        ];
        let marked: Vec<IncludedRow> = self.load(SQL, binds).await?;
        marked
            .into_iter()
            .map(|row| {
                let units = u64::try_from(row.units).map_err(storage_sql::corrupt(
                    "allocations",
                    "quantity",
                    &row.product_id,
                ))?;
                Ok((
                    storage_sql::product_id(row.product_id, "allocations")?,
                    units,
                ))
            })
            .collect()
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
            Bind::Timestamp(to_pg(order.as_of)),
            Bind::Timestamp(to_pg(order.requested_at)),
            Bind::Text(vendor_id.as_str().to_owned()),
            texts(product_ids.iter().map(ProductId::as_str)),
        ];
        self.execute(SQL, binds).await.map(drop)
    }

    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE allocations SET shipped_at = clock_timestamp()
WHERE vendor_id = $1 AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at > clock_timestamp()";
        let binds = vec![Bind::Text(vendor_id.as_str().to_owned())];
        Ok(self.execute(SQL, binds).await? as u64)
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
        let binds = vec![
            Bind::Text(vendor_id.as_str().to_owned()),
            // A product id is never empty, so every id is greater than the empty text.
            Bind::Text(after.map(ProductId::into_string).unwrap_or_default()),
            Bind::BigInt(limit.into()),
        ];
        let sql = if is_expired { EXPIRED } else { OTHERS };
        let found: Vec<ProductIdRow> = self.load(sql, binds).await?;
        let found = found.into_iter();
        found
            .map(|row| storage_sql::product_id(row.product_id, "vendor_stock"))
            .collect()
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
        let count = |number: u64| Bind::BigInt(i64::try_from(number).unwrap_or(i64::MAX));
        let took_ms = u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX);
        let binds = vec![
            Bind::Text(record.outcome.to_string()),
            count(took_ms),
            count(record.received),
            count(record.changed),
            Bind::OptionalText(record.error.clone()),
            Bind::Text(vendor_id.as_str().to_owned()),
        ];
        let written: Vec<InstantRow> = self.load(SQL, binds).await?;
        self.expect_rows("recording a sync", written.len(), 1)?;
        if let Some(history) = history {
            self.write_history(vendor_id, history).await?;
        }
        let end = written.first().map(|row| from_pg(row.instant));
        end.ok_or_else(|| StoreError::Failed("a sync was recorded without its time".into()))
    }
}

impl PgUnitOfWork {
    async fn write_history(
        &mut self,
        vendor_id: &VendorId,
        history: &ReportHistory,
    ) -> Result<(), StoreError> {
        const ORDERS: &str = "
UPDATE vendor_syncs SET applied_as_of = $1, full_as_of = $2 WHERE vendor_id = $3";
        const EVIDENCE: &str = "
INSERT INTO vendor_evidence (vendor_id, applied_requested_at, full_requested_at, completed_requested_at, as_of, evidence,
    no_evidence, clock_skew_ms, claims, quarantined, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (vendor_id) DO UPDATE SET applied_requested_at = excluded.applied_requested_at,
    full_requested_at = excluded.full_requested_at, completed_requested_at = excluded.completed_requested_at,
    as_of = excluded.as_of, evidence = excluded.evidence, no_evidence = excluded.no_evidence,
    clock_skew_ms = excluded.clock_skew_ms, claims = excluded.claims, quarantined = excluded.quarantined,
    revision = excluded.revision";
        let row = StoredHistory::from(history);
        let id = || Bind::Text(vendor_id.as_str().to_owned());
        let instant = |instant: Option<Timestamp>| Bind::OptionalTimestamp(instant.map(to_pg));
        let binds = vec![instant(row.applied_as_of), instant(row.full_as_of), id()];
        let written = self.execute(ORDERS, binds).await?;
        self.expect_rows("recording the order of reports", written, 1)?;
        let binds = vec![
            id(),
            instant(row.applied_requested_at),
            instant(row.full_requested_at),
            instant(row.completed_requested_at),
            instant(row.proof.as_of),
            Bind::OptionalText(row.proof.evidence),
            Bind::OptionalText(row.proof.no_evidence),
            Bind::OptionalBigInt(row.clock_skew_ms),
            Bind::OptionalText(row.claims),
            Bind::OptionalText(row.quarantined),
            Bind::BigInt(row.revision.unwrap_or_default()),
        ];
        let written = self.execute(EVIDENCE, binds).await?;
        self.expect_rows("recording the evidence of reports", written, 1)
    }
}
