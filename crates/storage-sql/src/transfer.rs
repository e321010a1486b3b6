//! Converts the rows of a store to the records of a transfer.

use std::time::Duration;

use crate::{
    StoredAllocation, StoredOrder, StoredProof, StoredVendorStock, corrupt, grouped, position,
    request, stock_level, vendor_id,
};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::ports::{
    AllocationRecord, FinishedSync, KeyRecord, OrderRecord, ProductRecord, StoreError, SyncOutcome,
    SyncRecord, TransferRecord, VendorRecord, VendorStatus, VendorStockRecord,
};
use domain::quantity::Quantity;
use domain::timestamp::Timestamp;

/// A row of `vendor_syncs`.
#[derive(Debug, Clone)]
pub struct StoredVendor {
    /// Column `vendor_id`.
    pub vendor_id: String,
    /// Column `configured`.
    pub configured: bool,
    /// Column `applied_as_of`.
    pub applied_as_of: Option<Timestamp>,
    /// Column `full_as_of`.
    pub full_as_of: Option<Timestamp>,
    /// Column `outcome`.
    pub outcome: Option<String>,
    /// Column `finished_at`.
    pub finished_at: Option<Timestamp>,
    /// Column `duration_ms`.
    pub duration_ms: Option<i64>,
    /// Column `received`.
    pub received: Option<i64>,
    /// Column `changed`.
    pub changed: Option<i64>,
    /// Column `error`.
    pub error: Option<String>,
}

/// A row of `stock`.
#[derive(Debug, Clone)]
pub struct StoredStock {
    /// Column `product_id`.
    pub product_id: String,
    /// Column `quantity`.
    pub quantity: i64,
    /// Column `updated_at`.
    pub updated_at: Timestamp,
}

/// A row of `allocations` with its shipping state.
#[derive(Debug, Clone)]
pub struct StoredShipment {
    /// The allocation.
    pub allocation: StoredAllocation,
    /// Column `shipped_at`.
    pub shipped_at: Option<Timestamp>,
    /// Column `known_as_of`.
    pub known_as_of: Option<Timestamp>,
}

fn count(number: Option<i64>) -> u64 {
    number.map_or(0, i64::unsigned_abs)
}

/// Converts a vendor with its last sync to a record.
pub fn vendor_record(row: StoredVendor) -> Result<TransferRecord, StoreError> {
    vendor(row).map(TransferRecord::Vendor)
}

/// Converts a vendor with its last sync and its number of products, for readers.
pub fn vendor_status(
    row: StoredVendor,
    products: i64,
    proof: StoredProof,
    clock_skew_ms: Option<i64>,
    is_expired: bool,
    now: Timestamp,
) -> Result<VendorStatus, StoreError> {
    let proof = crate::proof(&row.vendor_id, proof)?;
    let record = vendor(row)?;
    Ok(VendorStatus {
        vendor_id: record.vendor_id,
        products: products.unsigned_abs(),
        last_sync: record
            .last_sync
            .map(|(finished_at, sync)| FinishedSync::new(finished_at, sync)),
        age: proof
            .and_then(Result::ok)
            .map(|proven| now.since(proven.as_of)),
        proof,
        clock_skew_ms,
        is_expired,
    })
}

fn vendor(row: StoredVendor) -> Result<VendorRecord, StoreError> {
    // A newer version of this program may have stored an outcome that this version does not know.
    let outcome = row.outcome.map(|text| {
        text.parse().unwrap_or(match row.error {
            None => SyncOutcome::Applied,
            Some(_) => SyncOutcome::Failed,
        })
    });
    let last_sync = row.finished_at.zip(outcome).map(|(finished_at, outcome)| {
        let sync = SyncRecord {
            outcome,
            took: Duration::from_millis(count(row.duration_ms)),
            received: count(row.received),
            changed: count(row.changed),
            error: row.error,
        };
        (finished_at, sync)
    });
    Ok(VendorRecord {
        vendor_id: vendor_id(row.vendor_id, "vendor_syncs")?,
        configured: row.configured,
        applied_as_of: row.applied_as_of,
        full_as_of: row.full_as_of,
        last_sync,
    })
}

