//! The store in SQLite keeps every contract of the storage ports.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use port_contracts::StorageUnderTest;
use signal_in_process::{ProcessLeases, ProcessOutboxNotifier};
use storage_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;
use tokio::sync::Mutex;

fn setup() -> Ready<(StorageUnderTest, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("store.db"));
    options.wait = Duration::from_secs(3);
    let store = Arc::new(SqliteStore::open(&options, Arc::new(SystemClock)).unwrap());
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
    ready((storage, folder))
}

port_contracts::storage_contracts!(setup);
port_contracts::storage_model!(setup);
