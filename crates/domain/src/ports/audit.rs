//! Recomputing every balance from orders and allocations.

use async_trait::async_trait;

use super::StoreError;

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
