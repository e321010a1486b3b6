//! The vendor set, inside a transaction and in queries.

use async_trait::async_trait;
use diesel::SqliteConnection;
use domain::identifiers::VendorId;
use domain::ports::{
    FirstSyncs, OtherVendors, StoreError, StoredVendorSet, SwitchedVendors, VendorSetQueries,
    VendorSetRecord, VendorSetRepository,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, VendorSetDigest, VendorSource};
use storage_sql::{Bind, MEMBERS, SwitchedRow};

use crate::pauses;
use crate::statement::{execute, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

fn switched_ids(switched: &[SwitchedRow]) -> Bind {
    Bind::texts(switched.iter().map(|row| row.vendor_id.as_str()))
}

fn configure(
    connection: &mut SqliteConnection,
    vendors: &[ConfiguredVendor],
    others: OtherVendors,
    now: Timestamp,
) -> Result<SwitchedVendors, StoreError> {
    const CREATE: &str = "
INSERT INTO vendor_syncs (vendor_id, configured) VALUES ($1, 0) ON CONFLICT (vendor_id) DO NOTHING";
    const SOURCE: &str =
        "UPDATE vendor_syncs SET source = $1 WHERE vendor_id = $2 AND source IS NOT $1";
    const ON: &str = "
UPDATE vendor_syncs SET configured = 1, configured_at = $1, outcome = NULL, finished_at = NULL,
    duration_ms = NULL, received = NULL, changed = NULL, error = NULL
WHERE NOT configured AND vendor_id IN (SELECT value FROM json_each($2)) RETURNING vendor_id, configured";
    const OFF: &str = "
UPDATE vendor_syncs SET configured = 0
WHERE configured AND vendor_id NOT IN (SELECT value FROM json_each($1)) RETURNING vendor_id, configured";
    const PRODUCTS: &str = "
SELECT DISTINCT product_id FROM vendor_stock
WHERE vendor_id IN (SELECT value FROM json_each($1)) ORDER BY product_id";

    for vendor in vendors {
        let vendor_id = &vendor.vendor_id;
        let source = vendor.source.as_ref().map(VendorSource::as_str);
        execute(connection, CREATE, vec![vendor_id.into()])?;
        execute(connection, SOURCE, vec![source.into(), vendor_id.into()])?;
    }
    let ids = Bind::texts(vendors.iter().map(|vendor| vendor.vendor_id.as_str()));
    let mut switched: Vec<SwitchedRow> = load(connection, ON, vec![now.into(), ids.clone()])?;
    pauses::clear(connection, switched_ids(&switched))?;
    if others == OtherVendors::SwitchOff {
        let off: Vec<SwitchedRow> = load(connection, OFF, vec![ids])?;
        switched.extend(off);
    }
    let products = load(connection, PRODUCTS, vec![switched_ids(&switched)])?;
    let configured = load(connection, MEMBERS, Vec::new())?;
    storage_sql::switched_vendors(switched, configured, products)
}

#[async_trait]
impl VendorSetRepository for SqliteUnitOfWork {
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError> {
        const SQL: &str = "
SELECT count(*) > 0 AS was_applied,
       coalesce(max(version = (SELECT max(version) FROM vendor_sets)), 0) AS is_current
FROM vendor_sets WHERE digest = $1";
        storage_sql::set_record(self.load(SQL, vec![digest.as_str().into()]).await?)
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_sets (digest, version, first_applied_at, applied_at)
SELECT $1, coalesce(max(version), 0) + 1, $2, $2 FROM vendor_sets WHERE true
ON CONFLICT (digest) DO UPDATE SET version = excluded.version, applied_at = excluded.applied_at";
        let binds = vec![digest.as_str().into(), self.now().into()];
        self.execute(SQL, binds).await.map(drop)
    }

    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError> {
        let vendors = vendors.to_vec();
        self.call(move |connection, now| configure(connection, &vendors, others, now()))
            .await
    }

    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError> {
        const SQL: &str = "
SELECT $1 AS now, count(*) AS untried, max(configured_at) AS configured_at
FROM vendor_syncs
WHERE configured AND source IS NOT NULL AND (finished_at IS NULL OR outcome = 'NOT_READY')";
        let now = self.now();
        storage_sql::first_syncs(self.load(SQL, vec![now.into()]).await?)
    }

    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE outbox SET not_before = NULL
WHERE not_before IS NOT NULL AND EXISTS (
    SELECT 1 FROM vendor_syncs
    WHERE vendor_id = $1 AND configured AND (finished_at IS NULL OR outcome = 'NOT_READY')
)";
        self.execute(SQL, vec![vendor_id.into()]).await
    }
}

#[async_trait]
impl VendorSetQueries for SqliteStore {
    async fn find_vendor_set(
        &self,
        digest: &VendorSetDigest,
    ) -> Result<StoredVendorSet, StoreError> {
        const SQL: &str = "
SELECT s.was_applied, s.is_current, v.vendor_id, v.source, v.configured_at
FROM (
    SELECT count(*) > 0 AS was_applied,
           coalesce(max(version = (SELECT max(version) FROM vendor_sets)), 0) AS is_current
    FROM vendor_sets WHERE digest = $1
) s LEFT JOIN vendor_syncs v ON v.configured ORDER BY v.vendor_id";
        storage_sql::stored_vendor_set(self.load(SQL, vec![digest.as_str().into()]).await?)
    }
}
