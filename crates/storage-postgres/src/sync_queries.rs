//! The state with which vendors' reports are compared.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use domain::comparison::ReportedStock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{LockedVendor, StoreError, SyncQueries, VendorSyncState};
use storage_sql::{StoredHistory, StoredReport};

use crate::rows::{ProofRow, from_pg};
use crate::statement::Bind;
use crate::store::PgStore;

#[derive(QueryableByName)]
pub(crate) struct HistoryRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    configured_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    applied_as_of: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    applied_requested_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    full_as_of: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    full_requested_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    completed_requested_at: Option<PgTimestamp>,
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
            applied_as_of: self.applied_as_of.map(from_pg),
            applied_requested_at: self.applied_requested_at.map(from_pg),
            full_as_of: self.full_as_of.map(from_pg),
            full_requested_at: self.full_requested_at.map(from_pg),
            completed_requested_at: self.completed_requested_at.map(from_pg),
            clock_skew_ms: self.proof.clock_skew_ms,
            proof: self.proof.into(),
            claims: self.claims,
            quarantined: self.quarantined,
            revision: self.revision,
        };
        Ok(LockedVendor {
            configured_at: self.configured_at.map(from_pg),
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
    #[diesel(sql_type = Timestamptz)]
    now: PgTimestamp,
}

#[derive(QueryableByName)]
pub(crate) struct ReportedRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = Integer)]
    reported: i32,
    #[diesel(sql_type = Timestamptz)]
    as_of: PgTimestamp,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    requested_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_shipment: Option<PgTimestamp>,
}

impl From<ReportedRow> for StoredReport {
    fn from(row: ReportedRow) -> Self {
        Self {
            product_id: row.product_id,
            reported: row.reported,
            as_of: from_pg(row.as_of),
            requested_at: row.requested_at.map(from_pg),
            oldest_shipment: row.oldest_shipment.map(from_pg),
        }
    }
}

#[async_trait]
impl SyncQueries for PgStore {
    async fn find_sync_state(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<VendorSyncState>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            storage_sql::history_columns!(),
            ",
    EXISTS (SELECT FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.reported > 0) AS has_stock,
    EXISTS (
        SELECT FROM allocations a
        WHERE a.vendor_id = v.vendor_id AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL
          AND a.shipped_at > clock_timestamp()
    ) AS has_future_shipments,
    clock_timestamp() AS now
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id) WHERE v.vendor_id = $1 AND v.configured"
        );
        let id = vec![Bind::Text(vendor_id.as_str().to_owned())];
        let found: Vec<StateRow> = self.load(SQL, id).await?;
        let Some(row) = found.into_iter().next() else {
            return Ok(None);
        };
        let vendor = row.history.into_vendor(vendor_id)?;
        Ok(Some(VendorSyncState {
            now: from_pg(row.now),
            history: vendor.history,
            configured_at: vendor.configured_at,
            has_stock: row.has_stock,
            has_future_shipments: row.has_future_shipments,
        }))
    }

    async fn list_reported_stock(
        &self,
        vendor_id: &VendorId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ReportedStock>, StoreError> {
        const SQL: &str =
            storage_sql::reported_stock!("$1", "p.product_id > $2 ORDER BY p.product_id LIMIT $3");
        // A product id is never empty, so every id is greater than the empty text.
        let mut after = after.map(ProductId::into_string).unwrap_or_default();
        let mut rows = Vec::new();
        loop {
            let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let binds = vec![
                Bind::Text(vendor_id.as_str().to_owned()),
                Bind::Text(after),
                Bind::BigInt(i64::from(left)),
            ];
            let found: Vec<ReportedRow> = self.load(SQL, binds).await?;
            let seen = found.len();
            let last = found.last().map(|row| row.product_id.clone());
            let each = found.into_iter().map(StoredReport::from);
            let each = each.map(storage_sql::reported_stock);
            let readable = self.unreadable().leave_out(each)?;
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
