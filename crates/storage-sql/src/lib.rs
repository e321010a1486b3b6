//! Converts the texts and numbers of a relational store's rows to domain values.
//!
//! Each SQL adapter reads its rows with its own driver's types and converts them here, so that all adapters interpret rows
//! identically. A value that no version of this program writes is reported by table, column and row.

pub mod audit;
mod columns;
mod history;
mod pause;
mod reported;
mod transfer;
mod unreadable;

use std::collections::HashMap;

use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Allocation, Order, OrderRequest, OrderState, OrderStatus};
use domain::ports::{Changed, QueuedOrder, StockLevel, StoreError, VendorLevel};
use domain::quantity::Quantity;
use domain::settlement::PendingOrder;
use domain::stock::VendorStock;
use domain::timestamp::Timestamp;

pub use history::{StoredHistory, StoredProof, proof, report_history};
pub use pause::{StoredPauseRow, vendor_pause};
pub use reported::{StoredReport, reported_stock};
pub use unreadable::UnreadableRows;

pub use transfer::{
    StoredKey, StoredShipment, StoredStock, StoredVendor, batch_digest, key_record, order_records,
    product_records, vendor_record, vendor_status,
};

/// Creates the error for a value of this row that cannot be read, for `map_err`.
pub fn corrupt<E>(
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

/// Parses a product id of `table`.
pub fn product_id(text: String, table: &'static str) -> Result<ProductId, StoreError> {
    ProductId::parse_stored(text.as_str()).map_err(corrupt(table, "product_id", text))
}

/// Parses the orders of outbox entry `id` from its two lists. `None` represents a value that is not an id.
pub fn queued_orders(
    id: i64,
    order_ids: Vec<Option<i64>>,
    product_ids: Vec<Option<String>>,
) -> Result<Vec<QueuedOrder>, StoreError> {
    if order_ids.is_empty() || order_ids.len() != product_ids.len() {
        return Err(corrupt("outbox", "order_ids", id)(()));
    }
    let both = order_ids.into_iter().zip(product_ids);
    both.map(|(order_id, product_id)| {
        let order_id = order_id.ok_or(());
        let product_id = product_id.and_then(|product_id| ProductId::parse_stored(product_id).ok());
        Ok(QueuedOrder {
            order_id: OrderId(order_id.map_err(corrupt("outbox", "order_ids", id))?),
            product_id: product_id
                .ok_or(())
                .map_err(corrupt("outbox", "product_ids", id))?,
        })
    })
    .collect()
}

/// Parses an order to requeue.
pub fn requeued(order_id: i64, product_id: String) -> Result<QueuedOrder, StoreError> {
    Ok(QueuedOrder {
        order_id: OrderId(order_id),
        product_id: ProductId::parse_stored(product_id).map_err(corrupt(
            "orders",
            "product_id",
            order_id,
        ))?,
    })
}

/// Parses a vendor id of `table`.
pub fn vendor_id(text: String, table: &'static str) -> Result<VendorId, StoreError> {
    VendorId::parse(text.as_str()).map_err(corrupt(table, "vendor_id", text))
}

/// Converts a count that a CHECK keeps from being negative.
pub fn units(
    number: i32,
    table: &'static str,
    column: &'static str,
    row: impl ToString,
) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(corrupt(table, column, row))
}

/// Parses the request of order `id`.
pub fn request(id: i64, product_id: String, quantity: i32) -> Result<OrderRequest, StoreError> {
    Ok(OrderRequest {
        product_id: ProductId::parse_stored(product_id).map_err(corrupt(
            "orders",
            "product_id",
            id,
        ))?,
        quantity: Quantity::parse(i64::from(quantity))
            .map_err(corrupt("orders", "quantity", id))?,
    })
}

/// Parses a pending order.
pub fn pending(id: i64, product_id: String, quantity: i32) -> Result<PendingOrder, StoreError> {
    Ok(PendingOrder {
        id: OrderId(id),
        request: request(id, product_id, quantity)?,
    })
}

/// A row of `orders`.
#[derive(Debug, Clone)]
pub struct StoredOrder {
    /// Column `id`.
    pub id: i64,
    /// Column `product_id`.
    pub product_id: String,
    /// Column `quantity`.
    pub quantity: i32,
    /// Column `status`.
    pub status: String,
    /// Column `reason`.
    pub reason: Option<String>,
    /// Column `created_at`.
    pub created_at: Timestamp,
    /// Column `updated_at`.
    pub updated_at: Timestamp,
}

