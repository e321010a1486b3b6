//! The lines of reports in quarantine.

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{QuarantineRepository, StoreError};
use domain::timestamp::Timestamp;
use storage_sql::Bind;

use crate::unit_of_work::PgUnitOfWork;

#[async_trait]
impl QuarantineRepository for PgUnitOfWork {
    async fn add_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        lines: &[(ProductId, u32)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO quarantined_lines (vendor_id, requested_at, product_id, quantity)
SELECT $1, $2, i.product_id, i.quantity FROM unnest($3, $4) AS i (product_id, quantity)
ON CONFLICT (vendor_id, requested_at, product_id) DO UPDATE SET quantity = excluded.quantity";
        let binds = vec![
            vendor_id.into(),
            requested_at.into(),
            Bind::texts(lines.iter().map(|(product_id, _)| product_id.as_str())),
            Bind::integers(lines.iter().map(|(_, units)| *units)),
        ];
        self.execute(SQL, binds).await.map(drop)
    }

    async fn count_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
    ) -> Result<u64, StoreError> {
        let binds = vec![vendor_id.into(), requested_at.into()];
        let found = self.load(storage_sql::COUNT_QUARANTINED_LINES, binds);
        Ok(storage_sql::count(&found.await?))
    }

    async fn remove_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        kept: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        // Two ranges of the primary key: a filter would read all kept lines.
        const SQL: &str = "
DELETE FROM quarantined_lines WHERE ctid = ANY (ARRAY(
    SELECT u.ctid FROM (
        (SELECT ctid FROM quarantined_lines WHERE vendor_id = $1 AND requested_at < $2 LIMIT $3)
        UNION ALL
        (SELECT ctid FROM quarantined_lines WHERE vendor_id = $1 AND requested_at > $2 LIMIT $3)
    ) AS u LIMIT $3
))";
        let binds = storage_sql::removed_lines_binds(vendor_id, kept, limit);
        Ok(self.execute(SQL, binds).await? as u64)
    }
}
