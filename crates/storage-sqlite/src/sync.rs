//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{StoreError, SyncRecord, SyncRepository, VendorSyncState};
use domain::report::{Report, ReportKind};
use domain::stored;
use domain::timestamp::Timestamp;

use crate::error::expect_one;
use crate::rows::{self, ProductIdRow};
use crate::statement::{Bind, execute, json, load};
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    applied_as_of: Option<i64>,
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = Integer)]
    quantity: i32,
}

/// The report is put into a table of its own once, with an index: it may have as many lines as the vendor has products.
const AFFECTED: &str = "
WITH vendor AS (SELECT ? AS vendor_id, ? AS as_of, ? AS is_full)
SELECT r.product_id FROM temp.report r CROSS JOIN vendor v
LEFT JOIN vendor_stock p ON p.product_id = r.product_id AND p.vendor_id = v.vendor_id
WHERE p.reported IS NOT r.quantity
UNION
SELECT p.product_id FROM vendor v JOIN vendor_stock p USING (vendor_id)
WHERE v.is_full AND p.reported <> 0
  AND NOT EXISTS (SELECT 1 FROM temp.report r WHERE r.product_id = p.product_id)
UNION
SELECT a.product_id FROM vendor v JOIN allocations a USING (vendor_id)
WHERE a.shipped_at < v.as_of AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL
  AND (v.is_full OR EXISTS (SELECT 1 FROM temp.report r WHERE r.product_id = a.product_id))
ORDER BY product_id";

fn affected(
    connection: &mut SqliteConnection,
    lines: &[(String, u32)],
    vendor: [Bind; 3],
    now: Timestamp,
) -> Result<Vec<ProductId>, StoreError> {
    const TABLE: &str = "
CREATE TEMP TABLE IF NOT EXISTS report (
    product_id TEXT NOT NULL PRIMARY KEY, quantity INTEGER NOT NULL
) STRICT, WITHOUT ROWID";
    const CLEAR: &str = "DELETE FROM temp.report";
    const LINE: &str = "INSERT INTO temp.report (product_id, quantity) VALUES (?, ?)";
    const CREATE: &str = "
INSERT INTO stock (product_id, updated_at) SELECT product_id, ? FROM temp.report WHERE true
ON CONFLICT (product_id) DO NOTHING";

    execute(connection, TABLE, [])?;
    execute(connection, CLEAR, [])?;
    for (product_id, units) in lines {
        let binds = [product_id.as_str().into(), (*units).into()];
        execute(connection, LINE, binds)?;
    }
    execute(connection, CREATE, [now.into()])?;
    let found: Vec<ProductIdRow> = load(connection, AFFECTED, vendor)?;
    execute(connection, CLEAR, [])?;
    rows::product_ids(found, "stock")
}

fn mark_known(
    connection: &mut SqliteConnection,
    binds: [Bind; 4],
) -> Result<BTreeMap<ProductId, u64>, StoreError> {
    const SQL: &str = "
UPDATE allocations SET known_as_of = ?
WHERE vendor_id = ? AND product_id IN (SELECT value FROM json_each(?))
  AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at < ?
RETURNING product_id, quantity";
    let marked: Vec<KnownRow> = load(connection, SQL, binds)?;
    let mut known = BTreeMap::new();
    for row in marked {
        let units = stored::units(row.quantity, "allocations", "quantity", &row.product_id)?;
        let product_id = stored::product_id(row.product_id, "allocations")?;
        *known.entry(product_id).or_default() += u64::from(units);
    }
    Ok(known)
}

fn record(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
    record: &SyncRecord,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    const SQL: &str = "
UPDATE vendor_syncs SET outcome = ?, finished_at = ?, duration_ms = ?, received = ?, changed = ?, error = ?,
    applied_as_of = coalesce(?, applied_as_of), full_as_of = coalesce(?, full_as_of)
WHERE vendor_id = ?";
    let count = |number: u64| Bind::from(i64::try_from(number).unwrap_or(i64::MAX));
    let took_ms = u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX);
    let binds = [
        record.outcome.as_str().into(),
        now.into(),
        count(took_ms),
        count(record.received),
        count(record.changed),
        record.error.as_deref().into(),
        record.as_of.into(),
        record.as_of.filter(|_| record.full).into(),
        vendor_id.into(),
    ];
    let written = execute(connection, SQL, binds)?;
    expect_one("recording a sync of vendor", vendor_id, written)?;
    Ok(now)
}

#[async_trait]
impl SyncRepository for SqliteUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        const SQL: &str =
            "SELECT applied_as_of FROM vendor_syncs WHERE vendor_id = ? AND configured";
        let vendor_id = Bind::from(vendor_id);
        self.call(move |connection, _| {
            let found: Vec<StateRow> = load(connection, SQL, [vendor_id])?;
            Ok(found.first().map(|row| VendorSyncState {
                last_as_of: row.applied_as_of.map(Timestamp::from_micros),
            }))
        })
        .await
    }

    async fn affected_by(
        &mut self,
        vendor_id: &VendorId,
        report: &Report,
        as_of: Timestamp,
    ) -> Result<Vec<ProductId>, StoreError> {
        let lines: Vec<(String, u32)> = report
            .quantities()
            .iter()
            .map(|(product_id, units)| (product_id.as_str().to_owned(), *units))
            .collect();
        let is_full = report.kind() == ReportKind::Full;
        let vendor = [vendor_id.into(), as_of.into(), is_full.into()];
        self.call(move |connection, now| affected(connection, &lines, vendor, now()))
            .await
    }

    async fn mark_known(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        as_of: Timestamp,
    ) -> Result<BTreeMap<ProductId, u64>, StoreError> {
        let binds = [
            as_of.into(),
            vendor_id.into(),
            json(product_ids.iter().map(ProductId::as_str)),
            as_of.into(),
        ];
        self.call(move |connection, _| mark_known(connection, binds))
            .await
    }

    async fn record_sync(
        &mut self,
        vendor_id: &VendorId,
        sync: &SyncRecord,
    ) -> Result<Timestamp, StoreError> {
        let (vendor_id, sync) = (vendor_id.clone(), sync.clone());
        self.call(move |connection, now| record(connection, &vendor_id, &sync, now()))
            .await
    }
}
