//! Renames a vendor.

use async_trait::async_trait;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query};
use domain::identifiers::VendorId;
use domain::ports::{RenamedVendor, StoreError, VendorRename, VendorRenameRepository};
use domain::vendor_set::ConfiguredVendor;
use storage_sql::SOURCES;

use crate::error::store_error;
use crate::statement::{execute, load};
use crate::unit_of_work::SqliteUnitOfWork;

/// A table with a column that refers to a vendor.
#[derive(QueryableByName)]
struct ChildRow {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Text)]
    vendor_column: String,
}

fn rename(
    connection: &mut SqliteConnection,
    old: &VendorId,
    new: &VendorId,
) -> Result<VendorRename, StoreError> {
    const KNOWN: &str = "
SELECT EXISTS (SELECT 1 FROM vendor_syncs WHERE vendor_id = $1) AS is_known,
       EXISTS (SELECT 1 FROM vendor_stock WHERE vendor_id = $2) AS is_taken";
    const CHILDREN: &str = "
SELECT t.name AS child, f.\"from\" AS vendor_column
FROM sqlite_schema t, pragma_foreign_key_list(t.name) f
WHERE t.type = 'table' AND f.\"table\" = 'vendor_syncs' ORDER BY t.name";
    const REPLACED: &str = "DELETE FROM vendor_syncs WHERE vendor_id = $1";
    const VENDOR: &str = "UPDATE vendor_syncs SET vendor_id = $1 WHERE vendor_id = $2";
    const ALLOCATIONS: &str = "UPDATE allocations SET vendor_id = $1 WHERE vendor_id = $2";

    let known = load(connection, KNOWN, vec![old.into(), new.into()])?;
    if let Some(obstacle) = storage_sql::rename_obstacle(known)? {
        return Ok(obstacle);
    }
    let children: Vec<ChildRow> = load(connection, CHILDREN, Vec::new())?;
    // Rows refer to the old id until the last of them is renamed.
    connection
        .batch_execute("PRAGMA defer_foreign_keys = ON")
        .map_err(store_error)?;
    let mut positions = 0;
    for ChildRow {
        child,
        vendor_column,
    } in &children
    {
        sql_query(format!(
            "DELETE FROM \"{child}\" WHERE \"{vendor_column}\" = ?"
        ))
        .bind::<Text, _>(new.as_str())
        .execute(connection)
        .map_err(store_error)?;
        let moved = sql_query(format!(
            "UPDATE \"{child}\" SET \"{vendor_column}\" = ? WHERE \"{vendor_column}\" = ?"
        ))
        .bind::<Text, _>(new.as_str())
        .bind::<Text, _>(old.as_str())
        .execute(connection)
        .map_err(store_error)?;
        if child == "vendor_stock" {
            positions = moved;
        }
    }
    execute(connection, REPLACED, vec![new.into()])?;
    execute(connection, VENDOR, vec![new.into(), old.into()])?;
    let allocations = execute(connection, ALLOCATIONS, vec![new.into(), old.into()])?;
    Ok(VendorRename::Done(RenamedVendor {
        positions: positions as u64,
        allocations: allocations as u64,
    }))
}

#[async_trait]
impl VendorRenameRepository for SqliteUnitOfWork {
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError> {
        storage_sql::vendor_sources(self.load(SOURCES, Vec::new()).await?)
    }

    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.call(move |connection, _| rename(connection, &old, &new))
            .await
    }
}
