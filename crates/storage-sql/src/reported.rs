//! Rows of `vendor_stock` that reports are compared with.

use crate::{product_id, units};
use domain::comparison::ReportedStock;
use domain::ports::StoreError;
use domain::timestamp::Timestamp;

/// The columns of a row of `vendor_stock` that reports are compared with.
#[derive(Debug, Clone)]
pub struct StoredReport {
    /// Column `product_id`.
    pub product_id: String,
    /// Column `reported`.
    pub reported: i32,
    /// Column `as_of`.
    pub as_of: Timestamp,
    /// Column `requested_at`.
    pub requested_at: Option<Timestamp>,
    /// The earliest `shipped_at` of the allocations that no report includes yet.
    pub oldest_shipment: Option<Timestamp>,
}

/// Converts a row of `vendor_stock`, to compare a report with it.
pub fn reported_stock(row: StoredReport) -> Result<ReportedStock, StoreError> {
    Ok(ReportedStock {
        reported: units(row.reported, "vendor_stock", "reported", &row.product_id)?,
        product_id: product_id(row.product_id, "vendor_stock")?,
        as_of: row.as_of,
        requested_at: row.requested_at,
        oldest_shipment: row.oldest_shipment,
    })
}
