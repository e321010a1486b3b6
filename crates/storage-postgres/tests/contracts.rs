//! The store in PostgreSQL keeps every contract of the storage ports.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::sync::Arc;

use port_contracts::StorageUnderTest;
use storage_postgres::test_database::TestDatabase;
use storage_postgres::{PgLeases, PgListener, PgNotifier, PgStore};

async fn setup() -> (StorageUnderTest, TestDatabase) {
    let database = TestDatabase::create().await.unwrap();
    let options = database.options().clone();
    let store = PgStore::new(&options).unwrap();
    let notifier = Arc::new(PgNotifier::start(store.clone()));
    let store = Arc::new(store);
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
        notifier,
        pool_size: options.pool_size,
        leases: Arc::new(PgLeases::new(options.clone())),
        listeners: Box::new(move |topic| Box::new(PgListener::start(options.clone(), topic))),
    };
    (storage, database)
}

/// Removes every row, in the order in which they refer to each other. Faster than TRUNCATE while there are few.
async fn empty(database: &TestDatabase) {
    let tables = [
        "changes",
        "idempotency_keys",
        "outbox",
        "allocations",
        "orders",
        "vendor_stock",
        "vendor_syncs",
        "vendor_sets",
        "stock",
    ];
    let sql = tables.map(|table| format!("DELETE FROM {table};")).concat();
    database.execute(&sql).await.unwrap();
}

port_contracts::storage_contracts!(setup);
port_contracts::storage_model!(setup, emptied by empty);
