//! Vendors' reports inside a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::evidence::ReportOrder;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{StoreError, SyncRecord, SyncRepository, VendorSyncState};
use domain::report::{Report, ReportKind};
use domain::report_history::ReportHistory;
use domain::stored::{self, StoredHistory};
use domain::timestamp::Timestamp;

use crate::error::expect_one;
use crate::rows::{self, ProductIdRow, ProofRow};
use crate::statement::{Bind, execute, json, load};
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    applied_as_of: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    applied_requested_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    full_as_of: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    full_requested_at: Option<i64>,
    #[diesel(embed)]
    proof: ProofRow,
    #[diesel(sql_type = Nullable<Text>)]
    claims: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    quarantined: Option<String>,
    #[diesel(sql_type = Bool)]
    has_stock: bool,
    #[diesel(sql_type = Bool)]
    has_future_shipments: bool,
}

impl StateRow {
    fn into_state(self, vendor_id: &str, now: Timestamp) -> Result<VendorSyncState, StoreError> {
        let moment = |micros: Option<i64>| micros.map(Timestamp::from_micros);
        let history = StoredHistory {
            applied_as_of: moment(self.applied_as_of),
            applied_requested_at: moment(self.applied_requested_at),
            full_as_of: moment(self.full_as_of),
            full_requested_at: moment(self.full_requested_at),
            clock_skew_ms: self.proof.clock_skew_ms,
            proof: self.proof.into(),
            claims: self.claims,
            quarantined: self.quarantined,
        };
        Ok(VendorSyncState {
            now,
            history: stored::report_history(vendor_id, history)?,
            has_stock: self.has_stock,
            has_future_shipments: self.has_future_shipments,
        })
    }
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = Integer)]
    quantity: i32,
}

/// The report is put into a table of its own once, with an index: it may have as many lines as the vendor has products.
/// Row comparison sorts by as-of, then by the time of the request; rows of earlier versions have no such time.
const AFFECTED: &str = "
WITH incoming AS (
    SELECT ? AS vendor_id, ? AS proven_as_of, ? AS is_full, ? AS as_of, ? AS requested_at, ? AS now
)
SELECT r.product_id FROM temp.report r CROSS JOIN incoming v
LEFT JOIN vendor_stock p ON p.product_id = r.product_id AND p.vendor_id = v.vendor_id
WHERE p.product_id IS NULL OR max(p.as_of, coalesce(p.requested_at, p.as_of)) > v.now
   OR CASE WHEN v.is_full THEN p.reported <> r.quantity
           ELSE (p.as_of, coalesce(p.requested_at, p.as_of)) <= (v.as_of, v.requested_at) END
UNION
SELECT p.product_id FROM incoming v JOIN vendor_stock p USING (vendor_id)
WHERE v.is_full AND (p.reported <> 0 OR max(p.as_of, coalesce(p.requested_at, p.as_of)) > v.now)
  AND NOT EXISTS (SELECT 1 FROM temp.report r WHERE r.product_id = p.product_id)
UNION
SELECT a.product_id FROM incoming v JOIN allocations a USING (vendor_id)
WHERE v.is_full AND a.shipped_at < v.proven_as_of AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL
ORDER BY product_id";

fn affected(
    connection: &mut SqliteConnection,
    lines: &[(String, u32)],
    incoming: [Bind; 5],
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
    let [vendor_id, proven_as_of, is_full, as_of, requested_at] = incoming;
    let binds = [
        vendor_id,
        proven_as_of,
        is_full,
        as_of,
        requested_at,
        now.into(),
    ];
    let found: Vec<ProductIdRow> = load(connection, AFFECTED, binds)?;
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
UPDATE vendor_syncs SET outcome = ?, finished_at = ?, duration_ms = ?, received = ?, changed = ?, error = ?
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
INSERT INTO vendor_evidence (vendor_id, applied_requested_at, full_requested_at, as_of, evidence, no_evidence,
    clock_skew_ms, claims, quarantined)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (vendor_id) DO UPDATE SET applied_requested_at = excluded.applied_requested_at,
    full_requested_at = excluded.full_requested_at, as_of = excluded.as_of, evidence = excluded.evidence,
    no_evidence = excluded.no_evidence, clock_skew_ms = excluded.clock_skew_ms, claims = excluded.claims,
    quarantined = excluded.quarantined";

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
        row.proof.as_of.into(),
        row.proof.evidence.as_deref().into(),
        row.proof.no_evidence.as_deref().into(),
        Bind::Integer(row.clock_skew_ms),
        row.claims.as_deref().into(),
        row.quarantined.as_deref().into(),
    ];
    let written = execute(connection, EVIDENCE, evidence)?;
    expect_one("recording the evidence of", vendor_id, written)
}

fn lock_vendor(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
    now: Timestamp,
) -> Result<Option<VendorSyncState>, StoreError> {
    const SQL: &str = "
SELECT v.applied_as_of, e.applied_requested_at, v.full_as_of, e.full_requested_at, e.as_of, e.evidence, e.no_evidence,
    e.clock_skew_ms, e.claims, e.quarantined,
    EXISTS (SELECT 1 FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.reported > 0) AS has_stock,
    EXISTS (
        SELECT 1 FROM allocations a
        WHERE a.vendor_id = v.vendor_id AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL AND a.shipped_at > ?
    ) AS has_future_shipments
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = ? AND v.configured";
    let found: Vec<StateRow> = load(connection, SQL, [now.into(), vendor_id.into()])?;
    found
        .into_iter()
        .next()
        .map(|row| row.into_state(vendor_id.as_str(), now))
        .transpose()
}

#[async_trait]
impl SyncRepository for SqliteUnitOfWork {
    async fn lock_vendor(
        &mut self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        let vendor_id = vendor_id.clone();
        self.call(move |connection, now| lock_vendor(connection, &vendor_id, now()))
            .await
    }

    async fn affected_by(
        &mut self,
        vendor_id: &VendorId,
        report: &Report,
        order: ReportOrder,
        proven_as_of: Option<Timestamp>,
    ) -> Result<Vec<ProductId>, StoreError> {
        let lines: Vec<(String, u32)> = report
            .quantities()
            .iter()
            .map(|(product_id, units)| (product_id.as_str().to_owned(), *units))
            .collect();
        let is_full = report.kind() == ReportKind::Full;
        let incoming = [
            vendor_id.into(),
            proven_as_of.into(),
            is_full.into(),
            order.as_of.into(),
            order.requested_at.into(),
        ];
        self.call(move |connection, now| affected(connection, &lines, incoming, now()))
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
        // No product id is empty, so all come after the empty text.
        let after = after.map(ProductId::into_string).unwrap_or_default();
        let binds = [vendor_id.into(), after.as_str().into(), limit.into()];
        self.call(move |connection, _| {
            rows::product_ids(load(connection, sql, binds)?, "vendor_stock")
        })
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
