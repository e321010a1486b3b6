//! Damage that no use case does: each adapter does it to its own tables, past constraints and triggers.

use std::future::Future;
use std::pin::Pin;

use domain::identifiers::OrderId;

/// What is damaged. Balances that are not named agree with each other afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The order's row is gone, its allocations are not.
    OrderLost(OrderId),
    /// The position of vendor `v` in the product is gone, its allocations are not.
    PositionLost(&'static str),
    /// The order's units count as included in a report of a hundred years from now.
    IncludedTooEarly(OrderId),
    /// The order's units are shipped tomorrow.
    ShippedTomorrow(OrderId),
    /// The order was accepted a year ago and is in no outbox entry.
    Forgotten(OrderId),
    /// A sequence that has given numbers starts anew. The outbox has an entry.
    SequenceReset,
    /// The outbox has one more entry for the order, as the oldest, whose product id is empty.
    UnreadableEntry(OrderId),
    /// The change log has one more entry, whose product id is empty.
    UnreadableChange,
    /// The order's product id is blank.
    UnreadableOrder(OrderId),
    /// Vendor `v` has a stock row of a product whose id is blank.
    UnreadableStock,
    /// The vendor's last outcome is one of a later version.
    UnknownOutcome(&'static str),
}

/// Does damage, and returns whether the adapter can hold it: a store whose rows are values of the domain has none that
/// cannot be read.
pub type DoDamage = Box<dyn Fn(Damage) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;
