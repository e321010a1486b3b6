//! The vendor set, inside a transaction and in queries.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{
    FirstSyncs, OtherVendors, StoreError, StoredVendorSet, SwitchedVendors, VendorSetQueries,
    VendorSetRecord, VendorSetRepository,
};
use domain::vendor_set::{ConfiguredVendor, VendorSetDigest, VendorSource};
use storage_sql::{Bind, MEMBERS, SwitchedRow};

use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

fn vendor_ids(vendors: &[ConfiguredVendor]) -> Bind {
    Bind::texts(vendors.iter().map(|vendor| vendor.vendor_id.as_str()))
}

fn switched_ids(switched: &[SwitchedRow]) -> Bind {
    Bind::texts(switched.iter().map(|row| row.vendor_id.as_str()))
}

#[async_trait]
impl VendorSetRepository for PgUnitOfWork {
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError> {
        const LOCK: &str = "LOCK TABLE vendor_sets IN SHARE ROW EXCLUSIVE MODE";
        const SQL: &str = "
SELECT count(*) > 0 AS was_applied,
       coalesce(bool_or(version = (SELECT max(version) FROM vendor_sets)), false) AS is_current
FROM vendor_sets WHERE digest = $1";
        self.execute(LOCK, Vec::new()).await?;
        storage_sql::set_record(self.load(SQL, vec![digest.as_str().into()]).await?)
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_sets (digest, version)
SELECT $1, coalesce(max(version), 0) + 1 FROM vendor_sets
ON CONFLICT (digest) DO UPDATE SET version = excluded.version, applied_at = clock_timestamp()";
        let written = self.execute(SQL, vec![digest.as_str().into()]).await?;
        self.expect_rows("recording a vendor set", written, 1)
    }

    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError> {
        const CREATE: &str = "
INSERT INTO vendor_syncs (vendor_id, configured)
SELECT vendor_id, false FROM unnest($1) AS i (vendor_id) ORDER BY vendor_id
ON CONFLICT (vendor_id) DO NOTHING";
        const LOCK: &str =
            "SELECT vendor_id FROM vendor_syncs ORDER BY vendor_id FOR NO KEY UPDATE";
        const SOURCE: &str = "
UPDATE vendor_syncs v SET source = i.source FROM unnest($1, $2) AS i (vendor_id, source)
WHERE v.vendor_id = i.vendor_id AND v.source IS DISTINCT FROM i.source";
        const ON: &str = "
UPDATE vendor_syncs SET configured = true, configured_at = clock_timestamp(), outcome = NULL,
    finished_at = NULL, duration_ms = NULL, received = NULL, changed = NULL, error = NULL
WHERE NOT configured AND vendor_id = ANY($1) RETURNING vendor_id, configured";
        const OFF: &str = "
UPDATE vendor_syncs SET configured = false
WHERE configured AND NOT vendor_id = ANY($1) RETURNING vendor_id, configured";
        const PRODUCTS: &str = "
SELECT DISTINCT product_id FROM vendor_stock WHERE vendor_id = ANY($1) ORDER BY product_id";

        self.execute(CREATE, vec![vendor_ids(vendors)]).await?;
        self.execute(LOCK, Vec::new()).await?;
        let sources = vendors.iter().map(|vendor| vendor.source.as_ref());
        let sources = Bind::texts(sources.map(|source| source.map(VendorSource::as_str)));
        self.execute(SOURCE, vec![vendor_ids(vendors), sources])
            .await?;
        let mut switched: Vec<SwitchedRow> = self.load(ON, vec![vendor_ids(vendors)]).await?;
        if !switched.is_empty() {
            self.clear_pauses(switched_ids(&switched)).await?;
        }
        if others == OtherVendors::SwitchOff {
            let off: Vec<SwitchedRow> = self.load(OFF, vec![vendor_ids(vendors)]).await?;
            switched.extend(off);
        }
        let configured = self.load(MEMBERS, Vec::new()).await?;
        let products = if switched.is_empty() {
            Vec::new()
        } else {
            self.load(PRODUCTS, vec![switched_ids(&switched)]).await?
        };
        storage_sql::switched_vendors(switched, configured, products)
    }

    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError> {
        const SQL: &str = "
SELECT clock_timestamp() AS now, count(*) AS untried, max(configured_at) AS configured_at
FROM vendor_syncs
WHERE configured AND source IS NOT NULL AND (finished_at IS NULL OR outcome = 'NOT_READY')";
        storage_sql::first_syncs(self.load(SQL, Vec::new()).await?)
    }

    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE outbox SET not_before = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM outbox
    WHERE not_before IS NOT NULL AND EXISTS (
        SELECT FROM vendor_syncs
        WHERE vendor_id = $1 AND configured AND (finished_at IS NULL OR outcome = 'NOT_READY')
    )
    ORDER BY id FOR UPDATE SKIP LOCKED
))";
        let released = self.execute(SQL, vec![vendor_id.into()]).await?;
        Ok(released as u64)
    }
}

#[async_trait]
impl VendorSetQueries for PgStore {
    async fn find_vendor_set(
        &self,
        digest: &VendorSetDigest,
    ) -> Result<StoredVendorSet, StoreError> {
        const SQL: &str = "
SELECT s.was_applied, s.is_current, v.vendor_id, v.source, v.configured_at
FROM (
    SELECT count(*) > 0 AS was_applied,
           coalesce(bool_or(version = (SELECT max(version) FROM vendor_sets)), false) AS is_current
    FROM vendor_sets WHERE digest = $1
) s LEFT JOIN vendor_syncs v ON v.configured ORDER BY v.vendor_id";
        storage_sql::stored_vendor_set(self.load(SQL, vec![digest.as_str().into()]).await?)
    }
}
