//! The state with which vendors' reports are compared.

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::comparison::ReportedStock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{LockedVendor, StoreError, SyncQueries, VendorSyncState};
use domain::timestamp::Timestamp;
use storage_sql::{StoredHistory, StoredReport};

use crate::rows::ProofRow;
use crate::statement::{Bind, load};
use crate::store::SqliteStore;

fn instant(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

#[derive(QueryableByName)]
pub(crate) struct HistoryRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    configured_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    applied_as_of: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    applied_requested_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    full_as_of: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    full_requested_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    completed_requested_at: Option<i64>,
    #[diesel(embed)]
    proof: ProofRow,
    #[diesel(sql_type = Nullable<Text>)]
    claims: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    quarantined: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    revision: Option<i64>,
}

impl HistoryRow {
    pub(crate) fn into_vendor(self, vendor_id: &VendorId) -> Result<LockedVendor, StoreError> {
        let history = StoredHistory {
            applied_as_of: instant(self.applied_as_of),
            applied_requested_at: instant(self.applied_requested_at),
            full_as_of: instant(self.full_as_of),
            full_requested_at: instant(self.full_requested_at),
            completed_requested_at: instant(self.completed_requested_at),
            clock_skew_ms: self.proof.clock_skew_ms,
            proof: self.proof.into(),
            claims: self.claims,
            quarantined: self.quarantined,
            revision: self.revision,
        };
        Ok(LockedVendor {
            configured_at: instant(self.configured_at),
            history: storage_sql::report_history(vendor_id.as_str(), history)?,
        })
    }
}

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(embed)]
    history: HistoryRow,
    #[diesel(sql_type = Bool)]
    has_stock: bool,
    #[diesel(sql_type = Bool)]
    has_future_shipments: bool,
}

#[derive(QueryableByName)]
pub(crate) struct ReportedRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = Integer)]
    reported: i32,
    #[diesel(sql_type = BigInt)]
    as_of: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    requested_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest_shipment: Option<i64>,
}

impl From<ReportedRow> for StoredReport {
    fn from(row: ReportedRow) -> Self {
        Self {
            product_id: row.product_id,
            reported: row.reported,
            as_of: Timestamp::from_micros(row.as_of),
            requested_at: instant(row.requested_at),
            oldest_shipment: instant(row.oldest_shipment),
        }
    }
}

pub(crate) const PAGE: &str =
    storage_sql::reported_stock!("?", "p.product_id > ? ORDER BY p.product_id LIMIT ?");

fn state(
    connection: &mut SqliteConnection,
    vendor_id: &VendorId,
    now: Timestamp,
) -> Result<Option<VendorSyncState>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        storage_sql::history_columns!(),
        ",
    EXISTS (SELECT 1 FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.reported > 0) AS has_stock,
    EXISTS (
        SELECT 1 FROM allocations a
        WHERE a.vendor_id = v.vendor_id AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL AND a.shipped_at > ?
    ) AS has_future_shipments
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = ? AND v.configured"
    );
    let found: Vec<StateRow> = load(connection, SQL, [now.into(), vendor_id.into()])?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let vendor = row.history.into_vendor(vendor_id)?;
    Ok(Some(VendorSyncState {
        now,
        history: vendor.history,
        configured_at: vendor.configured_at,
        has_stock: row.has_stock,
        has_future_shipments: row.has_future_shipments,
    }))
}

#[async_trait]
impl SyncQueries for SqliteStore {
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        let (vendor_id, now) = (vendor_id.clone(), self.shared().clock.now());
        self.read(move |connection| state(connection, &vendor_id, now))
            .await
    }

    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        // A product id is never empty, so every id is greater than the empty text.
        let mut after = after.map(ProductId::into_string).unwrap_or_default();
        let mut rows = Vec::new();
        loop {
            let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let binds = [vendor_id.into(), Bind::from(after.as_str()), left.into()];
            let found: Vec<ReportedRow> = self
                .read(move |connection| load(connection, PAGE, binds))
                .await?;
            let seen = found.len();
            let last = found.last().map(|row| row.product_id.clone());
            let each = found.into_iter().map(StoredReport::from);
            let each = each.map(storage_sql::reported_stock);
            let readable = self.shared().unreadable.leave_out(each)?;
            let is_last = seen < usize::try_from(left).unwrap_or(usize::MAX);
            let is_whole = seen == readable.len();
            rows.extend(readable);
            match last {
                // Unreadable rows are replaced by further ones: a short page would mean the end of the list.
                Some(last) if !is_last && !is_whole => after = last,
                _ => return Ok(rows),
            }
        }
    }
}
