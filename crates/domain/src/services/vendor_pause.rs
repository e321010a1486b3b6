//! An operator's pause of a vendor.

use std::sync::Arc;

use thiserror::Error;
use tracing::info;

use crate::identifiers::VendorId;
use crate::ports::{Clock, OperatorPause, Store, StoreError};
use crate::retry::{self, AsStoreError};

/// The reason why a vendor was not paused or resumed. Nothing was changed.
#[derive(Debug, Error)]
pub enum PauseVendorError {
    /// There is no such vendor.
    #[error("there is no vendor {0}")]
    NotFound(VendorId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AsStoreError for PauseVendorError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotFound(_) => None,
        }
    }
}

/// Pauses vendors and ends their pauses.
#[derive(Clone)]
pub struct PauseVendor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl PauseVendor {
    /// Creates the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Pauses a vendor: no scheduled sync begins until the pause is ended. A sync that is running ends normally. Pausing a
    /// paused vendor replaces the reason.
    ///
    /// # Errors
    /// [`PauseVendorError`].
    pub async fn pause(
        &self,
        vendor_id: &VendorId,
        reason: Option<&str>,
    ) -> Result<OperatorPause, PauseVendorError> {
        let paused = retry::on_conflict(&self.clock, || async {
            let mut work = self.store.begin().await?;
            let paused = work
                .pause_vendor(vendor_id, reason.map(str::to_owned))
                .await?;
            let paused = paused.ok_or_else(|| PauseVendorError::NotFound(vendor_id.clone()))?;
            work.commit().await?;
            Ok::<_, PauseVendorError>(paused)
        })
        .await?;
        info!(vendor.id = %vendor_id, "scheduled syncs of the vendor are paused");
        Ok(paused)
    }

    /// Ends the pause of a vendor and returns it; `None` if the vendor was not paused.
    ///
    /// # Errors
    /// [`PauseVendorError`].
    pub async fn resume(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, PauseVendorError> {
        let ended = retry::on_conflict(&self.clock, || async {
            let mut work = self.store.begin().await?;
            let ended = work.resume_vendor(vendor_id).await?;
            work.commit().await?;
            Ok::<_, PauseVendorError>(ended)
        })
        .await?;
        if ended.is_some() {
            info!(vendor.id = %vendor_id, "scheduled syncs of the vendor are resumed");
        }
        Ok(ended)
    }
}
