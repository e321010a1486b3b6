//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::sql_types::{Integer, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::comparison::ReportedStock;
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{LockedVendor, StoreError, SyncRecord, SyncRepository};
use domain::report_history::ReportHistory;
use domain::timestamp::Timestamp;
use storage_sql::{StoredHistory, StoredReport};

use crate::error::expect_one;
use crate::rows;
use crate::statement::{Bind, execute, json, load};
use crate::sync_queries::{HistoryRow, ReportedRow};
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct IncludedRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = Integer)]
    quantity: i32,
}

fn create_products(
    connection: &mut SqliteConnection,
    product_ids: Bind,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "
INSERT INTO stock (product_id, updated_at) SELECT value, ? FROM json_each(?) WHERE true
ON CONFLICT (product_id) DO NOTHING";
    execute(connection, SQL, [now.into(), product_ids]).map(drop)
}

fn find_reported(
    connection: &mut SqliteConnection,
    vendor_id: Bind,
    product_ids: Bind,
) -> Result<Vec<ReportedStock>, StoreError> {
    const SQL: &str = storage_sql::reported_stock!(
        "?",
        "p.product_id IN (SELECT value FROM json_each(?)) ORDER BY p.product_id"
    );
    let found: Vec<ReportedRow> = load(connection, SQL, [vendor_id, product_ids])?;
    let found = found.into_iter().map(StoredReport::from);
    found.map(storage_sql::reported_stock).collect()
}

fn mark_included(
    connection: &mut SqliteConnection,
    binds: [Bind; 4],
) -> Result<BTreeMap<ProductId, u64>, StoreError> {
    const SQL: &str = "
UPDATE allocations SET known_as_of = ?
WHERE vendor_id = ? AND product_id IN (SELECT value FROM json_each(?))
  AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at < ?
RETURNING product_id, quantity";
    let marked: Vec<IncludedRow> = load(connection, SQL, binds)?;
    let mut known = BTreeMap::new();
    for row in marked {
        let units = storage_sql::units(row.quantity, "allocations", "quantity", &row.product_id)?;
        let product_id = storage_sql::product_id(row.product_id, "allocations")?;
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
UPDATE vendor_syncs SET outcome = ?, finished_at = ?, duration_ms = ?, received = ?, changed = ?, error = ?
WHERE vendor_id = ?";
    let count = |number: u64| Bind::from(i64::try_from(number).unwrap_or(i64::MAX));
    let took_ms = u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX);
    let binds = [
        <&str>::from(record.outcome).into(),
        now.into(),
        count(took_ms),
        count(record.received),
        count(record.changed),
        record.error.as_deref().into(),
        vendor_id.into(),
    ];
    let written = execute(connection, SQL, binds)?;
    expect_one("recording a sync of vendor", vendor_id, written)?;
    Ok(now)
}

fn save_history(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
    row: &StoredHistory,
) -> Result<(), StoreError> {
    const ORDERS: &str =
        "UPDATE vendor_syncs SET applied_as_of = ?, full_as_of = ? WHERE vendor_id = ?";
    const EVIDENCE: &str = "
INSERT INTO vendor_evidence (vendor_id, applied_requested_at, full_requested_at, completed_requested_at, as_of, evidence,
    no_evidence, clock_skew_ms, claims, quarantined, revision)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (vendor_id) DO UPDATE SET applied_requested_at = excluded.applied_requested_at,
    full_requested_at = excluded.full_requested_at, completed_requested_at = excluded.completed_requested_at,
    as_of = excluded.as_of, evidence = excluded.evidence, no_evidence = excluded.no_evidence,
    clock_skew_ms = excluded.clock_skew_ms, claims = excluded.claims, quarantined = excluded.quarantined,
    revision = excluded.revision";

    let orders = [
        row.applied_as_of.into(),
        row.full_as_of.into(),
        vendor_id.into(),
    ];
    let written = execute(connection, ORDERS, orders)?;
    expect_one("recording the order of reports of", vendor_id, written)?;
    let evidence = [
        vendor_id.into(),
        row.applied_requested_at.into(),
        row.full_requested_at.into(),
        row.completed_requested_at.into(),
        row.proof.as_of.into(),
        row.proof.evidence.as_deref().into(),
        row.proof.no_evidence.as_deref().into(),
        Bind::Integer(row.clock_skew_ms),
        row.claims.as_deref().into(),
        row.quarantined.as_deref().into(),
        Bind::from(row.revision.unwrap_or_default()),
    ];
    let written = execute(connection, EVIDENCE, evidence)?;
    expect_one("recording the evidence of", vendor_id, written)
}

fn lock_vendor(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
) -> Result<Option<LockedVendor>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        storage_sql::history_columns!(),
        "
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = ? AND v.configured"
    );
    let found: Vec<HistoryRow> = load(connection, SQL, [vendor_id.into()])?;
    let found = found.into_iter().next();
    found.map(|row| row.into_vendor(vendor_id)).transpose()
}

#[async_trait]
impl SyncRepository for SqliteUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<LockedVendor>, StoreError> {
        let vendor_id = vendor_id.clone();
        self.call(move |connection, _| lock_vendor(connection, &vendor_id))
            .await
    }

    async fn find_reported_stock(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
    ) -> Result<Vec<ReportedStock>, StoreError> {
        let vendor_id = Bind::from(vendor_id);
        let product_ids = json(product_ids.iter().map(ProductId::as_str));
        self.call(move |connection, _| find_reported(connection, vendor_id, product_ids))
            .await
    }

    async fn create_products(&mut self, product_ids: &[ProductId]) -> Result<(), StoreError> {
        let product_ids = json(product_ids.iter().map(ProductId::as_str));
        self.call(move |connection, now| create_products(connection, product_ids, now()))
            .await
    }

    async fn mark_included(
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
        self.call(move |connection, _| mark_included(connection, binds))
            .await
    }

    async fn advance_as_of(
        &mut self,
        vendor_id: &VendorId,
        product_ids: &[ProductId],
        order: ReportOrder,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
UPDATE vendor_stock SET as_of = ?, requested_at = ?
WHERE vendor_id = ? AND product_id IN (SELECT value FROM json_each(?))";
        let binds = [
            order.as_of.into(),
            order.requested_at.into(),
            vendor_id.into(),
            json(product_ids.iter().map(ProductId::as_str)),
        ];
        self.call(move |connection, _| execute(connection, SQL, binds).map(drop))
            .await
    }

    async fn repair_shipments(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE allocations SET shipped_at = ?
WHERE vendor_id = ? AND shipped_at IS NOT NULL AND known_as_of IS NULL AND shipped_at > ?";
        let vendor_id = Bind::from(vendor_id);
        self.call(move |connection, now| {
            let now = now();
            Ok(execute(connection, SQL, [now.into(), vendor_id, now.into()])? as u64)
        })
        .await
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
WHERE vendor_id = ? AND is_expired AND product_id > ? ORDER BY product_id LIMIT ?";
        const OTHERS: &str = "
SELECT product_id FROM vendor_stock
WHERE vendor_id = ? AND NOT is_expired AND product_id > ? ORDER BY product_id LIMIT ?";
        let sql = if is_expired { EXPIRED } else { OTHERS };
        // A product id is never empty, so every id is greater than the empty text.
        let after = after.map(ProductId::into_string).unwrap_or_default();
        let binds = [vendor_id.into(), after.as_str().into(), limit.into()];
        self.call(move |connection, _| {
            rows::product_ids(load(connection, sql, binds)?, "vendor_stock")
        })
        .await
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
