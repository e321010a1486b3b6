//! Renames a vendor.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use domain::identifiers::VendorId;
use domain::ports::{RenamedVendor, StoreError, VendorRename, VendorRenameRepository};
use domain::vendor_set::ConfiguredVendor;
use storage_sql::SOURCES;

use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct RenamedRow {
    #[diesel(sql_type = BigInt)]
    positions: i64,
    #[diesel(sql_type = BigInt)]
    allocated: i64,
}

#[async_trait]
impl VendorRenameRepository for PgUnitOfWork {
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError> {
        storage_sql::vendor_sources(self.load(SOURCES, Vec::new()).await?)
    }

    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError> {
        // Conflicts with every row lock, in the lock order: an order that is being settled or cancelled would search
        // for its stock row under the old id.
        const LOCK: &str = "LOCK TABLE vendor_sets, vendor_syncs, orders, stock, vendor_stock, allocations IN EXCLUSIVE MODE";
        const KNOWN: &str = "
SELECT EXISTS (SELECT FROM vendor_syncs WHERE vendor_id = $1) AS is_known,
       EXISTS (SELECT FROM vendor_stock WHERE vendor_id = $2) AS is_taken";
        const RENAME: &str = "SELECT positions, allocated FROM rename_vendor($1, $2)";

        self.execute(LOCK, Vec::new()).await?;
        let ids = || vec![old.into(), new.into()];
        let known = self.load(KNOWN, ids()).await?;
        if let Some(obstacle) = storage_sql::rename_obstacle(known)? {
            return Ok(obstacle);
        }
        let renamed: RenamedRow = storage_sql::first(self.load(RENAME, ids()).await?)?;
        Ok(VendorRename::Done(RenamedVendor {
            positions: renamed.positions.unsigned_abs(),
            allocations: renamed.allocated.unsigned_abs(),
        }))
    }
}
