//! Row types of the driver, and their conversion to the stored types of `storage-sql`.

use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use domain::order::Order;
use domain::ports::{StockLevel, StoreError};
use domain::settlement::PendingOrder;
use domain::timestamp::Timestamp;
use storage_sql::{
    self, StoredAllocation, StoredOrder, StoredProof, StoredVendor, StoredVendorStock,
};

/// Microseconds from 1970-01-01, the epoch of the domain, to 2000-01-01, that of PostgreSQL.
const EPOCH_OFFSET_MICROS: i64 = 946_684_800_000_000;

pub(crate) fn to_pg(instant: Timestamp) -> PgTimestamp {
    PgTimestamp(instant.as_micros().saturating_sub(EPOCH_OFFSET_MICROS))
}

pub(crate) fn from_pg(instant: PgTimestamp) -> Timestamp {
    Timestamp::from_micros(instant.0.saturating_add(EPOCH_OFFSET_MICROS))
}

#[derive(QueryableByName)]
pub(crate) struct OrderRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = Integer)]
    pub(crate) quantity: i32,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created_at: PgTimestamp,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) updated_at: PgTimestamp,
}

#[derive(QueryableByName)]
pub(crate) struct AllocationRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) order_id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) vendor_id: String,
    #[diesel(sql_type = Integer)]
    pub(crate) quantity: i32,
    #[diesel(sql_type = Bool)]
    pub(crate) shipped: bool,
}

/// An order with one of its allocations, or without allocations.
#[derive(QueryableByName)]
pub(crate) struct OrderWithAllocationRow {
    #[diesel(embed)]
    pub(crate) order: OrderRow,
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    allocated: Option<i32>,
    #[diesel(sql_type = Bool)]
    shipped: bool,
}

#[derive(QueryableByName)]
pub(crate) struct PendingRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = Integer)]
    pub(crate) quantity: i32,
}

#[derive(QueryableByName)]
pub(crate) struct StockRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) quantity: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) updated_at: PgTimestamp,
}

#[derive(QueryableByName)]
pub(crate) struct VendorStockRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) vendor_id: String,
    #[diesel(sql_type = Integer)]
    pub(crate) reported: i32,
    #[diesel(sql_type = Integer)]
    pub(crate) in_flight: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) as_of: PgTimestamp,
    #[diesel(sql_type = Bool)]
    pub(crate) configured: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) is_expired: bool,
}

#[derive(QueryableByName)]
pub(crate) struct VendorRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Bool)]
    configured: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    applied_as_of: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    full_as_of: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<BigInt>)]
    duration_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    received: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    changed: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

impl From<VendorRow> for StoredVendor {
    fn from(row: VendorRow) -> Self {
        Self {
            vendor_id: row.vendor_id,
            configured: row.configured,
            applied_as_of: row.applied_as_of.map(from_pg),
            full_as_of: row.full_as_of.map(from_pg),
            outcome: row.outcome,
            finished_at: row.finished_at.map(from_pg),
            duration_ms: row.duration_ms,
            received: row.received,
            changed: row.changed,
            error: row.error,
        }
    }
}

/// Proof of the last applied report of a vendor, from an outer join.
#[derive(QueryableByName)]
pub(crate) struct ProofRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    as_of: Option<PgTimestamp>,
    #[diesel(sql_type = Nullable<Text>)]
    evidence: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    no_evidence: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) clock_skew_ms: Option<i64>,
}

impl From<ProofRow> for StoredProof {
    fn from(row: ProofRow) -> Self {
        Self {
            as_of: row.as_of.map(from_pg),
            evidence: row.evidence,
            no_evidence: row.no_evidence,
        }
    }
}

#[derive(QueryableByName)]
pub(crate) struct ProductIdRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
}

#[derive(QueryableByName)]
pub(crate) struct InstantRow {
    #[diesel(sql_type = Timestamptz)]
    pub(crate) instant: PgTimestamp,
}

#[derive(QueryableByName)]
pub(crate) struct FlagRow {
    #[diesel(sql_type = Bool)]
    pub(crate) flag: bool,
}

impl From<OrderRow> for StoredOrder {
    fn from(row: OrderRow) -> Self {
        Self {
            id: row.id,
            product_id: row.product_id,
            quantity: row.quantity,
            status: row.status,
            reason: row.reason,
            created_at: from_pg(row.created_at),
            updated_at: from_pg(row.updated_at),
        }
    }
}

impl From<AllocationRow> for StoredAllocation {
    fn from(row: AllocationRow) -> Self {
        Self {
            order_id: row.order_id,
            vendor_id: row.vendor_id,
            quantity: row.quantity,
            shipped: row.shipped,
        }
    }
}

impl From<VendorStockRow> for StoredVendorStock {
    fn from(row: VendorStockRow) -> Self {
        Self {
            vendor_id: row.vendor_id,
            reported: row.reported,
            in_flight: row.in_flight,
            as_of: from_pg(row.as_of),
            configured: row.configured,
            is_expired: row.is_expired,
        }
    }
}

impl TryFrom<StockRow> for StockLevel {
    type Error = StoreError;

    fn try_from(row: StockRow) -> Result<Self, StoreError> {
        storage_sql::stock_level(row.product_id, row.quantity, from_pg(row.updated_at))
    }
}

impl TryFrom<PendingRow> for PendingOrder {
    type Error = StoreError;

    fn try_from(row: PendingRow) -> Result<Self, StoreError> {
        storage_sql::pending(row.id, row.product_id, row.quantity)
    }
}

impl OrderWithAllocationRow {
    pub(crate) fn into_stored(self) -> (StoredOrder, Option<StoredAllocation>) {
        let allocation = self.vendor_id.zip(self.allocated);
        let allocation = allocation.map(|(vendor_id, quantity)| StoredAllocation {
            order_id: self.order.id,
            vendor_id,
            quantity,
            shipped: self.shipped,
        });
        (self.order.into(), allocation)
    }
}

/// Reads orders from the rows of a join, in which the rows of one order are adjacent.
pub(crate) fn joined_orders(joined: Vec<OrderWithAllocationRow>) -> Result<Vec<Order>, StoreError> {
    storage_sql::joined_orders(joined.into_iter().map(OrderWithAllocationRow::into_stored))
}

/// Reads orders like [`joined_orders`], with an error for each unreadable order.
pub(crate) fn each_joined_order(
    joined: Vec<OrderWithAllocationRow>,
) -> Vec<Result<Order, StoreError>> {
    storage_sql::each_joined_order(joined.into_iter().map(OrderWithAllocationRow::into_stored))
}

/// Joins orders with their allocations, keeping the order of `found`.
pub(crate) fn orders(
    rows: Vec<OrderRow>,
    allocations: Vec<AllocationRow>,
) -> Result<Vec<Order>, StoreError> {
    storage_sql::orders(
        rows.into_iter().map(StoredOrder::from).collect(),
        allocations
            .into_iter()
            .map(StoredAllocation::from)
            .collect(),
    )
}
