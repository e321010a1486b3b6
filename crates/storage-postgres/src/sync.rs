//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{StoreError, SyncRecord, SyncRepository, VendorSyncState};
use domain::report::{Report, ReportKind};
use domain::stored;
use domain::timestamp::Timestamp;

use crate::rows::{MomentRow, ProductIdRow, from_pg, to_pg};
use crate::statement::{Bind, texts};
use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    applied_as_of: Option<PgTimestamp>,
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = BigInt)]
    units: i64,
}

const AFFECTED: &str = "
WITH vendor AS (SELECT $1 AS vendor_id, $2 AS as_of, $3 AS is_full),
report AS (SELECT * FROM unnest($4, $5) AS i (product_id, quantity))
SELECT product_id FROM (
    SELECT r.product_id FROM report r CROSS JOIN vendor v
    LEFT JOIN vendor_stock p ON p.product_id = r.product_id AND p.vendor_id = v.vendor_id
    WHERE p.reported IS DISTINCT FROM r.quantity
  UNION
    SELECT p.product_id FROM vendor_stock p JOIN vendor v USING (vendor_id)
    WHERE v.is_full AND p.reported <> 0
      AND NOT EXISTS (SELECT FROM report r WHERE r.product_id = p.product_id)
  UNION
    SELECT a.product_id FROM allocations a JOIN vendor v USING (vendor_id)
    WHERE a.shipped_at < v.as_of AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL
      AND (v.is_full OR EXISTS (SELECT FROM report r WHERE r.product_id = a.product_id))
) AS affected
ORDER BY product_id";

fn product_ids(found: Vec<ProductIdRow>) -> Result<Vec<ProductId>, StoreError> {
    found
        .into_iter()
        .map(|row| stored::product_id(row.product_id, "stock"))
        .collect()
}

#[async_trait]
impl SyncRepository for PgUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        const SQL: &str = "
SELECT applied_as_of FROM vendor_syncs WHERE vendor_id = $1 AND configured FOR NO KEY UPDATE";
        let found: Vec<StateRow> = self
            .load(SQL, vec![Bind::Text(vendor_id.as_str().to_owned())])
            .await?;
        Ok(found.first().map(|row| VendorSyncState {
            last_as_of: row.applied_as_of.map(from_pg),
        }))
    }

    async fn affected_by(
        &mut self,
        vendor_id: &VendorId,
        report: &Report,
        as_of: Timestamp,
    ) -> Result<Vec<ProductId>, StoreError> {
        const CREATE: &str = r#"
INSERT INTO stock (product_id)
SELECT i.product_id FROM unnest($1) AS i (product_id)
WHERE NOT EXISTS (SELECT FROM stock WHERE stock.product_id = i.product_id)
ORDER BY i.product_id COLLATE "C"
ON CONFLICT (product_id) DO NOTHING"#;

        let products = || texts(report.quantities().keys().map(ProductId::as_str));
        self.execute(CREATE, vec![products()]).await?;
        let quantities = report
            .quantities()
            .values()
            .map(|units| units.cast_signed())
            .collect();
        let binds = vec![
            Bind::Text(vendor_id.as_str().to_owned()),
            Bind::Timestamp(to_pg(as_of)),
            Bind::Bool(report.kind() == ReportKind::Full),
            products(),
            Bind::Integers(quantities),
        ];
        product_ids(self.load(AFFECTED, binds).await?)
    }

    async fn mark_known(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        const SQL: &str = "
WITH report AS (SELECT $1 AS vendor_id, $2 AS as_of),
marked AS (
    UPDATE allocations a SET known_as_of = report.as_of FROM report
    WHERE a.vendor_id = report.vendor_id AND a.product_id = ANY($3)
      AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL AND a.shipped_at < report.as_of
    RETURNING a.product_id, a.quantity
)
SELECT product_id, sum(quantity)::bigint AS units FROM marked GROUP BY product_id";
        let binds = vec![
            Bind::Text(vendor_id.as_str().to_owned()),
            Bind::Timestamp(to_pg(as_of)),
            texts(product_ids.iter().map(ProductId::as_str)),
        ];
        let marked: Vec<KnownRow> = self.load(SQL, binds).await?;
        marked
            .into_iter()
            .map(|row| {
                let units = u64::try_from(row.units).map_err(stored::corrupt(
                    "allocations",
                    "quantity",
                    &row.product_id,
                ))?;
                Ok((stored::product_id(row.product_id, "allocations")?, units))
            })
            .collect()
    }

    async fn record_sync(
        &mut self,
        vendor_id: &VendorId,
        record: &SyncRecord,
    ) -> Result<Timestamp, StoreError> {
        const SQL: &str = "
UPDATE vendor_syncs SET outcome = $1, finished_at = clock_timestamp(), duration_ms = $2,
    received = $3, changed = $4, error = $5,
    applied_as_of = coalesce($6, applied_as_of), full_as_of = coalesce($7, full_as_of)
WHERE vendor_id = $8 RETURNING finished_at AS moment";
        let count = |number: u64| Bind::BigInt(i64::try_from(number).unwrap_or(i64::MAX));
        let as_of = record.as_of.map(to_pg);
        let took_ms = u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX);
        let binds = vec![
            Bind::Text(record.outcome.as_str().to_owned()),
            count(took_ms),
            count(record.received),
            count(record.changed),
            Bind::OptionalText(record.error.clone()),
            Bind::OptionalTimestamp(as_of),
            Bind::OptionalTimestamp(as_of.filter(|_| record.full)),
            Bind::Text(vendor_id.as_str().to_owned()),
        ];
        let written: Vec<MomentRow> = self.load(SQL, binds).await?;
        self.expect_rows("recording a sync", written.len(), 1)?;
        let end = written.first().map(|row| from_pg(row.moment));
        end.ok_or_else(|| StoreError::Failed("a sync was recorded without its time".into()))
    }
}
