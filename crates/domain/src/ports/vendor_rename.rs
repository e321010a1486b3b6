//! Giving a vendor another id.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::VendorId;
use crate::vendor_set::ConfiguredVendor;

/// The rows that got the new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenamedVendor {
    /// Number of positions.
    pub positions: u64,
    /// Number of allocations of orders, of whatever status.
    pub allocations: u64,
}

/// The result of a rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VendorRename {
    /// The vendor has the new id.
    Done(RenamedVendor),
    /// No vendor has the old id; nothing was changed.
    NotFound,
    /// The new id has positions of its own; nothing was changed.
    Taken,
}

/// Renames vendors inside a transaction.
#[async_trait]
pub trait VendorRenameRepository {
    /// All vendors that were ever configured, with the sources that they were last read from, by id.
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError>;

    /// Gives the vendor `old` the id `new`: its row with everything known of it, its positions and its allocations. A row
    /// of `new` without positions is replaced. MUST keep every other transaction from reading rows under lock until the
    /// end of this one, as they would find them under the old id.
    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError>;
}
