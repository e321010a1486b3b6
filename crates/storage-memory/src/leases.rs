//! One runner at a time, within this process.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::ports::{Lease, Leases, StoreError};

use crate::store::{MemoryStore, Shared};

struct MemoryLease {
    shared: Arc<Shared>,
    name: String,
}

fn held(shared: &Shared) -> MutexGuard<'_, HashSet<String>> {
    shared.leases.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Leases for MemoryStore {
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        if !held(self.shared()).insert(name.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLease {
            shared: Arc::clone(self.shared()),
            name: name.to_owned(),
        })))
    }
}

#[async_trait]
impl Lease for MemoryLease {
    async fn is_held(&mut self) -> bool {
        held(&self.shared).contains(&self.name)
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        held(&self.shared).remove(&self.name);
    }
}
