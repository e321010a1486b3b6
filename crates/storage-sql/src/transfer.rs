//! Converts the rows of a store to the records of a transfer.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::ports::{
    AllocationRecord, KeyRecord, OrderRecord, ProductRecord, StoreError, TransferRecord,
    VendorStockRecord,
};
use domain::stock::VendorStock;
use domain::timestamp::Timestamp;

use crate::orders::{StoredOrder, quantity, request};
use crate::stock::stock_level;
use crate::{Instant, OrderRow, ProductRow, corrupt, grouped, vendor_id};

/// Query for keys after a scope and key, at most a number of them.
pub const KEYS: &str = "
SELECT scope, key, order_id, created_at, batch_digest FROM idempotency_keys
WHERE (scope, key) > ($1, $2) ORDER BY scope, key LIMIT $3";

/// Parses products from the rows of a join that are sorted by product.
pub fn product_records(rows: Vec<ProductRow>) -> Result<Vec<TransferRecord>, StoreError> {
    let joined = rows.into_iter().map(ProductRow::split);
    grouped(joined, |one, other| one.product_id == other.product_id)
        .into_iter()
        .map(|(row, positions)| {
            let level = stock_level(row)?;
            let positions = positions.into_iter().map(|it| it.map(vendor_stock_record));
            Ok(TransferRecord::Product(ProductRecord {
                product_id: level.product_id,
                quantity: level.quantity,
                updated_at: level.updated_at,
                positions: positions.collect::<Result<_, _>>()?,
            }))
        })
        .collect()
}

fn vendor_stock_record(stock: VendorStock) -> VendorStockRecord {
    VendorStockRecord {
        vendor_id: stock.vendor_id,
        reported: stock.reported,
        in_flight: stock.in_flight,
        as_of: stock.as_of,
        is_expired: stock.is_expired,
    }
}

/// An order with one of its allocations, and the report that includes it.
#[derive(QueryableByName)]
pub struct OrderRecordRow {
    #[diesel(embed)]
    order: OrderRow,
    #[diesel(sql_type = Nullable<Instant>)]
    known_as_of: Option<Timestamp>,
}

/// Parses orders from the rows of a join that are sorted by order.
pub fn order_records(rows: Vec<OrderRecordRow>) -> Result<Vec<TransferRecord>, StoreError> {
    let joined = rows.into_iter().map(|row| {
        let (order, known_as_of) = (row.order, row.known_as_of);
        let allocation = order.vendor_id.zip(order.allocated).map(|(vendor, units)| {
            Ok(AllocationRecord {
                vendor_id: vendor_id(vendor, "allocations")?,
                quantity: quantity(units, "allocations", order.order.id)?,
                shipped_at: order.shipped_at,
                known_as_of,
            })
        });
        (order.order, allocation)
    });
    grouped(joined, |one, other| one.id == other.id)
        .into_iter()
        .map(|(row, allocations)| {
            let allocations = allocations.into_iter().collect::<Result<_, StoreError>>();
            order_record(row, allocations?)
        })
        .collect()
}

fn order_record(
    row: StoredOrder,
    allocations: Vec<AllocationRecord>,
) -> Result<TransferRecord, StoreError> {
    let id = row.id;
    let status = row.status.parse();
    let reason = row.reason.map(|text| text.parse()).transpose();
    Ok(TransferRecord::Order(OrderRecord {
        id: OrderId(id),
        request: request(id, row.product_id, row.quantity)?,
        status: status.map_err(corrupt("orders", "status", id))?,
        reason: reason.map_err(corrupt("orders", "reason", id))?,
        created_at: row.created_at,
        updated_at: row.updated_at,
        allocations,
    }))
}

/// A row of [`KEYS`].
#[derive(QueryableByName)]
pub struct KeyRow {
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    order_id: i64,
    #[diesel(sql_type = Instant)]
    created_at: Timestamp,
    #[diesel(sql_type = Nullable<Text>)]
    batch_digest: Option<String>,
}

/// Parses the digest of the batch whose key created this order.
pub fn batch_digest(
    text: Option<String>,
    order_id: i64,
) -> Result<Option<BatchDigest>, StoreError> {
    let digest = text.map(BatchDigest::parse).transpose();
    digest.map_err(corrupt("idempotency_keys", "batch_digest", order_id))
}

/// Parses idempotency keys.
pub fn key_records(rows: Vec<KeyRow>) -> Result<Vec<TransferRecord>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let (key, order_id) = (IdempotencyKey::parse(row.scope, row.key), row.order_id);
            Ok(TransferRecord::Key(KeyRecord {
                key: key.map_err(corrupt("idempotency_keys", "key", order_id))?,
                order_id: OrderId(order_id),
                created_at: row.created_at,
                batch: batch_digest(row.batch_digest, order_id)?,
            }))
        })
        .collect()
}
