//! Rows of `stock` and `vendor_stock`.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use domain::identifiers::ProductId;
use domain::ports::{ProductDetail, StockLevel, StoreError, VendorLevel};
use domain::stock::{ProductStock, VendorStock};
use domain::timestamp::Timestamp;

use crate::{Instant, ProductIdRow, corrupt, product_id, product_ids, units, vendor_id};

/// A row of `stock`.
#[derive(Debug, Clone, QueryableByName)]
pub struct StockRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = BigInt)]
    quantity: i64,
    #[diesel(sql_type = Instant)]
    updated_at: Timestamp,
}

/// Parses the stock levels of products, with the id of each, and a separate error for each that cannot be read.
pub fn each_level(
    rows: Vec<StockRow>,
) -> impl Iterator<Item = (String, Result<StockLevel, StoreError>)> {
    let rows = rows.into_iter();
    rows.map(|row| (row.product_id.clone(), stock_level(row)))
}

pub(crate) fn stock_level(row: StockRow) -> Result<StockLevel, StoreError> {
    let quantity = u64::try_from(row.quantity);
    Ok(StockLevel {
        quantity: quantity.map_err(corrupt("stock", "quantity", &row.product_id))?,
        product_id: product_id(row.product_id, "stock")?,
        updated_at: row.updated_at,
    })
}

/// A row of `vendor_stock` with column `configured` of its vendor.
#[derive(QueryableByName)]
pub struct VendorStockRow {
    /// Column `product_id`.
    #[diesel(sql_type = Text)]
    pub product_id: String,
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Integer)]
    reported: i32,
    #[diesel(sql_type = Integer)]
    in_flight: i32,
    #[diesel(sql_type = Instant)]
    as_of: Timestamp,
    #[diesel(sql_type = Bool)]
    configured: bool,
    #[diesel(sql_type = Bool)]
    is_expired: bool,
}

fn vendor_stock(row: VendorStockRow) -> Result<VendorStock, StoreError> {
    Ok(VendorStock {
        reported: units(row.reported, "vendor_stock", "reported", &row.vendor_id)?,
        in_flight: units(row.in_flight, "vendor_stock", "in_flight", &row.vendor_id)?,
        vendor_id: vendor_id(row.vendor_id, "vendor_stock")?,
        as_of: row.as_of,
        configured: row.configured,
        is_expired: row.is_expired,
    })
}

/// Joins products with their vendors' stock rows, by product id.
pub fn product_stock(
    products: Vec<ProductIdRow>,
    vendors: Vec<VendorStockRow>,
) -> Result<Vec<ProductStock>, StoreError> {
    let products = product_ids(products, "stock")?.into_iter();
    let mut stock: BTreeMap<ProductId, Vec<VendorStock>> =
        products.map(|id| (id, Vec::new())).collect();
    for mut row in vendors {
        let product_id = product_id(std::mem::take(&mut row.product_id), "vendor_stock")?;
        stock
            .entry(product_id)
            .or_default()
            .push(vendor_stock(row)?);
    }
    let stock = stock.into_iter();
    Ok(stock
        .map(|(product_id, vendors)| ProductStock {
            product_id,
            vendors,
        })
        .collect())
}

/// A product with one of its vendors, or without vendors.
#[derive(QueryableByName)]
pub struct ProductRow {
    #[diesel(embed)]
    level: StockRow,
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    reported: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    in_flight: Option<i32>,
    #[diesel(sql_type = Nullable<Instant>)]
    as_of: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Bool>)]
    configured: Option<bool>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_expired: Option<bool>,
}

impl ProductRow {
    pub(crate) fn split(self) -> (StockRow, Option<Result<VendorStock, StoreError>>) {
        let columns = (self.vendor_id, self.reported, self.in_flight, self.as_of);
        let row = match columns {
            (Some(vendor_id), Some(reported), Some(in_flight), Some(as_of)) => {
                Some(VendorStockRow {
                    product_id: self.level.product_id.clone(),
                    vendor_id,
                    reported,
                    in_flight,
                    as_of,
                    configured: self.configured.unwrap_or(false),
                    is_expired: self.is_expired.unwrap_or(false),
                })
            }
            _ => None,
        };
        (self.level, row.map(vendor_stock))
    }
}

/// Parses one product from the rows of a join with its vendors' stock.
pub fn product_detail(rows: Vec<ProductRow>) -> Result<Option<ProductDetail>, StoreError> {
    let mut vendors = Vec::with_capacity(rows.len());
    let mut level = None;
    for (row, stock) in rows.into_iter().map(ProductRow::split) {
        if let Some(stock) = stock.transpose()? {
            vendors.push(VendorLevel {
                available: stock.sellable(),
                vendor_id: stock.vendor_id,
                reported: stock.reported,
                in_flight: stock.in_flight,
                as_of: stock.as_of,
            });
        }
        level = Some(row);
    }
    let level = level.map(stock_level).transpose()?;
    Ok(level.map(|level| ProductDetail { level, vendors }))
}