/// Converts products from the rows of a join that are sorted by product.
pub fn product_records(
    joined: impl IntoIterator<Item = (StoredStock, Option<StoredVendorStock>)>,
) -> Result<Vec<TransferRecord>, StoreError> {
    grouped(joined, |one, other| one.product_id == other.product_id)
        .into_iter()
        .map(|(row, positions)| {
            let level = stock_level(row.product_id, row.quantity, row.updated_at)?;
            let positions: Result<_, StoreError> =
                positions.into_iter().map(position_record).collect();
            Ok(TransferRecord::Product(ProductRecord {
                product_id: level.product_id,
                quantity: level.quantity,
                updated_at: level.updated_at,
                positions: positions?,
            }))
        })
        .collect()
}

fn position_record(row: StoredVendorStock) -> Result<VendorStockRecord, StoreError> {
    let stock = position(row)?;
    Ok(VendorStockRecord {
        vendor_id: stock.vendor_id,
        reported: stock.reported,
        in_flight: stock.in_flight,
        as_of: stock.as_of,
        is_expired: stock.is_expired,
    })
}

/// Converts orders from the rows of a join that are sorted by order.
pub fn order_records(
    joined: impl IntoIterator<Item = (StoredOrder, Option<StoredShipment>)>,
) -> Result<Vec<TransferRecord>, StoreError> {
    grouped(joined, |one, other| one.id == other.id)
        .into_iter()
        .map(|(row, shipments)| order_record(row, shipments))
        .collect()
}

fn order_record(
    row: StoredOrder,
    shipments: Vec<StoredShipment>,
) -> Result<TransferRecord, StoreError> {
    let id = row.id;
    let status = row.status.parse();
    let reason = row.reason.map(|text| text.parse()).transpose();
    let allocations: Result<_, StoreError> = shipments.into_iter().map(allocation_record).collect();
    Ok(TransferRecord::Order(OrderRecord {
        id: OrderId(id),
        request: request(id, row.product_id, row.quantity)?,
        status: status.map_err(corrupt("orders", "status", id))?,
        reason: reason.map_err(corrupt("orders", "reason", id))?,
        created_at: row.created_at,
        updated_at: row.updated_at,
        allocations: allocations?,
    }))
}

fn allocation_record(row: StoredShipment) -> Result<AllocationRecord, StoreError> {
    let StoredAllocation {
        order_id,
        vendor_id: vendor,
        quantity,
        shipped: _,
    } = row.allocation;
    Ok(AllocationRecord {
        vendor_id: vendor_id(vendor, "allocations")?,
        quantity: Quantity::parse(i64::from(quantity)).map_err(corrupt(
            "allocations",
            "quantity",
            order_id,
        ))?,
        shipped_at: row.shipped_at,
        known_as_of: row.known_as_of,
    })
}

/// A row of `idempotency_keys`.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Column `scope`.
    pub scope: String,
    /// Column `key`.
    pub key: String,
    /// Column `order_id`.
    pub order_id: i64,
    /// Column `created_at`.
    pub created_at: Timestamp,
    /// Column `batch_digest`.
    pub batch_digest: Option<String>,
}

/// Parses the digest of the batch whose key created this order.
pub fn batch_digest(
    text: Option<String>,
    order_id: i64,
) -> Result<Option<BatchDigest>, StoreError> {
    let digest = text.map(BatchDigest::parse).transpose();
    digest.map_err(corrupt("idempotency_keys", "batch_digest", order_id))
}

/// Converts a row of `idempotency_keys` to a record.
pub fn key_record(row: StoredKey) -> Result<TransferRecord, StoreError> {
    Ok(TransferRecord::Key(KeyRecord {
        key: IdempotencyKey::parse(row.scope, row.key).map_err(corrupt(
            "idempotency_keys",
            "key",
            row.order_id,
        ))?,
        order_id: OrderId(row.order_id),
        created_at: row.created_at,
        batch: batch_digest(row.batch_digest, row.order_id)?,
    }))
}
