//! The vendor set, inside a transaction and in queries.

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::identifiers::VendorId;
use domain::ports::{
    FirstSyncs, OtherVendors, StoreError, StoredVendorSet, SwitchedVendors, UntriedVendors,
    VendorSetQueries, VendorSetRecord, VendorSetRepository,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSetDigest, VendorSource};

use crate::statement::{Bind, execute, json, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;
use crate::{pauses, rows};

#[derive(QueryableByName)]
struct VendorRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
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
    #[diesel(sql_type = Nullable<BigInt>)]
    configured_at: Option<i64>,
}

#[derive(QueryableByName)]
struct SetRow {
    #[diesel(embed)]
    record: RecordRow,
    #[diesel(embed)]
    member: MemberRow,
}

#[derive(QueryableByName)]
struct UntriedRow {
    #[diesel(sql_type = BigInt)]
    untried: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    configured_at: Option<i64>,
}

fn no_row() -> StoreError {
    StoreError::Failed("the data file returned no row where one was expected".into())
}

fn find_record(
    connection: &mut SqliteConnection,
    digest: Bind,
) -> Result<VendorSetRecord, StoreError> {
    const SQL: &str = "
SELECT count(*) > 0 AS was_applied,
       coalesce(max(version = (SELECT max(version) FROM vendor_sets)), 0) AS is_current
FROM vendor_sets WHERE digest = ?";
    let found: Vec<RecordRow> = load(connection, SQL, [digest])?;
    found.first().map(VendorSetRecord::from).ok_or_else(no_row)
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
        configured_at: row.configured_at.map(Timestamp::from_micros),
    }))
}

fn configure(
    connection: &mut SqliteConnection,
    vendors: &[ConfiguredVendor],
    others: OtherVendors,
    now: Timestamp,
) -> Result<SwitchedVendors, StoreError> {
    const CREATE: &str = "
INSERT INTO vendor_syncs (vendor_id, configured) VALUES (?, 0) ON CONFLICT (vendor_id) DO NOTHING";
    const SOURCE: &str =
        "UPDATE vendor_syncs SET source = ? WHERE vendor_id = ? AND source IS NOT ?";
    const ON: &str = "
UPDATE vendor_syncs SET configured = 1, configured_at = ?, outcome = NULL, finished_at = NULL,
    duration_ms = NULL, received = NULL, changed = NULL, error = NULL
WHERE NOT configured AND vendor_id IN (SELECT value FROM json_each(?)) RETURNING vendor_id";
    const OFF: &str = "
UPDATE vendor_syncs SET configured = 0
WHERE configured AND vendor_id NOT IN (SELECT value FROM json_each(?)) RETURNING vendor_id";
    const CONFIGURED: &str = "
SELECT vendor_id, source, configured_at FROM vendor_syncs WHERE configured ORDER BY vendor_id";
    const PRODUCTS: &str = "
SELECT DISTINCT product_id FROM vendor_stock
WHERE vendor_id IN (SELECT value FROM json_each(?)) ORDER BY product_id";

    for vendor in vendors {
        let vendor_id = &vendor.vendor_id;
        let source = || Bind::from(vendor.source.as_ref().map(VendorSource::as_str));
        execute(connection, CREATE, [vendor_id.into()])?;
        execute(connection, SOURCE, [source(), vendor_id.into(), source()])?;
    }
    let ids = json(vendors.iter().map(|vendor| vendor.vendor_id.as_str()));
    let on: Vec<VendorRow> = load(connection, ON, [now.into(), ids.clone()])?;
    pauses::clear(
        connection,
        json(on.iter().map(|row| row.vendor_id.as_str())),
    )?;
    let off: Vec<VendorRow> = match others {
        OtherVendors::Keep => Vec::new(),
        OtherVendors::SwitchOff => load(connection, OFF, [ids])?,
    };
    let switched = json(on.iter().chain(&off).map(|row| row.vendor_id.as_str()));
    let products = load(connection, PRODUCTS, [switched])?;
    let mut on = on
        .into_iter()
        .map(|row| storage_sql::vendor_id(row.vendor_id, "vendor_syncs"))
        .collect::<Result<Vec<VendorId>, StoreError>>()?;
    on.sort_unstable();
    let configured: Vec<MemberRow> = load(connection, CONFIGURED, [])?;
    let configured = configured.into_iter().filter_map(member);
    Ok(SwitchedVendors {
        on,
        configured: configured.collect::<Result<_, _>>()?,
        products: rows::product_ids(products, "vendor_stock")?,
    })
}

#[async_trait]
impl VendorSetRepository for SqliteUnitOfWork {
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError> {
        let digest = Bind::from(digest.as_str());
        self.call(move |connection, _| find_record(connection, digest))
            .await
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_sets (digest, version, first_applied_at, applied_at)
SELECT ?, coalesce(max(version), 0) + 1, ?, ? FROM vendor_sets WHERE true
ON CONFLICT (digest) DO UPDATE SET version = excluded.version, applied_at = excluded.applied_at";
        let digest = Bind::from(digest.as_str());
        self.call(move |connection, now| {
            let now = now();
            execute(connection, SQL, [digest, now.into(), now.into()]).map(drop)
        })
        .await
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
SELECT count(*) AS untried, max(configured_at) AS configured_at
FROM vendor_syncs WHERE configured AND source IS NOT NULL AND finished_at IS NULL";
        self.call(move |connection, now| {
            let found: Vec<UntriedRow> = load(connection, SQL, [])?;
            let row = found.first().ok_or_else(no_row)?;
            Ok(FirstSyncs {
                now: now(),
                untried: (row.untried > 0).then(|| UntriedVendors {
                    configured_at: Timestamp::from_micros(row.configured_at.unwrap_or(0)),
                }),
            })
        })
        .await
    }

    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        const SQL: &str = "
UPDATE outbox SET not_before = NULL
WHERE not_before IS NOT NULL AND EXISTS (
    SELECT 1 FROM vendor_syncs WHERE vendor_id = ? AND configured AND finished_at IS NULL
)";
        let vendor_id = Bind::from(vendor_id);
        self.call(move |connection, _| execute(connection, SQL, [vendor_id]))
            .await
            .map(|rows| rows as u64)
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
    FROM vendor_sets WHERE digest = ?
) s LEFT JOIN vendor_syncs v ON v.configured ORDER BY v.vendor_id";
        let digest = Bind::from(digest.as_str());
        self.read(move |connection| {
            let found: Vec<SetRow> = load(connection, SQL, [digest])?;
            let record = found.first().map(|row| VendorSetRecord::from(&row.record));
            let configured = found.into_iter().filter_map(|row| member(row.member));
            Ok(StoredVendorSet {
                record: record.ok_or_else(no_row)?,
                configured: configured.collect::<Result<_, _>>()?,
            })
        })
        .await
    }
}
