//! The store in memory keeps every contract of the storage ports.

use std::future::{Ready, ready};
use std::sync::Arc;

use clock_tokio::SystemClock;
use port_contracts::StorageUnderTest;
use signal_in_process::{ProcessLeases, ProcessNotifier};
use storage_memory::MemoryStore;

/// Nothing has to be kept: the store goes with its last clone.
fn setup() -> Ready<(StorageUnderTest, ())> {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let notifier = ProcessNotifier::new();
    let listened_to = notifier.clone();
    let storage = StorageUnderTest {
        store: store.clone(),
        orders: store.clone(),
        stock: store.clone(),
        vendors: store.clone(),
        vendor_sets: store.clone(),
        dead_letters: store.clone(),
        probe: store.clone(),
        writes: store.clone(),
        audit: store.clone(),
        in_flight: store.clone(),
        changes: store,
        leases: Arc::new(ProcessLeases::new()),
        listeners: Box::new(move |topic| Box::new(listened_to.listener(topic))),
        notifier: Arc::new(notifier),
        pool_size: 1,
    };
    ready((storage, ()))
}

port_contracts::storage_contracts!(setup);

// The model beside itself: what is compared holds for any two stores that are right.
port_contracts::storage_model!(setup);
