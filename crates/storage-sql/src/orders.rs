//! Rows of orders with their allocations.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use domain::identifiers::OrderId;
use domain::order::{Allocation, Order, OrderRequest, OrderState, OrderStatus};
use domain::ports::{QueuedOrder, StoreError};
use domain::quantity::Quantity;
use domain::settlement::PendingOrder;
use domain::timestamp::Timestamp;

use crate::{Instant, corrupt, grouped, vendor_id};

/// A row of `orders`.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct StoredOrder {
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
    #[diesel(sql_type = Instant)]
    pub(crate) created_at: Timestamp,
    #[diesel(sql_type = Instant)]
    pub(crate) updated_at: Timestamp,
}

/// An order with one of its allocations, or without allocations: the columns of [`order_columns!`](crate::order_columns).
#[derive(Debug, Clone, QueryableByName)]
pub struct OrderRow {
    #[diesel(embed)]
    pub(crate) order: StoredOrder,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) vendor_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub(crate) allocated: Option<i32>,
    #[diesel(sql_type = Nullable<Instant>)]
    pub(crate) shipped_at: Option<Timestamp>,
}

impl OrderRow {
    /// Returns the id of the order.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.order.id
    }

    fn split(self) -> (StoredOrder, Option<Result<Allocation, StoreError>>) {
        let allocation = self.vendor_id.zip(self.allocated).map(|(vendor, units)| {
            Ok(Allocation {
                quantity: quantity(units, "allocations", self.order.id)?,
                vendor_id: vendor_id(vendor, "allocations")?,
                shipped: self.shipped_at.is_some(),
            })
        });
        (self.order, allocation)
    }
}

/// Parses orders from the rows of a join, in which the rows of one order are adjacent.
pub fn orders(joined: Vec<OrderRow>) -> Result<Vec<Order>, StoreError> {
    each_order(joined).into_iter().map(|(_, it)| it).collect()
}

/// Like [`orders`], but with the id of each order, and a separate error for each that cannot be read.
#[must_use]
pub fn each_order(joined: Vec<OrderRow>) -> Vec<(i64, Result<Order, StoreError>)> {
    let joined = joined.into_iter().map(OrderRow::split);
    let orders = grouped(joined, |one, other| one.id == other.id).into_iter();
    orders
        .map(|(row, held)| {
            let held: Result<Vec<_>, StoreError> = held.into_iter().collect();
            (row.id, held.and_then(|held| order(row, held)))
        })
        .collect()
}

pub(crate) fn quantity(
    units: i32,
    table: &'static str,
    order_id: i64,
) -> Result<Quantity, StoreError> {
    Quantity::parse(i64::from(units)).map_err(corrupt(table, "quantity", order_id))
}

/// Parses the request of order `id`.
pub(crate) fn request(id: i64, product_id: String, units: i32) -> Result<OrderRequest, StoreError> {
    let QueuedOrder { product_id, .. } = queued_order(id, product_id)?;
    Ok(OrderRequest {
        product_id,
        quantity: quantity(units, "orders", id)?,
    })
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

/// Id, product and quantity of a pending order.
#[derive(QueryableByName)]
pub struct PendingRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    product_id: String,
    #[diesel(sql_type = Integer)]
    quantity: i32,
}

/// Parses pending orders.
pub fn pending_orders(rows: Vec<PendingRow>) -> Result<Vec<PendingOrder>, StoreError> {
    rows.into_iter()
        .map(|row| {
            Ok(PendingOrder {
                id: OrderId(row.id),
                request: request(row.id, row.product_id, row.quantity)?,
            })
        })
        .collect()
}

/// Id and product of an order to queue.
#[derive(QueryableByName)]
pub struct QueuedRow {
    /// Column `id`.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Column `product_id`.
    #[diesel(sql_type = Text)]
    pub product_id: String,
}

/// Parses an order to requeue.
pub fn requeued(row: QueuedRow) -> Result<QueuedOrder, StoreError> {
    queued_order(row.id, row.product_id)
}

fn queued_order(id: i64, product_id: String) -> Result<QueuedOrder, StoreError> {
    let product_id = domain::identifiers::ProductId::parse_stored(product_id);
    let product_id = product_id.map_err(corrupt("orders", "product_id", id))?;
    Ok(QueuedOrder::new(OrderId(id), product_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, reason: Option<&str>) -> OrderRow {
        let order = StoredOrder {
            id: 7,
            product_id: "p".to_owned(),
            quantity: 2,
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(2),
        };
        OrderRow {
            order,
            vendor_id: None,
            allocated: None,
            shipped_at: None,
        }
    }

    #[test]
    fn joined_rows_of_one_order_become_one_order() {
        let allocated = |vendor_id: &str| OrderRow {
            vendor_id: Some(vendor_id.to_owned()),
            allocated: Some(1),
            ..row("CONFIRMED", None)
        };
        let mut second = row("PENDING", None);
        second.order.id = 8;
        let read = orders(vec![allocated("v"), allocated("w"), second]).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].state.allocations().len(), 2);
        assert_eq!(read[1].state, OrderState::Pending);
    }

    #[test]
    fn errors_name_the_unreadable_column() {
        let column = |row: OrderRow| match orders(vec![row]) {
            Err(StoreError::Corrupt { column, row, .. }) => {
                assert_eq!(row, "7");
                column
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(column(row("LOST", None)), "status");
        assert_eq!(column(row("REJECTED", None)), "reason");
        assert_eq!(column(row("REJECTED", Some("UNKNOWN"))), "reason");
        let mut without_product = row("PENDING", None);
        without_product.order.product_id = String::new();
        assert_eq!(column(without_product), "product_id");
        assert!(crate::units(-1, "stock", "reported", 7).is_err());
    }
}
