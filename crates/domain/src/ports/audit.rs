//! The audit: recomputes every balance from orders and allocations.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The rules that a store's audit checks, in the wording of its findings. A store whose structure rules a violation out need
/// not check that rule.
pub mod audit_rules {
    /// Guarantee P7.
    pub const QUANTITY: &str = "stock.quantity is the sum of max(0, reported - in_flight) over the configured vendors whose numbers have not expired";
    /// Guarantees P3 and P4.
    pub const IN_FLIGHT: &str =
        "vendor_stock.in_flight is the sum of its allocations that no report includes";
    /// Guarantee P1.
    pub const ALLOCATED: &str = "an order that is CONFIRMED, SHIPPED or DELIVERED has allocations for exactly its quantity; any other order has none";
    /// An allocation repeats the product of its order.
    pub const ALLOCATED_PRODUCT: &str = "an allocation has the product of its order";
    /// Guarantee P3.
    pub const SHIPPED: &str = "every allocation of a SHIPPED or DELIVERED order is shipped; a CONFIRMED order has at least one that is not";
    /// Referential integrity of allocations.
    pub const ALLOCATION_ORDER: &str = "the order of an allocation exists";
    /// Referential integrity of allocations.
    pub const ALLOCATION_VENDOR_STOCK: &str = "the vendor_stock row of an allocation exists";
    /// Guarantee P3: a report that was never applied includes no shipment.
    pub const INCLUDED: &str =
        "allocations.known_as_of is not later than the last applied report of the vendor";
    /// Guarantee P3: a shipment in the future would be included too early or never.
    pub const SHIPPED_LATER: &str = "allocations.shipped_at is not in the future";
    /// Guarantee P2. The audit cannot read the queue: a message may stay there for a day plus twice the sweeper's interval.
    pub const PENDING: &str = "an order that is PENDING for more than a day is in the outbox, was requeued recently, or is a dead letter";
    /// A number that is generated twice makes every later insert fail.
    pub const SEQUENCE: &str = "a sequence is ahead of the ids that it generated";
    /// Integrity of the data file.
    pub const INTEGRITY: &str = "the data file passes its integrity check";
    /// Foreign keys of the data file.
    pub const REFERENCES: &str = "each foreign key of the data file references an existing row";
    /// An outbox entry repeats the products of its orders.
    pub const OUTBOX_PRODUCT: &str = "an outbox entry has the products of its orders";
}

/// The time for which an order may be `PENDING` outside the outbox before the audit reports it, counted from its acceptance
/// or its last requeue: one day plus twice the sweeper's default requeue delay after this number of requeues.
#[must_use]
pub fn longest_pending(requeues: u32) -> Duration {
    Duration::from_hours(24) + Duration::from_mins(2) * (1 << requeues.min(12))
}

/// A row that violates a rule of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// The violated rule: one of [`audit_rules`].
    pub rule: &'static str,
    /// The table and key of the row.
    pub row: String,
    /// The stored value and the expected value.
    pub detail: String,
}

/// Runs the audit.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait AuditQueries: Send + Sync {
    /// Recomputes every balance in one consistent snapshot and returns the rows that differ, at most 1,000 per rule. MUST
    /// check every row and MUST NOT lock any.
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError>;
}
