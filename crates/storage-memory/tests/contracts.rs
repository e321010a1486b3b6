//! The store in memory keeps every contract of the storage ports.

use std::future::{Ready, ready};
use std::sync::Arc;

use clock_tokio::SystemClock;
use port_contracts::StorageUnderTest;
use signal_in_process::{ProcessLeases, ProcessOutboxNotifier};
use storage_memory::MemoryStore;
use tokio::sync::Mutex;

/// Nothing has to be kept: the store goes with its last clone.
fn setup() -> Ready<(StorageUnderTest, ())> {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let notifier = ProcessOutboxNotifier::new();
    let storage = StorageUnderTest {
        store: store.clone(),
        orders: store.clone(),
        stock: store.clone(),
        vendors: store.clone(),
        probe: store.clone(),
        audit: store,
        leases: Arc::new(ProcessLeases::new()),
        listener: Mutex::new(Box::new(notifier.listener())),
        notifier: Arc::new(notifier),
        pool_size: 1,
    };
    ready((storage, ()))
}

port_contracts::storage_contracts!(setup);

// The model beside itself: what is compared holds for any two stores that are right.
port_contracts::storage_model!(setup);
