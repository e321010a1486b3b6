//! Damage that no use case causes: each adapter does it to its own tables, bypassing constraints and triggers.

use std::future::Future;
use std::pin::Pin;

use domain::identifiers::OrderId;

/// A kind of damage. Balances that are not named agree with each other afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The order's row is missing; its allocations are not.
    OrderLost(OrderId),
    /// The stock row of vendor `v` and this product is missing; its allocations are not.
    VendorStockLost(&'static str),
    /// The order's units are included in a report of a hundred years from now.
    IncludedTooEarly(OrderId),
    /// The order's units are shipped tomorrow.
    ShippedTomorrow(OrderId),
    /// The order was accepted a year ago and is in no outbox entry.
    Forgotten(OrderId),
    /// A sequence that has returned numbers starts from 1 again. The outbox has an entry.
    SequenceReset,
    /// The outbox has one more entry for the order, which is the oldest and has an empty product id.
    UnreadableEntry(OrderId),
    /// The change log has one more entry, which has an empty product id.
    UnreadableChange,
    /// The order's product id is blank.
    UnreadableOrder(OrderId),
    /// Vendor `v` has a stock row with a blank product id.
    UnreadableStock,
    /// The refused records of the vendor's newest run are not readable.
    UnreadableRun(&'static str),
    /// The source of the vendor is empty.
    UnreadableSource(&'static str),
    /// The outcomes of the vendor's last sync and of its runs are those of a later version.
    UnknownOutcome(&'static str),
}

/// Does damage, and returns whether the adapter can hold it: a store of domain values has no unreadable rows.
pub type DoDamage = Box<dyn Fn(Damage) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;
