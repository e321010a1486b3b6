//! Leases within one process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::ports::{Lease, Leases, StoreError};

/// Grants leases to the tasks of this process. Clones share their leases.
#[derive(Debug, Clone, Default)]
pub struct ProcessLeases {
    held: Arc<Mutex<HashSet<String>>>,
}

impl ProcessLeases {
    /// Creates a set of leases in which every lease is free.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, HashSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct ProcessLease {
    leases: ProcessLeases,
    name: String,
}

#[async_trait]
impl Leases for ProcessLeases {
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        if !self.held().insert(name.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(ProcessLease {
            leases: self.clone(),
            name: name.to_owned(),
        })))
    }
}

#[async_trait]
impl Lease for ProcessLease {
    async fn is_held(&mut self) -> bool {
        self.leases.held().contains(&self.name)
    }
}

impl Drop for ProcessLease {
    fn drop(&mut self) {
        self.leases.held().remove(&self.name);
    }
}
