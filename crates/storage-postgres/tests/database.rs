//! Tests beyond the contracts: migrations, and connections that break, hang or outlive a runtime.

use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::{OrderId, ProductId};
use domain::ports::{OrderQueries as _, StockQueries as _, Store as _, Topic};
use storage_postgres::test_database::TestDatabase;
use storage_postgres::{PgStore, migrations};

#[tokio::test]
async fn each_migration_can_be_reverted_and_repeated() {
    let database = TestDatabase::create().await.unwrap();
    assert!(
        migrations::pending(database.options())
            .await
            .unwrap()
            .is_empty()
    );
    migrations::redo_all(database.options()).await.unwrap();
    assert!(
        migrations::run(database.options())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn concurrent_processes_run_each_migration_once() {
    let database = TestDatabase::create().await.unwrap();
    database
        .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .await
        .unwrap();
    let options = Arc::new(database.options().clone());
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let options = Arc::clone(&options);
            tokio::spawn(async move { migrations::run(&options).await.unwrap().len() })
        })
        .collect();
    let mut ran_some = 0;
    for run in runs {
        ran_some += usize::from(run.await.unwrap() > 0);
    }
    assert_eq!(ran_some, 1);
}

#[tokio::test]
async fn a_stale_connection_in_the_pool_is_replaced_transparently() {
    let database = TestDatabase::create().await.unwrap();
    let mut options = database.options().clone();
    // The place of the stale connection is the only one.
    options.pool_size = 1;
    let store = PgStore::new(&options).unwrap();
    let use_one = async || {
        let mut work = store.begin().await.unwrap();
        work.store_time().await.unwrap();
        work.commit().await.unwrap();
    };
    for round in 0..21 {
        use_one().await;
        database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        match round % 3 {
            0 => use_one().await,
            1 => {
                let mut work = store.begin().await.unwrap();
                let longest = Duration::from_secs(1);
                work.limit_lock_waits(longest).await.unwrap();
                work.commit().await.unwrap();
            }
            _ => drop(store.list_stock(None, false, 1).await.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_unit_of_work_notifies_with_its_commit() {
    let database = TestDatabase::create().await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    let mut work = store.begin().await.unwrap();
    assert!(work.notify_on_commit(Topic::Outbox));
}

/// Dropping the future of a read leaves its statement running; the next user of the pool must not wait for it.
#[tokio::test]
async fn an_abandoned_read_does_not_block_the_next_one() {
    let database = Arc::new(TestDatabase::create().await.unwrap());
    let mut options = database.options().clone();
    options.pool_size = 1;
    let store = PgStore::new(&options).unwrap();
    let blocker = Arc::clone(&database);
    let blocking = tokio::spawn(async move {
        let hold = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4)";
        blocker.execute(hold).await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let abandoned = tokio::time::timeout(Duration::from_millis(200), store.find_order(OrderId(1)));
    assert!(abandoned.await.is_err(), "the read should be blocked");
    let next = tokio::time::timeout(Duration::from_secs(2), store.list_stock(None, false, 1));
    next.await
        .expect("the next read waits for the abandoned one")
        .unwrap();
    blocking.abort();
}

/// An HTTP worker has a runtime of its own, which can shut down with open units of work.
#[tokio::test]
async fn a_unit_of_work_that_ends_with_its_runtime_releases_its_locks() {
    let database = TestDatabase::create().await.unwrap();
    database
        .execute("INSERT INTO orders (product_id, quantity) VALUES ('p', 1)")
        .await
        .unwrap();
    let store = PgStore::new(database.options()).unwrap();
    for _ in 0..3 * database.options().pool_size {
        let abandoning = store.clone();
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let work = runtime.block_on(async {
                let mut work = abandoning.begin().await.unwrap();
                work.lock_order(OrderId(1)).await.unwrap().unwrap();
                work
            });
            runtime.spawn(async move {
                std::future::pending::<()>().await;
                drop(work);
            });
            drop(runtime);
        })
        .await
        .unwrap();
        let mut work = store.begin().await.unwrap();
        let locked = tokio::time::timeout(Duration::from_secs(2), work.lock_order(OrderId(1)));
        locked.await.expect("the lock is still held").unwrap();
    }
}

/// Replaces foreign keys at the cost of statement triggers.
#[tokio::test]
async fn an_allocation_requires_an_order_of_its_product_and_a_stock_row() {
    let database = TestDatabase::create().await.unwrap();
    database
        .execute(
            "INSERT INTO vendor_syncs (vendor_id, configured) VALUES ('v', true), ('w', true);
             INSERT INTO stock (product_id) VALUES ('p'), ('q');
             INSERT INTO vendor_stock (product_id, vendor_id, reported, as_of)
             VALUES ('p', 'v', 9, now()), ('q', 'v', 9, now());
             INSERT INTO orders (id, product_id, quantity) VALUES (1, 'p', 1), (2, 'p', 1);
             INSERT INTO allocations (order_id, vendor_id, product_id, quantity) VALUES (1, 'v', 'p', 1)",
        )
        .await
        .unwrap();
    let insert = "INSERT INTO allocations (order_id, vendor_id, product_id, quantity) VALUES";
    for (refused, reason) in [
        (
            format!("{insert} (2, 'v', 'p', 1), (3, 'v', 'p', 1)"),
            "there is no order 3 of product \"p\"",
        ),
        (
            format!("{insert} (2, 'v', 'q', 1)"),
            "there is no order 2 of product \"q\"",
        ),
        (
            format!("{insert} (2, 'w', 'p', 1)"),
            "vendor \"w\" has no position in product \"p\"",
        ),
        (
            "UPDATE allocations SET order_id = 2".to_owned(),
            "an allocation stays with its order",
        ),
        (
            "DELETE FROM orders WHERE id IN (1, 2)".to_owned(),
            "allocations refer to it",
        ),
        (
            "DELETE FROM vendor_stock".to_owned(),
            "allocations refer to it",
        ),
    ] {
        let error = database.execute(&refused).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains(reason), "{refused}: {text}");
    }
    database
        .execute("UPDATE allocations SET quantity = 1; DELETE FROM orders WHERE id = 2; DELETE FROM vendor_stock WHERE product_id = 'q'")
        .await
        .unwrap();
}

/// Only an administrator locks a vendor stock row without its stock row.
#[tokio::test]
async fn a_product_with_a_locked_vendor_row_is_reported_as_held() {
    let database = TestDatabase::create().await.unwrap();
    database
        .execute(
            "INSERT INTO vendor_syncs (vendor_id, configured) VALUES ('v', true), ('w', true);
             INSERT INTO stock (product_id) VALUES ('p'), ('q'), ('r'), ('s');
             INSERT INTO vendor_stock (product_id, vendor_id, reported, as_of)
             SELECT product_id, vendor_id, 5, now() FROM stock, vendor_syncs WHERE product_id <> 's';
             INSERT INTO orders (id, product_id, quantity) VALUES (1, 'p', 1), (2, 'q', 1)",
        )
        .await
        .unwrap();
    let product = |id: &str| ProductId::parse(id).unwrap();
    let requested = ["p", "q", "r", "s", "unknown"].map(product);
    for locked in ["vendor_id = 'w' AND product_id = 'q'", "product_id = 'q'"] {
        let mut administrator = database.session().await.unwrap();
        administrator
            .execute(&format!(
                "BEGIN; SELECT 1 FROM vendor_stock WHERE {locked} FOR UPDATE"
            ))
            .await
            .unwrap();
        // The first unit of work of a store that finds a held row is repeated once.
        let store = PgStore::new(database.options()).unwrap();
        let mut work = store.begin().await.unwrap();
        let error = work.try_lock_stock(&requested).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        drop(work);
        let mut work = store.begin().await.unwrap();
        let found = work.try_lock_stock(&requested).await.unwrap();
        assert_eq!(found.held, [product("q")]);
        let found: Vec<(&str, usize)> = found
            .locked
            .iter()
            .map(|it| (it.product_id.as_str(), it.vendors.len()))
            .collect();
        assert_eq!(found, [("p", 2), ("r", 2), ("s", 0)]);
        drop(work);
        let mut work = store.begin().await.unwrap();
        let only = work.try_lock_stock(&[product("q")]).await.unwrap();
        assert_eq!((only.locked.len(), only.held), (0, vec![product("q")]));
        drop(work);

        let orders = [1, 2].map(OrderId);
        let store = PgStore::new(database.options()).unwrap();
        let mut work = store.begin().await.unwrap();
        let error = work.try_lock_batch(&orders).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        drop(work);
        let mut work = store.begin().await.unwrap();
        let found = work.try_lock_batch(&orders).await.unwrap();
        assert_eq!(found.pending.len(), 2);
        assert_eq!(found.stock.held, [product("q")]);
        assert_eq!(found.stock.locked.len(), 1);
    }
}
