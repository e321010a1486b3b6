//! Runs the contracts of the storage ports on the SQLite store.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use port_contracts::StorageUnderTest;
use port_contracts::storage::damage::Damage;
use signal_in_process::{ProcessLeases, ProcessNotifier};
use storage_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// Damages the data with another connection to the file, without constraints.
fn do_damage(path: &Path, damage: &Damage) -> bool {
    let sql = match damage {
        Damage::OrderLost(id) => format!("DELETE FROM orders WHERE id = {id}"),
        Damage::VendorStockLost(product) => format!(
            "DELETE FROM vendor_stock WHERE product_id = '{product}' AND vendor_id = 'v';
             UPDATE stock SET quantity = (
                 SELECT sum(max(0, reported - in_flight)) FROM vendor_stock p WHERE p.product_id = stock.product_id
             ) WHERE product_id = '{product}'"
        ),
        Damage::IncludedTooEarly(id) => format!(
            "UPDATE vendor_stock SET in_flight = in_flight - a.quantity FROM allocations a
             WHERE a.order_id = {id} AND vendor_stock.vendor_id = a.vendor_id AND vendor_stock.product_id = a.product_id;
             UPDATE allocations SET known_as_of = shipped_at + 36500 * 86400000000 WHERE order_id = {id};
             UPDATE stock SET quantity = (
                 SELECT sum(max(0, reported - in_flight)) FROM vendor_stock p WHERE p.product_id = stock.product_id
             ) WHERE product_id = (SELECT product_id FROM orders WHERE id = {id})"
        ),
        Damage::ShippedTomorrow(id) => format!(
            "UPDATE allocations SET shipped_at = shipped_at + 86400000000 WHERE order_id = {id}"
        ),
        Damage::Forgotten(id) => format!(
            "UPDATE orders SET created_at = created_at - 365 * 86400000000 WHERE id = {id};
             DELETE FROM outbox WHERE id IN (
                 SELECT outbox.id FROM outbox, json_each(outbox.order_ids) i WHERE i.value = {id}
             )"
        ),
        Damage::SequenceReset => {
            "UPDATE sqlite_sequence SET seq = 0 WHERE name = 'outbox'".to_owned()
        }
        Damage::UnreadableEntry(id) => format!(
            "INSERT INTO outbox (id, order_ids, product_ids, created_at) VALUES (0, '[{id}]', '[\"\"]', 0)"
        ),
        Damage::UnreadableChange => "INSERT INTO changes (order_ids, product_ids, created_at) \
             SELECT '[]', '[\"\"]', max(created_at) FROM changes"
            .to_owned(),
        Damage::UnreadableOrder(id) => {
            format!("UPDATE orders SET product_id = ' ' WHERE id = {id}")
        }
        Damage::UnreadableStock => "INSERT INTO stock (product_id, updated_at) VALUES (' ', 0);
             INSERT INTO vendor_stock (product_id, vendor_id, reported, as_of) VALUES (' ', 'v', 0, 0)"
            .to_owned(),
        Damage::UnknownOutcome(vendor) => {
            format!(
                "UPDATE vendor_syncs SET outcome = 'MOVED' WHERE vendor_id = '{vendor}';
                 UPDATE vendor_runs SET outcome = 'MOVED' WHERE vendor_id = '{vendor}'"
            )
        }
        Damage::UnreadableSource(vendor) => {
            format!("UPDATE vendor_syncs SET source = '' WHERE vendor_id = '{vendor}'")
        }
        Damage::UnreadableRun(vendor) => format!(
            "UPDATE vendor_runs SET refused = '[7]', refused_count = 1
             WHERE id = (SELECT max(id) FROM vendor_runs WHERE vendor_id = '{vendor}')"
        ),
    };
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {sql}"
        ))
        .unwrap();
    true
}

fn setup() -> Ready<(StorageUnderTest, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("store.db"));
    options.wait = Duration::from_secs(3);
    let store = Arc::new(SqliteStore::open(&options, Arc::new(SystemClock)).unwrap());
    let notifier = ProcessNotifier::new();
    let listened_to = notifier.clone();
    let path = options.path.clone();
    let storage = StorageUnderTest::new(
        store,
        Arc::new(ProcessLeases::new()),
        Arc::new(notifier),
        move |topic| Box::new(listened_to.listener(topic)),
        Box::new(move |damage| Box::pin(ready(do_damage(&path, &damage)))),
    );
    ready((storage, folder))
}

port_contracts::storage_contracts!(setup);
store_model_test::storage_model!(setup);
