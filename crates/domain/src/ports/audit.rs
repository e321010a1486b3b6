//! Recomputing every balance from orders and allocations.

use async_trait::async_trait;

use super::StoreError;

/// What every store's audit checks, in the words of its findings. A store that keeps a rule by its very shape need not look
/// for rows that break it.
pub mod audit_rules {
    /// Promise P7.
    pub const QUANTITY: &str =
        "stock.quantity is the sum over configured vendors of max(0, reported - in_flight)";
    /// Promises P3 and P4.
    pub const IN_FLIGHT: &str =
        "vendor_stock.in_flight is the sum of its allocations that no report knows of";
    /// Promise P1.
    pub const ALLOCATED: &str = "an order that is CONFIRMED, SHIPPED or DELIVERED has allocations for exactly its quantity, any other has none";
    /// An allocation names its product a second time.
    pub const ALLOCATED_PRODUCT: &str = "an allocation is of its order's product";
    /// Promise P3.
    pub const SHIPPED: &str = "every allocation of an order that is SHIPPED or DELIVERED is shipped, and not every one of a CONFIRMED order";
    /// An outbox entry names its order's product a second time.
    pub const OUTBOX_PRODUCT: &str = "an outbox entry is of its order's product";
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