/// A row of `allocations`.
#[derive(Debug, Clone)]
pub struct StoredAllocation {
    /// Column `order_id`.
    pub order_id: i64,
    /// Column `vendor_id`.
    pub vendor_id: String,
    /// Column `quantity`.
    pub quantity: i32,
    /// Whether column `shipped_at` has a value.
    pub shipped: bool,
}

fn allocation(row: StoredAllocation) -> Result<Allocation, StoreError> {
    let quantity = Quantity::parse(i64::from(row.quantity));
    Ok(Allocation {
        quantity: quantity.map_err(corrupt("allocations", "quantity", row.order_id))?,
        vendor_id: vendor_id(row.vendor_id, "allocations")?,
        shipped: row.shipped,
    })
}

/// Joins orders with their allocations; keeps the sequence of the orders.
pub fn orders(
    rows: Vec<StoredOrder>,
    allocations: Vec<StoredAllocation>,
) -> Result<Vec<Order>, StoreError> {
    let mut by_order: HashMap<i64, Vec<Allocation>> = HashMap::new();
    for row in allocations {
        let order_id = row.order_id;
        by_order.entry(order_id).or_default().push(allocation(row)?);
    }
    rows.into_iter()
        .map(|row| {
            let held = by_order.remove(&row.id).unwrap_or_default();
            order(row, held)
        })
        .collect()
}

/// Parses orders from the rows of a join that are sorted by order: each with one of the order's allocations, or with none.
pub fn joined_orders(
    joined: impl IntoIterator<Item = (StoredOrder, Option<StoredAllocation>)>,
) -> Result<Vec<Order>, StoreError> {
    each_joined_order(joined).into_iter().collect()
}

/// Like [`joined_orders`], but with a separate error for each order that cannot be read.
pub fn each_joined_order(
    joined: impl IntoIterator<Item = (StoredOrder, Option<StoredAllocation>)>,
) -> Vec<Result<Order, StoreError>> {
    let grouped = grouped(joined, |one, other| one.id == other.id);
    let orders = grouped.into_iter().map(|(row, held)| {
        let held: Result<Vec<_>, StoreError> = held.into_iter().map(allocation).collect();
        order(row, held?)
    });
    orders.collect()
}

/// Parses the readable ids of one entry of the change log. `None` represents a value that is not an id.
pub fn changed(
    order_ids: impl IntoIterator<Item = Option<i64>>,
    product_ids: impl IntoIterator<Item = Option<String>>,
    entry: &dyn ToString,
    unreadable: &UnreadableRows,
) -> Result<Changed, StoreError> {
    let entry = entry.to_string();
    let unknown = |column| corrupt("changes", column, entry.clone());
    let order_ids = order_ids.into_iter();
    let order_ids = order_ids.map(|id| id.map(OrderId).ok_or(()).map_err(unknown("order_ids")));
    let product_ids = product_ids.into_iter().map(|id| {
        let id = id.and_then(|id| ProductId::parse_stored(id).ok());
        id.ok_or(()).map_err(unknown("product_ids"))
    });
    Ok(Changed {
        order_ids: unreadable.leave_out(order_ids)?,
        product_ids: unreadable.leave_out(product_ids)?,
    })
}

/// Groups the rows of a join, sorted by parent, into parents with their children.
fn grouped<P, C>(
    joined: impl IntoIterator<Item = (P, Option<C>)>,
    is_same: impl Fn(&P, &P) -> bool,
) -> Vec<(P, Vec<C>)> {
    let mut groups: Vec<(P, Vec<C>)> = Vec::new();
    for (parent, child) in joined {
        match groups.last_mut() {
            Some((last, children)) if is_same(last, &parent) => children.extend(child),
            _ => groups.push((parent, child.into_iter().collect())),
        }
    }
    groups
}

