//! Renames a vendor.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use domain::identifiers::VendorId;
use domain::ports::{RenamedVendor, StoreError, VendorRename, VendorRenameRepository};
use domain::vendor_set::ConfiguredVendor;

use crate::statement::Bind;
use crate::unit_of_work::PgUnitOfWork;
use crate::vendor_set::configured_vendor;

#[derive(QueryableByName)]
struct SourceRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = Bool)]
    is_known: bool,
    #[diesel(sql_type = Bool)]
    is_taken: bool,
}

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
        const SQL: &str = "SELECT vendor_id, source FROM vendor_syncs ORDER BY vendor_id";
        let found: Vec<SourceRow> = self.load(SQL, Vec::new()).await?;
        let found = found.into_iter();
        found
            .map(|row| configured_vendor(row.vendor_id, row.source))
            .collect()
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
        let ids = || {
            vec![
                Bind::Text(old.as_str().to_owned()),
                Bind::Text(new.as_str().to_owned()),
            ]
        };
        let known: Vec<KnownRow> = self.load(KNOWN, ids()).await?;
        let known = known.first();
        if known.is_some_and(|row| row.is_taken) {
            return Ok(VendorRename::Taken);
        }
        if !known.is_some_and(|row| row.is_known) {
            return Ok(VendorRename::NotFound);
        }
        let renamed: Vec<RenamedRow> = self.load(RENAME, ids()).await?;
        let renamed = renamed.first().map(|row| RenamedVendor {
            positions: row.positions.unsigned_abs(),
            allocations: row.allocated.unsigned_abs(),
        });
        renamed
            .map(VendorRename::Done)
            .ok_or_else(|| StoreError::Failed("renaming a vendor returned no row".into()))
    }
}
