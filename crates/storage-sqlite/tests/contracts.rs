//! The store in SQLite keeps every contract of the storage ports.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use port_contracts::StorageUnderTest;
use signal_in_process::{ProcessLeases, ProcessNotifier};
use storage_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

fn setup() -> Ready<(StorageUnderTest, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("store.db"));
    options.wait = Duration::from_secs(3);
    let store = Arc::new(SqliteStore::open(&options, Arc::new(SystemClock)).unwrap());
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
    ready((storage, folder))
}

port_contracts::storage_contracts!(setup);
port_contracts::storage_model!(setup);
