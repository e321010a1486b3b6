//! Orders as the service shows them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::timestamp::{self, Timestamp};

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// Of which product.
    pub product_id: String,
    /// How many units.
    pub quantity: u32,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was rejected, if it was.
    pub reason: Option<RejectReason>,
    /// Which vendors supply how much; together `quantity` once it is confirmed, else nothing.
    pub allocations: Vec<Allocation>,
    /// When it was accepted.
    #[serde(deserialize_with = "timestamp::read")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(deserialize_with = "timestamp::read")]
    pub updated_at: Timestamp,
}

/// What one vendor supplies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Allocation {
    /// Which vendor.
    pub vendor_id: String,
    /// How many units.
    pub quantity: u32,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum OrderStatus {
    /// Accepted and durable, not yet decided.
    Pending,
    /// Stock is allocated.
    Confirmed,
    /// Decided against: see [`Order::reason`].
    Rejected,
    /// Called off; what was allocated was given back.
    Cancelled,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
}

impl OrderStatus {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an order was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum RejectReason {
    /// Less is left than was ordered.
    InsufficientStock,
    /// No vendor has it.
    UnknownProduct,
    /// An operator did it.
    Manual,
}

/// An order and the version that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionedOrder {
    /// The order.
    pub order: Order,
    /// Its entity tag, with its quotes.
    pub etag: String,
}

/// Which orders to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only those with this status.
    pub status: Option<OrderStatus>,
    /// Only those of this product.
    pub product_id: Option<String>,
}

impl OrderFilter {
    pub(crate) fn query(self) -> Vec<(&'static str, String)> {
        let status = self
            .status
            .map(|status| ("status", status.as_str().to_owned()));
        let product_id = self.product_id.map(|id| ("product_id", id));
        status.into_iter().chain(product_id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_it_is_read() {
        for word in [
            "PENDING",
            "CONFIRMED",
            "REJECTED",
            "CANCELLED",
            "SHIPPED",
            "DELIVERED",
        ] {
            let json = format!("{word:?}");
            let status: OrderStatus = serde_json::from_str(&json).unwrap();
            assert_eq!(status.as_str(), word);
            assert_eq!(serde_json::to_string(&status).unwrap(), json);
        }
    }
}
