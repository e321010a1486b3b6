//! Runs the contracts of the storage ports on the PostgreSQL store.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use std::sync::Arc;

use port_contracts::StorageUnderTest;
use port_contracts::storage::damage::Damage;
use storage_postgres::test_database::TestDatabase;
use storage_postgres::{PgLeases, PgListener, PgNotifier, PgStore};

/// Returns the SQL that damages the data; triggers are disabled, and constraints that prevent it are dropped.
fn damage_sql(damage: &Damage) -> String {
    let resum = "UPDATE stock SET quantity = (
        SELECT coalesce(sum(greatest(0, reported - in_flight)), 0) FROM vendor_stock p
        WHERE p.product_id = stock.product_id
    )";
    match damage {
        Damage::OrderLost(id) => format!("DELETE FROM orders WHERE id = {id}"),
        Damage::VendorStockLost(product) => format!(
            "DELETE FROM vendor_stock WHERE product_id = '{product}' AND vendor_id = 'v'; {resum}"
        ),
        Damage::IncludedTooEarly(id) => format!(
            "UPDATE vendor_stock p SET in_flight = in_flight - a.quantity FROM allocations a
             WHERE a.order_id = {id} AND p.vendor_id = a.vendor_id AND p.product_id = a.product_id;
             UPDATE allocations SET known_as_of = now() + interval '100 years' WHERE order_id = {id}; {resum}"
        ),
        Damage::ShippedTomorrow(id) => format!(
            "UPDATE allocations SET shipped_at = now() + interval '1 day' WHERE order_id = {id}"
        ),
        Damage::Forgotten(id) => format!(
            "UPDATE orders SET created_at = created_at - interval '1 year' WHERE id = {id};
             DELETE FROM outbox WHERE {id} = ANY(order_ids)"
        ),
        Damage::SequenceReset => "ALTER SEQUENCE orders_id_seq RESTART 1".to_owned(),
        Damage::UnreadableEntry(id) => format!(
            "INSERT INTO outbox (id, order_ids, product_ids) VALUES (0, '{{{id}}}', '{{\"\"}}')"
        ),
        Damage::UnreadableChange => {
            "INSERT INTO changes (product_ids) VALUES ('{\"\",NULL}')".to_owned()
        }
        Damage::UnreadableOrder(id) => {
            format!("UPDATE orders SET product_id = ' ' WHERE id = {id}")
        }
        Damage::UnreadableStock => "INSERT INTO stock (product_id) VALUES (' ');
             INSERT INTO vendor_stock (product_id, vendor_id, reported, as_of) VALUES (' ', 'v', 0, now())"
            .to_owned(),
        Damage::UnknownOutcome(vendor) => format!(
            "ALTER TABLE vendor_syncs DROP CONSTRAINT IF EXISTS vendor_syncs_outcome_check;
             UPDATE vendor_syncs SET outcome = 'MOVED' WHERE vendor_id = '{vendor}';
             ALTER TABLE vendor_runs DROP CONSTRAINT IF EXISTS vendor_runs_outcome_check;
             UPDATE vendor_runs SET outcome = 'MOVED' WHERE vendor_id = '{vendor}'"
        ),
        Damage::UnreadableSource(vendor) => {
            format!("UPDATE vendor_syncs SET source = '' WHERE vendor_id = '{vendor}'")
        }
        Damage::UnreadableRun(vendor) => format!(
            "UPDATE vendor_runs SET refused = '[7]', refused_count = 1
             WHERE id = (SELECT max(id) FROM vendor_runs WHERE vendor_id = '{vendor}')"
        ),
    }
}

async fn setup() -> (StorageUnderTest, Arc<TestDatabase>) {
    let database = Arc::new(TestDatabase::create().await.unwrap());
    let damaged = Arc::clone(&database);
    let options = database.options().clone();
    let store = PgStore::new(&options).unwrap();
    let notifier = Arc::new(PgNotifier::start(store.clone()));
    let pool_size = options.pool_size;
    let leases = Arc::new(PgLeases::new(options.clone()));
    let storage = StorageUnderTest::new(
        Arc::new(store),
        leases,
        notifier,
        move |topic| Box::new(PgListener::start(options.clone(), topic)),
        Box::new(move |damage| {
            let damaged = Arc::clone(&damaged);
            Box::pin(async move {
                let sql = damage_sql(&damage);
                let sql = format!("SET session_replication_role = replica; {sql}");
                damaged.execute(&sql).await.unwrap();
                true
            })
        }),
    );
    let storage = StorageUnderTest {
        pool_size,
        ..storage
    };
    (storage, database)
}

/// Deletes all rows in the order of their references. Faster than TRUNCATE for few rows.
async fn empty(database: &Arc<TestDatabase>) {
    let tables = [
        "changes",
        "idempotency_keys",
        "outbox",
        "outbox_unreadable",
        "allocations",
        "orders",
        "vendor_stock",
        "vendor_evidence",
        "vendor_pauses",
        "quarantined_lines",
        "vendor_runs",
        "vendor_syncs",
        "vendor_sets",
        "stock",
    ];
    let sql = tables.map(|table| format!("DELETE FROM {table};")).concat();
    database.execute(&sql).await.unwrap();
}

port_contracts::storage_contracts!(setup);
store_model_test::storage_model!(setup, emptied by empty);
