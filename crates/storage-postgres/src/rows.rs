//! Rows as they come back, and their way into domain values. A value that no version of this program writes is reported
//! by table, column and row.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Allocation, Order, OrderRequest, OrderState, OrderStatus, RejectReason};
use domain::ports::{StockLevel, StoreError};
use domain::quantity::Quantity;
use domain::settlement::PendingOrder;
use domain::timestamp::Timestamp;

/// PostgreSQL counts microseconds from 2000-01-01, the domain from 1970-01-01.
const EPOCH_OFFSET_MICROS: i64 = 946_684_800_000_000;

pub(crate) fn to_pg(moment: Timestamp) -> PgTimestamp {
    PgTimestamp(moment.as_micros().saturating_sub(EPOCH_OFFSET_MICROS))
}

pub(crate) fn from_pg(moment: PgTimestamp) -> Timestamp {
    Timestamp::from_micros(moment.0.saturating_add(EPOCH_OFFSET_MICROS))
}

/// For `map_err`: a value of this row that cannot be read.
pub(crate) fn corrupt<E>(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
) -> impl FnOnce(E) -> StoreError {
    move |_| StoreError::Corrupt {
        table,
        column,
        row: row.to_string(),
    }
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
}

/// An order with one of its allocations, or with none.
#[derive(QueryableByName)]
pub(crate) struct OrderWithAllocationRow {
    #[diesel(embed)]
    pub(crate) order: OrderRow,
    #[diesel(sql_type = Nullable<Text>)]
    vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    allocated: Option<i32>,
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
}

#[derive(QueryableByName)]
pub(crate) struct ProductIdRow {
    #[diesel(sql_type = Text)]
    pub(crate) product_id: String,
}

#[derive(QueryableByName)]
pub(crate) struct MomentRow {
    #[diesel(sql_type = Timestamptz)]
    pub(crate) moment: PgTimestamp,
}

#[derive(QueryableByName)]
pub(crate) struct FlagRow {
    #[diesel(sql_type = Bool)]
    pub(crate) flag: bool,
}

pub(crate) fn product_id(text: String, table: &'static str) -> Result<ProductId, StoreError> {
    ProductId::parse(text.as_str()).map_err(corrupt(table, "product_id", text))
}

pub(crate) fn vendor_id(text: String, table: &'static str) -> Result<VendorId, StoreError> {
    VendorId::parse(text.as_str()).map_err(corrupt(table, "vendor_id", text))
}

/// A count that a CHECK keeps from being negative.
pub(crate) fn units(
    number: i32,
    table: &'static str,
    column: &'static str,
    row: &str,
) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(corrupt(table, column, row))
}

impl TryFrom<StockRow> for StockLevel {
    type Error = StoreError;

    fn try_from(row: StockRow) -> Result<Self, StoreError> {
        Ok(Self {
            quantity: u64::try_from(row.quantity).map_err(corrupt(
                "stock",
                "quantity",
                &row.product_id,
            ))?,
            product_id: product_id(row.product_id, "stock")?,
            updated_at: from_pg(row.updated_at),
        })
    }
}

impl TryFrom<PendingRow> for PendingOrder {
    type Error = StoreError;

    fn try_from(row: PendingRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: OrderId(row.id),
            request: request(row.id, row.product_id, row.quantity)?,
        })
    }
}

fn request(id: i64, product_id: String, quantity: i32) -> Result<OrderRequest, StoreError> {
    Ok(OrderRequest {
        product_id: ProductId::parse(product_id).map_err(corrupt("orders", "product_id", id))?,
        quantity: Quantity::parse(i64::from(quantity))
            .map_err(corrupt("orders", "quantity", id))?,
    })
}

/// Reads orders from the rows of a join, in which the rows of one order stand together.
pub(crate) fn joined_orders(joined: Vec<OrderWithAllocationRow>) -> Result<Vec<Order>, StoreError> {
    let mut found: Vec<OrderRow> = Vec::new();
    let mut allocations = Vec::new();
    for row in joined {
        let order_id = row.order.id;
        if found.last().is_none_or(|last| last.id != order_id) {
            found.push(row.order);
        }
        if let (Some(vendor_id), Some(quantity)) = (row.vendor_id, row.allocated) {
            allocations.push(AllocationRow {
                order_id,
                vendor_id,
                quantity,
            });
        }
    }
    orders(found, allocations)
}

/// Joins orders with their allocations, keeping the orders' order.
pub(crate) fn orders(
    rows: Vec<OrderRow>,
    allocations: Vec<AllocationRow>,
) -> Result<Vec<Order>, StoreError> {
    let mut by_order: HashMap<i64, Vec<Allocation>> = HashMap::new();
    for row in allocations {
        let allocation = Allocation {
            vendor_id: vendor_id(row.vendor_id, "allocations")?,
            quantity: Quantity::parse(i64::from(row.quantity)).map_err(corrupt(
                "allocations",
                "quantity",
                row.order_id,
            ))?,
        };
        by_order.entry(row.order_id).or_default().push(allocation);
    }
    rows.into_iter()
        .map(|row| {
            let held = by_order.remove(&row.id).unwrap_or_default();
            order(row, held)
        })
        .collect()
}

fn order(row: OrderRow, held: Vec<Allocation>) -> Result<Order, StoreError> {
    let id = row.id;
    let status = OrderStatus::from_word(&row.status)
        .ok_or(())
        .map_err(corrupt("orders", "status", id))?;
    let state = match status {
        OrderStatus::Pending => OrderState::Pending,
        OrderStatus::Cancelled => OrderState::Cancelled,
        OrderStatus::Confirmed => OrderState::Confirmed(held),
        OrderStatus::Shipped => OrderState::Shipped(held),
        OrderStatus::Delivered => OrderState::Delivered(held),
        OrderStatus::Rejected => OrderState::Rejected(
            row.reason
                .as_deref()
                .and_then(RejectReason::from_word)
                .ok_or(())
                .map_err(corrupt("orders", "reason", id))?,
        ),
    };
    let request = request(id, row.product_id, row.quantity)?;
    Ok(Order {
        id: OrderId(id),
        product_id: request.product_id,
        quantity: request.quantity,
        state,
        created_at: from_pg(row.created_at),
        updated_at: from_pg(row.updated_at),
    })
}
