//! The lines of reports in quarantine.

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{QuarantineRepository, StoreError};
use domain::timestamp::Timestamp;

use crate::statement::execute;
use crate::unit_of_work::SqliteUnitOfWork;

#[async_trait]
impl QuarantineRepository for SqliteUnitOfWork {
    async fn add_quarantined_lines(
        &mut self,
        vendor_id: &VendorId,
        requested_at: Timestamp,
        lines: &[(ProductId, u32)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO quarantined_lines (vendor_id, requested_at, product_id, quantity) VALUES ($1, $2, $3, $4)
ON CONFLICT DO UPDATE SET quantity = excluded.quantity";
        let (vendor_id, lines) = (vendor_id.clone(), lines.to_vec());
        self.call(move |connection, _| {
            for (product_id, units) in &lines {
                let binds = vec![
                    (&vendor_id).into(),
                    requested_at.into(),
                    product_id.into(),
                    (*units).into(),
                ];
                execute(connection, SQL, binds)?;
            }
            Ok(())
        })
        .await
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
DELETE FROM quarantined_lines WHERE (vendor_id, requested_at, product_id) IN (
    SELECT vendor_id, requested_at, product_id FROM quarantined_lines WHERE vendor_id = $1 AND requested_at < $2
    UNION ALL
    SELECT vendor_id, requested_at, product_id FROM quarantined_lines WHERE vendor_id = $1 AND requested_at > $2
    LIMIT $3
)";
        let binds = storage_sql::removed_lines_binds(vendor_id, kept, limit);
        self.execute(SQL, binds).await
    }
}
