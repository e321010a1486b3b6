//! Rows of `vendor_stock` that reports are compared with, and the shipments that a report includes.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use domain::comparison::ReportedStock;
use domain::identifiers::ProductId;
use domain::ports::{ReportedTotals, StoreError};
use domain::timestamp::Timestamp;

use crate::{Instant, corrupt, product_id, units};

/// A row of [`reported_stock!`](crate::reported_stock).
#[derive(QueryableByName)]
pub struct ReportedRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = Integer)]
    reported: i32,
    #[diesel(sql_type = Instant)]
    as_of: Timestamp,
    #[diesel(sql_type = Nullable<Instant>)]
    requested_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    oldest_shipment: Option<Timestamp>,
}

/// Parses rows, with the product of each, and a separate error for each that cannot be read.
pub fn each_reported(
    rows: Vec<ReportedRow>,
) -> impl Iterator<Item = (String, Result<ReportedStock, StoreError>)> {
    let rows = rows.into_iter();
    rows.map(|row| (row.product_id.clone(), reported_stock(row)))
}

fn reported_stock(row: ReportedRow) -> Result<ReportedStock, StoreError> {
    Ok(ReportedStock {
        reported: units(row.reported, "vendor_stock", "reported", &row.product_id)?,
        product_id: product_id(row.product_id, "vendor_stock")?,
        as_of: row.as_of,
        requested_at: row.requested_at,
        oldest_shipment: row.oldest_shipment,
    })
}

/// Query for the sums of a vendor's stock rows. Takes the vendor id.
pub const REPORTED_TOTALS: &str = "
SELECT coalesce(sum(reported), 0) AS units, count(CASE WHEN reported > 0 THEN 1 END) AS products
FROM vendor_stock WHERE vendor_id = $1";

/// The row of [`REPORTED_TOTALS`].
#[derive(QueryableByName)]
pub struct ReportedTotalsRow {
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = BigInt)]
    products: i64,
}

/// Parses the sums.
pub fn reported_totals(row: &ReportedTotalsRow) -> Result<ReportedTotals, StoreError> {
    let parse = |number: i64| u64::try_from(number);
    Ok(ReportedTotals {
        units: parse(row.units).map_err(corrupt("vendor_stock", "reported", "sum"))?,
        products: parse(row.products).map_err(corrupt("vendor_stock", "reported", "count"))?,
    })
}

/// Units of a product that a report includes for the first time.
#[derive(QueryableByName)]
pub struct IncludedRow {
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = BigInt)]
    units: i64,
}

/// Sums the included units of each product.
pub fn included_units(rows: Vec<IncludedRow>) -> Result<BTreeMap<ProductId, u64>, StoreError> {
    let mut included = BTreeMap::new();
    for row in rows {
        let units = u64::try_from(row.units);
        let units = units.map_err(corrupt("allocations", "quantity", &row.product_id))?;
        let product_id = product_id(row.product_id, "allocations")?;
        *included.entry(product_id).or_default() += units;
    }
    Ok(included)
}
