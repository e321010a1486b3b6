//! Orders as the service represents them.

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use crate::timestamp::{self, Timestamp};

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Order {
    /// Order id.
    pub id: i64,
    /// Id of the ordered product.
    pub product_id: String,
    /// Ordered units.
    pub quantity: u32,
    /// Status of the order.
    pub status: OrderStatus,
    /// Reason of a rejection; `None` in every other status.
    pub reason: Option<RejectReason>,
    /// Allocated units by vendor. They add up to `quantity` if the order is confirmed, shipped or delivered; in every other
    /// status the list is empty.
    pub allocations: Vec<Allocation>,
    /// Time at which the order was accepted.
    #[serde(deserialize_with = "timestamp::read")]
    pub created_at: Timestamp,
    /// Time of the last change.
    #[serde(deserialize_with = "timestamp::read")]
    pub updated_at: Timestamp,
}

/// The units of an order that one vendor supplies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Allocation {
    /// Vendor id.
    pub vendor_id: String,
    /// Allocated units.
    pub quantity: u32,
}

/// Status of an order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Display, IntoStaticStr, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum OrderStatus {
    /// Accepted and durable, not yet settled.
    Pending,
    /// Stock is allocated.
    Confirmed,
    /// Not fulfilled: see [`Order::reason`].
    Rejected,
    /// Cancelled; allocated stock was returned.
    Cancelled,
    /// Shipped by each of its vendors.
    Shipped,
    /// Delivered to the customer.
    Delivered,
}

impl OrderStatus {
    /// Returns the value that the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Reason of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum RejectReason {
    /// The available stock is less than the ordered quantity.
    InsufficientStock,
    /// No vendor has reported the product.
    UnknownProduct,
    /// An operator rejected the order.
    Manual,
}

/// An order with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionedOrder {
    /// The order.
    pub order: Order,
    /// Entity tag of this version, with its quotes.
    pub etag: String,
}

/// Filter of the list of orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Lists only orders with this status.
    pub status: Option<OrderStatus>,
    /// Lists only orders of this product.
    pub product_id: Option<String>,
}

impl OrderFilter {
    pub(crate) fn query(self) -> Vec<(&'static str, String)> {
        let status = self.status.map(|status| ("status", status.to_string()));
        let product_id = self.product_id.map(|id| ("product_id", id));
        status.into_iter().chain(product_id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_round_trips() {
        let values = "PENDING CONFIRMED REJECTED CANCELLED SHIPPED DELIVERED";
        for value in values.split(' ') {
            let json = format!("{value:?}");
            let status: OrderStatus = serde_json::from_str(&json).unwrap();
            assert_eq!(status.as_str(), value);
            assert_eq!(serde_json::to_string(&status).unwrap(), json);
        }
    }
}
