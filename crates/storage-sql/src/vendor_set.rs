//! The vendor set: rows of `vendor_sets` and `vendor_syncs`.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use domain::ports::{
    FirstSyncs, StoreError, StoredVendorSet, SwitchedVendors, UntriedVendors, VendorRename,
    VendorSetRecord,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSource};

use crate::{Instant, ProductIdRow, corrupt, first, product_ids, vendor_id};

/// Query for all vendors with their sources.
pub const SOURCES: &str = "SELECT vendor_id, source FROM vendor_syncs ORDER BY vendor_id";

/// Query for a vendor with its source.
pub const SOURCE_OF: &str = "SELECT vendor_id, source FROM vendor_syncs WHERE vendor_id = $1";

/// Query for the configured vendors.
pub const MEMBERS: &str = "
SELECT vendor_id, source, configured_at FROM vendor_syncs WHERE configured ORDER BY vendor_id";

/// Whether a digest was applied, and whether it is the current one.
#[derive(QueryableByName)]
pub struct RecordRow {
    #[diesel(sql_type = Bool)]
    was_applied: bool,
    #[diesel(sql_type = Bool)]
    is_current: bool,
}

/// Converts the row of a digest.
pub fn set_record(rows: Vec<RecordRow>) -> Result<VendorSetRecord, StoreError> {
    let row = first(rows)?;
    Ok(VendorSetRecord {
        was_applied: row.was_applied,
        is_current: row.is_current,
    })
}

/// A row of [`SOURCES`] or [`SOURCE_OF`].
#[derive(QueryableByName)]
pub struct SourceRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
}

/// Parses vendors with their sources.
pub fn vendor_sources(rows: Vec<SourceRow>) -> Result<Vec<ConfiguredVendor>, StoreError> {
    let rows = rows.into_iter();
    rows.map(|row| configured_vendor(row.vendor_id, row.source))
        .collect()
}

/// Parses the source of one vendor, if it has one.
pub fn vendor_source(rows: Vec<SourceRow>) -> Result<Option<VendorSource>, StoreError> {
    let vendor = vendor_sources(rows)?.into_iter().next();
    Ok(vendor.and_then(|vendor| vendor.source))
}

fn configured_vendor(id: String, source: Option<String>) -> Result<ConfiguredVendor, StoreError> {
    let source = source.map(VendorSource::parse).transpose();
    Ok(ConfiguredVendor {
        source: source.map_err(corrupt("vendor_syncs", "source", &id))?,
        vendor_id: vendor_id(id, "vendor_syncs")?,
    })
}

/// A row of [`MEMBERS`]; all columns are NULL in the row of an empty set.
#[derive(QueryableByName)]
pub struct MemberRow {
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Instant>)]
    configured_at: Option<Timestamp>,
}

fn members(rows: impl IntoIterator<Item = MemberRow>) -> Result<Vec<SetMember>, StoreError> {
    rows.into_iter()
        .filter_map(|row| Some((row.vendor_id?, row.source, row.configured_at)))
        .map(|(vendor_id, source, configured_at)| {
            Ok(SetMember {
                vendor: configured_vendor(vendor_id, source)?,
                configured_at,
            })
        })
        .collect()
}

/// The record of a digest, with one of the configured vendors.
#[derive(QueryableByName)]
pub struct SetRow {
    #[diesel(embed)]
    record: RecordRow,
    #[diesel(embed)]
    member: MemberRow,
}

/// Parses the stored vendor set.
pub fn stored_vendor_set(rows: Vec<SetRow>) -> Result<StoredVendorSet, StoreError> {
    let (records, found): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|row| (row.record, row.member)).unzip();
    Ok(StoredVendorSet {
        record: set_record(records)?,
        configured: members(found)?,
    })
}

/// A vendor that was switched on or off.
#[derive(QueryableByName)]
pub struct SwitchedRow {
    /// Column `vendor_id`.
    #[diesel(sql_type = Text)]
    pub vendor_id: String,
    /// Whether it was switched on.
    #[diesel(sql_type = Bool)]
    pub configured: bool,
}

/// Parses the result of applying a vendor set; `products` are those of the switched vendors.
pub fn switched_vendors(
    switched: Vec<SwitchedRow>,
    configured: Vec<MemberRow>,
    products: Vec<ProductIdRow>,
) -> Result<SwitchedVendors, StoreError> {
    let on = switched.into_iter().filter(|row| row.configured);
    let on = on.map(|row| vendor_id(row.vendor_id, "vendor_syncs"));
    let mut on: Vec<_> = on.collect::<Result<_, _>>()?;
    on.sort_unstable();
    Ok(SwitchedVendors {
        on,
        configured: members(configured)?,
        products: product_ids(products, "vendor_stock")?,
    })
}

/// The number of configured vendors without a finished sync, the last time that one was switched on, and the store's clock.
#[derive(QueryableByName)]
pub struct FirstSyncsRow {
    #[diesel(sql_type = Instant)]
    now: Timestamp,
    #[diesel(sql_type = BigInt)]
    untried: i64,
    #[diesel(sql_type = Nullable<Instant>)]
    configured_at: Option<Timestamp>,
}

/// Converts the row.
pub fn first_syncs(rows: Vec<FirstSyncsRow>) -> Result<FirstSyncs, StoreError> {
    let row = first(rows)?;
    Ok(FirstSyncs {
        now: row.now,
        untried: (row.untried > 0).then(|| UntriedVendors {
            configured_at: row.configured_at.unwrap_or(Timestamp::from_micros(0)),
        }),
    })
}

/// Whether a vendor to rename exists, and whether its new id has stock rows.
#[derive(QueryableByName)]
pub struct RenameRow {
    #[diesel(sql_type = Bool)]
    is_known: bool,
    #[diesel(sql_type = Bool)]
    is_taken: bool,
}

/// Returns why the vendor cannot be renamed, if it cannot.
pub fn rename_obstacle(rows: Vec<RenameRow>) -> Result<Option<VendorRename>, StoreError> {
    let row = first(rows)?;
    Ok(match (row.is_taken, row.is_known) {
        (true, _) => Some(VendorRename::Taken),
        (false, false) => Some(VendorRename::NotFound),
        (false, true) => None,
    })
}
