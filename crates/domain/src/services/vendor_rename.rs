//! The rename of a vendor.

use std::sync::Arc;

use thiserror::Error;
use tracing::info;

use crate::identifiers::VendorId;
use crate::ports::{Clock, RenamedVendor, Store, StoreError, VendorRename};
use crate::retry::{self, AsStoreError};

/// The reason why a vendor was not renamed. Nothing was changed.
#[derive(Debug, Error)]
pub enum RenameVendorError {
    /// The old id equals the new one.
    #[error("the vendor already has the id {0}")]
    SameId(VendorId),
    /// No vendor has the old id.
    #[error("there is no vendor {0}")]
    NotFound(VendorId),
    /// No vendor has the old id, but one has the new id.
    #[error(
        "there is no vendor {old}, and there is a vendor {new}: the rename was done before, if {old} is the right id"
    )]
    AlreadyRenamed {
        /// The old id.
        old: VendorId,
        /// The new id.
        new: VendorId,
    },
    /// The new id has stock of its own.
    #[error("vendor {0} has stock of its own, and two vendors cannot be merged")]
    Taken(VendorId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AsStoreError for RenameVendorError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Renames vendors.
#[derive(Clone)]
pub struct RenameVendor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl RenameVendor {
    /// Creates the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Moves the vendor, its stock and its allocations to the new id, in one transaction. Units in flight and quantities are
    /// unchanged.
    ///
    /// # Errors
    /// [`RenameVendorError`].
    pub async fn rename(
        &self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<RenamedVendor, RenameVendorError> {
        if old == new {
            return Err(RenameVendorError::SameId(old.clone()));
        }
        let renamed = retry::on_conflict(&self.clock, || self.rename_once(old, new)).await?;
        info!(
            vendor.id = %new,
            vendor.old_id = %old,
            positions = renamed.positions,
            allocations = renamed.allocations,
            "vendor renamed"
        );
        Ok(renamed)
    }

    async fn rename_once(
        &self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<RenamedVendor, RenameVendorError> {
        let mut work = self.store.begin().await?;
        let refused = match work.rename_vendor(old, new).await? {
            VendorRename::NotFound => RenameVendorError::NotFound(old.clone()),
            VendorRename::Taken => RenameVendorError::Taken(new.clone()),
            VendorRename::Done(renamed) => {
                work.commit().await?;
                return Ok(renamed);
            }
        };
        let vendors = work.vendor_sources().await?;
        let is_known = |id: &VendorId| vendors.iter().any(|vendor| vendor.vendor_id == *id);
        if is_known(new) && !is_known(old) {
            let (old, new) = (old.clone(), new.clone());
            return Err(RenameVendorError::AlreadyRenamed { old, new });
        }
        Err(refused)
    }
}
