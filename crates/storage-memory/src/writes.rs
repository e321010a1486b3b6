//! A probe that checks whether the store accepts writes.

use async_trait::async_trait;
use domain::ports::{Store as _, StoreError, WriteProbe};

use crate::store::MemoryStore;

#[async_trait]
impl WriteProbe for MemoryStore {
    async fn probe_write(&self) -> Result<(), StoreError> {
        self.begin().await?.commit().await
    }
}
