//! Row types of the driver, and their conversion to the stored types of `storage-sql`.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use domain::identifiers::ProductId;
use domain::order::Order;
use domain::ports::StoreError;
use domain::timestamp::Timestamp;
use storage_sql::{
    self, StoredAllocation, StoredOrder, StoredProof, StoredVendor, StoredVendorStock,
};

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
    #[diesel(sql_type = BigInt)]
    pub(crate) created_at: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) updated_at: i64,
    /// Vendor of one allocation; `NULL` if the order has no allocations.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub(crate) allocated: Option<i32>,
    #[diesel(sql_type = Bool)]
    pub(crate) shipped: bool,
}

#[derive(QueryableByName)]
pub(crate) struct VendorRow {
    #[diesel(sql_type = Text)]
    vendor_id: String,
    #[diesel(sql_type = Bool)]
    configured: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    applied_as_of: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    full_as_of: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    finished_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    duration_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    received: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    changed: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

/// Proof of the last applied report of a vendor, from an outer join.
#[derive(QueryableByName)]
pub(crate) struct ProofRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    as_of: Option<i64>,
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
            as_of: row.as_of.map(Timestamp::from_micros),
            evidence: row.evidence,
            no_evidence: row.no_evidence,
        }
    }
}

impl From<VendorRow> for StoredVendor {
    fn from(row: VendorRow) -> Self {
        Self {
            vendor_id: row.vendor_id,
            configured: row.configured,
            applied_as_of: row.applied_as_of.map(Timestamp::from_micros),
            full_as_of: row.full_as_of.map(Timestamp::from_micros),
            outcome: row.outcome,
            finished_at: row.finished_at.map(Timestamp::from_micros),
            duration_ms: row.duration_ms,
            received: row.received,
            changed: row.changed,
            error: row.error,
        }
    }
}

impl OrderRow {
    pub(crate) fn into_stored(self) -> (StoredOrder, Option<StoredAllocation>) {
        let order = StoredOrder {
            id: self.id,
            product_id: self.product_id,
            quantity: self.quantity,
            status: self.status,
            reason: self.reason,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
        };
        let allocation = self.vendor_id.zip(self.allocated);
        let allocation = allocation.map(|(vendor_id, quantity)| StoredAllocation {
            order_id: order.id,
            vendor_id,
            quantity,
            shipped: self.shipped,
        });
        (order, allocation)
    }
}

/// Reads orders like [`orders`], with an error for each unreadable order.
pub(crate) fn each_order(joined: Vec<OrderRow>) -> Vec<Result<Order, StoreError>> {
    storage_sql::each_joined_order(joined.into_iter().map(OrderRow::into_stored))
}

/// Reads orders from the rows of a join, in which the rows of one order are adjacent.
pub(crate) fn orders(joined: Vec<OrderRow>) -> Result<Vec<Order>, StoreError> {
    storage_sql::joined_orders(joined.into_iter().map(OrderRow::into_stored))
}

/// Id, product and quantity of an order.
#[derive(QueryableByName)]
pub(crate) struct RequestRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
    #[diesel(sql_type = Integer)]
    pub(crate) quantity: i32,
}

#[derive(QueryableByName)]
pub(crate) struct ProductIdRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
}

pub(crate) fn product_ids(
    found: Vec<ProductIdRow>,
    table: &'static str,
) -> Result<Vec<ProductId>, StoreError> {
    found
        .into_iter()
        .map(|row| storage_sql::product_id(row.product_id, table))
        .collect()
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
    #[diesel(sql_type = BigInt)]
    pub(crate) as_of: i64,
    #[diesel(sql_type = Bool)]
    pub(crate) configured: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) is_expired: bool,
}

impl From<VendorStockRow> for StoredVendorStock {
    fn from(row: VendorStockRow) -> Self {
        Self {
            vendor_id: row.vendor_id,
            reported: row.reported,
            in_flight: row.in_flight,
            as_of: Timestamp::from_micros(row.as_of),
            configured: row.configured,
            is_expired: row.is_expired,
        }
    }
}
