//! Vendor queries.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Timestamptz};
use domain::identifiers::VendorId;
use domain::ports::{StoreError, VendorQueries, VendorStatus};

use crate::rows::{ProofRow, VendorRow, from_pg};
use crate::statement::texts;
use crate::store::PgStore;

#[derive(QueryableByName)]
struct StatusRow {
    #[diesel(embed)]
    vendor: VendorRow,
    #[diesel(embed)]
    proof: ProofRow,
    #[diesel(sql_type = BigInt)]
    products: i64,
    #[diesel(sql_type = Bool)]
    is_expired: bool,
    #[diesel(sql_type = Timestamptz)]
    now: PgTimestamp,
}

#[async_trait]
impl VendorQueries for PgStore {
    async fn find_vendors(&self, vendor_ids: &[VendorId]) -> Result<Vec<VendorStatus>, StoreError> {
        const SQL: &str = "
SELECT v.vendor_id, v.configured, v.applied_as_of, v.full_as_of, v.outcome, v.finished_at, v.duration_ms, v.received,
    v.changed, v.error, e.as_of, e.evidence, e.no_evidence, e.clock_skew_ms,
    (SELECT count(*) FROM vendor_stock p WHERE p.vendor_id = v.vendor_id) AS products,
    EXISTS (SELECT FROM vendor_stock p WHERE p.vendor_id = v.vendor_id AND p.is_expired) AS is_expired, clock_timestamp() AS now
FROM vendor_syncs v LEFT JOIN vendor_evidence e USING (vendor_id)
WHERE v.vendor_id = ANY($1) ORDER BY v.vendor_id";
        let vendor_ids = texts(vendor_ids.iter().map(VendorId::as_str));
        let found: Vec<StatusRow> = self.load(SQL, vec![vendor_ids]).await?;
        let each = found.into_iter().map(|row| {
            let clock_skew_ms = row.proof.clock_skew_ms;
            let (proof, now) = (row.proof.into(), from_pg(row.now));
            let vendor = row.vendor.into();
            storage_sql::vendor_status(
                vendor,
                row.products,
                proof,
                clock_skew_ms,
                row.is_expired,
                now,
            )
        });
        self.unreadable().leave_out(each)
    }
}
