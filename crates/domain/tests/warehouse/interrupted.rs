//! A store that becomes unavailable after some units of work, as if the process had ended between two of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::ports::{Store, StoreError, UnitOfWork};
use storage_memory::MemoryStore;

#[derive(Clone)]
pub(super) struct InterruptibleStore {
    memory: MemoryStore,
    left: Arc<AtomicUsize>,
}

impl InterruptibleStore {
    pub(super) fn new(memory: MemoryStore) -> Self {
        Self {
            memory,
            left: Arc::new(AtomicUsize::new(usize::MAX)),
        }
    }

    /// Lets only this number of units of work begin.
    pub(super) fn interrupt_after(&self, units_of_work: usize) {
        self.left.store(units_of_work, Ordering::SeqCst);
    }

    pub(super) fn restore(&self) {
        self.interrupt_after(usize::MAX);
    }
}

#[async_trait]
impl Store for InterruptibleStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let take = |left: usize| left.checked_sub(1);
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        taken.map_err(|_| StoreError::Unavailable("the process has ended".to_owned()))?;
        self.memory.begin().await
    }
}
