//! Recomputing every balance from orders and allocations.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// What every store's audit checks, in the words of its findings. A store that keeps a rule by its very shape need not look
/// for rows that break it.
pub mod audit_rules {
    /// Promise P7.
    pub const QUANTITY: &str = "stock.quantity is the sum of max(0, reported - in_flight) over the configured vendors whose numbers have not expired";
    /// Promises P3 and P4.
    pub const IN_FLIGHT: &str =
        "vendor_stock.in_flight is the sum of its allocations that no report knows of";
    /// Promise P1.
    pub const ALLOCATED: &str = "an order that is CONFIRMED, SHIPPED or DELIVERED has allocations for exactly its quantity, any other has none";
    /// An allocation names its product a second time.
    pub const ALLOCATED_PRODUCT: &str = "an allocation is of its order's product";
    /// Promise P3.
    pub const SHIPPED: &str = "every allocation of an order that is SHIPPED or DELIVERED is shipped, and not every one of a CONFIRMED order";
    /// What an allocation refers to.
    pub const ALLOCATION_ORDER: &str = "an allocation has its order";
    /// What an allocation refers to.
    pub const ALLOCATION_POSITION: &str = "an allocation has its vendor's position in the product";
    /// Promise P3: a report that was never applied includes no shipment.
    pub const INCLUDED: &str =
        "allocations.known_as_of is not later than the last applied report of the vendor";
    /// Promise P3: a shipment in the future would be included too early or never.
    pub const SHIPPED_LATER: &str = "allocations.shipped_at is not in the future";
    /// Promise P2. The queue cannot be looked into: an order may wait there for a day, and for twice the sweeper's pause.
    pub const PENDING: &str = "an order that is PENDING for more than a day is in the outbox, was requeued since, or is a dead letter";
    /// A number that is given twice breaks every acceptance.
    pub const SEQUENCE: &str = "a sequence is ahead of the numbers that it gave";
    /// The data file itself.
    pub const INTEGRITY: &str = "the data file is whole";
    /// The data file's references.
    pub const REFERENCES: &str = "each reference of the data file leads to a row";
    /// An outbox entry names its order's product a second time.
    pub const OUTBOX_PRODUCT: &str = "an outbox entry is of its order's product";
}

/// For how long an order may be `PENDING` outside the outbox before the audit reports it, from its acceptance or its last
/// requeue: a day, and twice the pause that the sweeper makes with the default settings after so many requeues.
#[must_use]
pub fn longest_pending(requeues: u32) -> Duration {
    Duration::from_hours(24) + Duration::from_mins(2) * (1 << requeues.min(12))
}

/// A row that contradicts the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// Which rule it breaks, in a few words.
    pub rule: &'static str,
    /// Which row.
    pub row: String,
    /// What it says, and what it should say.
    pub detail: String,
}

/// Reads what an audit compares.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait AuditQueries: Send + Sync {
    /// Recomputes every balance at one moment and returns the rows that differ, at most 1,000 a rule. MUST look at every
    /// row and MUST NOT lock any.
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError>;
}
