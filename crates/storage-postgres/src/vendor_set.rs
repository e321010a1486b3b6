//! The vendor set, inside a transaction and in queries.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use domain::identifiers::VendorId;
use domain::ports::{
    FirstSyncs, OtherVendors, StoreError, StoredVendorSet, SwitchedVendors, UntriedVendors,
    VendorSetQueries, VendorSetRecord, VendorSetRepository,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSetDigest, VendorSource};

use crate::rows::{ProductIdRow, from_pg};
use crate::statement::{Bind, texts};
use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

#[derive(QueryableByName)]
struct SwitchedRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Bool)]
    configured: bool,
}

#[derive(QueryableByName)]
struct RecordRow {
    #[diesel(sql_type = Bool)]
    was_applied: bool,
    #[diesel(sql_type = Bool)]
    is_current: bool,
}

impl From<&RecordRow> for VendorSetRecord {
    fn from(row: &RecordRow) -> Self {
        Self {
            was_applied: row.was_applied,
            is_current: row.is_current,
        }
    }
}

/// A vendor; all columns are NULL in the row of an empty set.
#[derive(QueryableByName)]
struct MemberRow {
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    configured_at: Option<PgTimestamp>,
}

#[derive(QueryableByName)]
struct SetRow {
    #[diesel(embed)]
    record: RecordRow,
    #[diesel(embed)]
    member: MemberRow,
}

#[derive(QueryableByName)]
struct FirstSyncsRow {
    #[diesel(sql_type = Timestamptz)]
    now: PgTimestamp,
    #[diesel(sql_type = BigInt)]
    untried: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    configured_at: Option<PgTimestamp>,
}

fn unanswered() -> StoreError {
    StoreError::Failed("the server returned no row where one was expected".into())
}

fn vendor_ids(vendors: &[ConfiguredVendor]) -> Bind {
    texts(vendors.iter().map(|vendor| vendor.vendor_id.as_str()))
}

fn sources(vendors: &[ConfiguredVendor]) -> Bind {
    let sources = vendors.iter().map(|vendor| vendor.source.as_ref());
    Bind::OptionalTexts(
        sources
            .map(|source| source.map(|source| source.as_str().to_owned()))
            .collect(),
    )
}

pub(crate) fn configured_vendor(
    vendor_id: String,
    source: Option<String>,
) -> Result<ConfiguredVendor, StoreError> {
    let source = source.map(VendorSource::parse).transpose();
    Ok(ConfiguredVendor {
        source: source.map_err(storage_sql::corrupt("vendor_syncs", "source", &vendor_id))?,
        vendor_id: storage_sql::vendor_id(vendor_id, "vendor_syncs")?,
    })
}

/// Returns `None` for a row without a vendor.
fn member(row: MemberRow) -> Option<Result<SetMember, StoreError>> {
    let vendor_id = row.vendor_id?;
    let vendor = configured_vendor(vendor_id, row.source);
    Some(vendor.map(|vendor| SetMember {
        vendor,
        configured_at: row.configured_at.map(from_pg),
    }))
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
        let binds = vec![Bind::Text(digest.as_str().to_owned())];
        let found: Vec<RecordRow> = self.load(SQL, binds).await?;
        found
            .first()
            .map(VendorSetRecord::from)
            .ok_or_else(unanswered)
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_sets (digest, version)
SELECT $1, coalesce(max(version), 0) + 1 FROM vendor_sets
ON CONFLICT (digest) DO UPDATE SET version = excluded.version, applied_at = clock_timestamp()";
        let binds = vec![Bind::Text(digest.as_str().to_owned())];
        let written = self.execute(SQL, binds).await?;
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
        const CONFIGURED: &str = "
SELECT vendor_id, source, configured_at FROM vendor_syncs WHERE configured ORDER BY vendor_id";
        const PRODUCTS: &str = "
SELECT DISTINCT product_id FROM vendor_stock WHERE vendor_id = ANY($1) ORDER BY product_id";

        self.execute(CREATE, vec![vendor_ids(vendors)]).await?;
        self.execute(LOCK, Vec::new()).await?;
        let binds = vec![vendor_ids(vendors), sources(vendors)];
        self.execute(SOURCE, binds).await?;
        let mut switched: Vec<SwitchedRow> = self.load(ON, vec![vendor_ids(vendors)]).await?;
        if !switched.is_empty() {
            let on = texts(switched.iter().map(|row| row.vendor_id.as_str()));
            self.clear_pauses(on).await?;
        }
        if others == OtherVendors::SwitchOff {
            let off: Vec<SwitchedRow> = self.load(OFF, vec![vendor_ids(vendors)]).await?;
            switched.extend(off);
        }
        let configured: Vec<MemberRow> = self.load(CONFIGURED, Vec::new()).await?;
        let configured = configured.into_iter().filter_map(member);
        let configured = configured.collect::<Result<Vec<_>, _>>()?;
        if switched.is_empty() {
            return Ok(SwitchedVendors {
                configured,
                ..SwitchedVendors::default()
            });
        }
        let ids = texts(switched.iter().map(|row| row.vendor_id.as_str()));
        let products: Vec<ProductIdRow> = self.load(PRODUCTS, vec![ids]).await?;
        let products = products.into_iter();
        let mut on = switched
            .into_iter()
            .filter(|row| row.configured)
            .map(|row| storage_sql::vendor_id(row.vendor_id, "vendor_syncs"))
            .collect::<Result<Vec<VendorId>, StoreError>>()?;
        on.sort_unstable();
        Ok(SwitchedVendors {
            on,
            configured,
            products: products
                .map(|row| storage_sql::product_id(row.product_id, "vendor_stock"))
                .collect::<Result<_, StoreError>>()?,
        })
    }

    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError> {
        const SQL: &str = "
SELECT clock_timestamp() AS now, count(*) AS untried, max(configured_at) AS configured_at
FROM vendor_syncs WHERE configured AND source IS NOT NULL AND finished_at IS NULL";
        let found: Vec<FirstSyncsRow> = self.load(SQL, Vec::new()).await?;
        let row = found.first().ok_or_else(unanswered)?;
        Ok(FirstSyncs {
            now: from_pg(row.now),
            untried: (row.untried > 0).then(|| UntriedVendors {
                configured_at: row.configured_at.map_or(Timestamp::from_micros(0), from_pg),
            }),
        })
    }

    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE outbox SET not_before = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM outbox
    WHERE not_before IS NOT NULL AND EXISTS (
        SELECT FROM vendor_syncs WHERE vendor_id = $1 AND configured AND finished_at IS NULL
    )
    ORDER BY id FOR UPDATE SKIP LOCKED
))";
        let binds = vec![Bind::Text(vendor_id.as_str().to_owned())];
        self.execute(SQL, binds).await.map(|rows| rows as u64)
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
        let binds = vec![Bind::Text(digest.as_str().to_owned())];
        let found: Vec<SetRow> = self.load(SQL, binds).await?;
        let record = found.first().map(|row| VendorSetRecord::from(&row.record));
        let configured = found.into_iter().filter_map(|row| member(row.member));
        Ok(StoredVendorSet {
            record: record.ok_or_else(unanswered)?,
            configured: configured.collect::<Result<_, _>>()?,
        })
    }
}
