//! Runs the contracts of the storage ports on the in-memory store.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::ports::Clock as _;
use port_contracts::storage::damage::Damage;
use port_contracts::{StorageUnderTest, builders};
use signal_in_process::{ProcessLeases, ProcessNotifier};
use storage_memory::MemoryStore;

fn do_damage(store: &MemoryStore, damage: &Damage) -> bool {
    let now = SystemClock.now();
    match damage {
        Damage::OrderLost(id) => store.lose_order(*id),
        Damage::VendorStockLost(product_id) => {
            store.lose_stock_row(&builders::product(product_id), &builders::vendor("v"));
        }
        Damage::IncludedTooEarly(id) => {
            store.include_order(*id, now.plus(Duration::from_hours(24 * 36_500)));
        }
        Damage::ShippedTomorrow(id) => {
            store.ship_order_at(*id, now.plus(Duration::from_hours(24)));
        }
        Damage::Forgotten(id) => {
            store.strand_order(*id, now.minus(Duration::from_hours(24 * 365)));
        }
        Damage::SequenceReset => store.reset_numbers(),
        Damage::UnreadableEntry(_)
        | Damage::UnreadableChange
        | Damage::UnreadableOrder(_)
        | Damage::UnreadableStock
        | Damage::UnreadableRun(_)
        | Damage::UnreadableSource(_)
        | Damage::UnknownOutcome(_) => return false,
    }
    true
}

/// The fixture needs no guard: the store is dropped with its last clone.
fn setup() -> Ready<(StorageUnderTest, ())> {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let notifier = ProcessNotifier::new();
    let listened_to = notifier.clone();
    let damaged = store.clone();
    let storage = StorageUnderTest::new(
        store,
        Arc::new(ProcessLeases::new()),
        Arc::new(notifier),
        move |topic| Box::new(listened_to.listener(topic)),
        Box::new(move |damage| Box::pin(ready(do_damage(&damaged, &damage)))),
    );
    ready((storage, ()))
}

port_contracts::storage_contracts!(setup);

// Compares the model with itself: the comparison must hold for any two correct stores.
store_model_test::storage_model!(setup);
