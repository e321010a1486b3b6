//! The rename of a vendor.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::VendorId;
use crate::vendor_set::ConfiguredVendor;

/// Numbers of rows that got the new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenamedVendor {
    /// Number of vendor stock rows.
    pub positions: u64,
    /// Number of allocations of orders in any status.
    pub allocations: u64,
}

/// The result of a rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VendorRename {
    /// The vendor has the new id.
    Done(RenamedVendor),
    /// No vendor has the old id; nothing was changed.
    NotFound,
    /// The new id has stock of its own; nothing was changed.
    Taken,
}

/// Renames vendors inside a transaction.
#[async_trait]
pub trait VendorRenameRepository {
    /// Returns all vendors that were ever configured, with their last sources, by id. MUST include those that are no longer
    /// configured.
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError>;

    /// Changes the id of the vendor `old` to `new`: its row with all of its data, its stock and its allocations. A row of
    /// `new` without stock is replaced. MUST prevent every other transaction from locking rows until the end of this one,
    /// because they would find the rows under the old id.
    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError>;
}
