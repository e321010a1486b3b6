//! The pause repository, with injected failures.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::pacing::VendorPause;
use domain::ports::{PauseRepository, StoreError};

use crate::faults::Role;
use crate::faulty_store::FaultyWork;

#[async_trait]
impl PauseRepository for FaultyWork {
    async fn find_pause(&mut self, id: &VendorId) -> Result<Option<VendorPause>, StoreError> {
        self.check(Role::Work, "find_pause").await?;
        self.inner.find_pause(id).await
    }

    async fn save_pause(&mut self, id: &VendorId, pause: &VendorPause) -> Result<(), StoreError> {
        self.check(Role::Work, "save_pause").await?;
        self.inner.save_pause(id, pause).await
    }

    async fn clear_pause(&mut self, id: &VendorId) -> Result<Option<VendorPause>, StoreError> {
        self.check(Role::Work, "clear_pause").await?;
        self.inner.clear_pause(id).await
    }
}