fn order(row: StoredOrder, held: Vec<Allocation>) -> Result<Order, StoreError> {
    let id = row.id;
    let status = row
        .status
        .parse()
        .map_err(corrupt("orders", "status", id))?;
    let state = match status {
        OrderStatus::Pending => OrderState::Pending,
        OrderStatus::Cancelled => OrderState::Cancelled,
        OrderStatus::Confirmed => OrderState::Confirmed(held),
        OrderStatus::Shipped => OrderState::Shipped(held),
        OrderStatus::Delivered => OrderState::Delivered(held),
        OrderStatus::Rejected => OrderState::Rejected(
            row.reason
                .unwrap_or_default()
                .parse()
                .map_err(corrupt("orders", "reason", id))?,
        ),
    };
    let request = request(id, row.product_id, row.quantity)?;
    Ok(Order {
        id: OrderId(id),
        product_id: request.product_id,
        quantity: request.quantity,
        state,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Checks that the state of a written order is the requested one, including its allocations.
pub fn expect_state(order: Order, state: &OrderState) -> Result<Order, StoreError> {
    if order.state == *state {
        return Ok(order);
    }
    let (written, wanted) = (&order.state, state);
    Err(StoreError::Failed(
        format!(
            "order {} was written as {written:?} instead of {wanted:?}",
            order.id
        )
        .into(),
    ))
}

/// Converts a row of `stock`.
pub fn stock_level(
    product: String,
    quantity: i64,
    updated_at: Timestamp,
) -> Result<StockLevel, StoreError> {
    Ok(StockLevel {
        quantity: u64::try_from(quantity).map_err(corrupt("stock", "quantity", &product))?,
        product_id: product_id(product, "stock")?,
        updated_at,
    })
}

/// A row of `vendor_stock` with column `configured` of its vendor.
#[derive(Debug, Clone)]
pub struct StoredVendorStock {
    /// Column `vendor_id`.
    pub vendor_id: String,
    /// Column `reported`.
    pub reported: i32,
    /// Column `in_flight`.
    pub in_flight: i32,
    /// Column `as_of`.
    pub as_of: Timestamp,
    /// Column `configured` of the vendor.
    pub configured: bool,
    /// Column `is_expired`.
    pub is_expired: bool,
}

/// Converts a row of `vendor_stock`, for use cases.
pub fn position(row: StoredVendorStock) -> Result<VendorStock, StoreError> {
    Ok(VendorStock {
        reported: units(row.reported, "vendor_stock", "reported", &row.vendor_id)?,
        in_flight: units(row.in_flight, "vendor_stock", "in_flight", &row.vendor_id)?,
        vendor_id: vendor_id(row.vendor_id, "vendor_stock")?,
        as_of: row.as_of,
        configured: row.configured,
        is_expired: row.is_expired,
    })
}

/// Converts a row of `vendor_stock`, for readers.
pub fn vendor_level(row: StoredVendorStock) -> Result<VendorLevel, StoreError> {
    let stock = position(row)?;
    Ok(VendorLevel {
        available: stock.sellable(),
        vendor_id: stock.vendor_id,
        reported: stock.reported,
        in_flight: stock.in_flight,
        as_of: stock.as_of,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, reason: Option<&str>) -> StoredOrder {
        StoredOrder {
            id: 7,
            product_id: "p".to_owned(),
            quantity: 2,
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(2),
        }
    }

    fn allocated(order_id: i64, vendor_id: &str) -> StoredAllocation {
        StoredAllocation {
            order_id,
            vendor_id: vendor_id.to_owned(),
            quantity: 1,
            shipped: false,
        }
    }

    #[test]
    fn joined_rows_of_one_order_become_one_order() {
        let first = row("CONFIRMED", None);
        let second = StoredOrder {
            id: 8,
            ..row("PENDING", None)
        };
        let joined = [
            (first.clone(), Some(allocated(7, "v"))),
            (first, Some(allocated(7, "w"))),
            (second, None),
        ];
        let read = joined_orders(joined).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].state.allocations().len(), 2);
        assert_eq!(read[1].state, OrderState::Pending);
    }

    #[test]
    fn errors_name_the_unreadable_column() {
        let column = |row: StoredOrder| match orders(vec![row], Vec::new()) {
            Err(StoreError::Corrupt { column, row, .. }) => {
                assert_eq!(row, "7");
                column
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(column(row("LOST", None)), "status");
        assert_eq!(column(row("REJECTED", None)), "reason");
        assert_eq!(column(row("REJECTED", Some("UNKNOWN"))), "reason");
        let without_product = StoredOrder {
            product_id: String::new(),
            ..row("PENDING", None)
        };
        assert_eq!(column(without_product), "product_id");
        assert!(units(-1, "stock", "reported", 7).is_err());
    }
}
