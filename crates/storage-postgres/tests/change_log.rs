//! Tests the change log where it depends on the server: a log restored from another cluster, and transactions of other
//! databases.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use std::time::Duration;

use domain::change_offset::ChangeOffset;
use domain::identifiers::OrderId;
use domain::ports::{
    ChangeEntry, ChangeQueries as _, ChangesRead, Store as _, StoreProbe as _, UnitOfWork,
};
use domain::timestamp::Timestamp;
use port_contracts::builders::new_order;
use storage_postgres::test_database::TestDatabase;
use storage_postgres::{PgStore, migrations};

/// State after a restore from another cluster: a transaction id that this cluster has not assigned yet, of the last
/// pruned entry or of an existing one.
const FOREIGN: [&str; 2] = [
    "UPDATE changes_forgotten SET xid = '99999999999', seq = 7",
    "INSERT INTO changes (xid, order_ids) VALUES ('99999999999', '{4711}')",
];

async fn database() -> (TestDatabase, PgStore) {
    let database = TestDatabase::create().await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    (database, store)
}

async fn accept(work: &mut Box<dyn UnitOfWork>) -> OrderId {
    let accepted = work.accept(&[new_order("p", 1)]).await.unwrap();
    accepted[0].created().unwrap().id
}

async fn place(store: &PgStore) -> OrderId {
    let mut work = store.begin().await.unwrap();
    let id = accept(&mut work).await;
    work.commit().await.unwrap();
    id
}

async fn is_gone(store: &PgStore, offset: ChangeOffset) -> bool {
    store.read_changes(offset, 10).await.unwrap() == ChangesRead::Gone
}

/// Reads until `count` entries are there; transactions of other tests may hold entries back temporarily.
async fn entries(store: &PgStore, after: ChangeOffset, count: usize) -> Vec<ChangeEntry> {
    let reading = async {
        loop {
            match store.read_changes(after, 100).await.unwrap() {
                ChangesRead::Next { entries, .. } if entries.len() >= count => return entries,
                ChangesRead::Next { .. } => tokio::time::sleep(Duration::from_millis(20)).await,
                ChangesRead::Gone => panic!("{after} is gone"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading)
        .await
        .unwrap()
}

fn orders(entries: &[ChangeEntry]) -> Vec<OrderId> {
    let orders = entries
        .iter()
        .flat_map(|entry| entry.changed.order_ids.clone());
    orders.collect()
}

/// The newest offset can be read from, whatever transaction ids the log contains, and no later entry is missed.
#[tokio::test]
async fn a_foreign_log_is_reset_by_the_first_reader() {
    for foreign in FOREIGN {
        let (database, store) = database().await;
        place(&store).await;
        let before = entries(&store, ChangeOffset::START, 1).await;
        database.execute(foreign).await.unwrap();
        let newest = store.newest_change().await.unwrap();
        assert!(!is_gone(&store, newest).await, "{foreign}");
        for old in [
            ChangeOffset::START,
            before[0].offset,
            ChangeOffset::new(99_999_999_999, 7),
        ] {
            assert!(is_gone(&store, old).await, "{foreign}: {old}");
        }
        let ids = [place(&store).await, place(&store).await];
        assert_eq!(orders(&entries(&store, newest, 2).await), ids, "{foreign}");
        assert_eq!(
            store.newest_change().await.unwrap().max(newest),
            store.newest_change().await.unwrap()
        );
    }
}

#[tokio::test]
async fn a_foreign_log_is_reset_once_by_a_sweep_or_a_migration() {
    for foreign in FOREIGN {
        let (database, store) = database().await;
        database.execute(foreign).await.unwrap();
        let mut work = store.begin().await.unwrap();
        work.prune_changes(Timestamp::from_micros(0), 10)
            .await
            .unwrap();
        work.commit().await.unwrap();
        assert!(
            !store.reset_foreign_change_log().await.unwrap(),
            "{foreign}"
        );

        database.execute(foreign).await.unwrap();
        migrations::run(database.options()).await.unwrap();
        assert!(
            !store.reset_foreign_change_log().await.unwrap(),
            "{foreign}"
        );

        database.execute(foreign).await.unwrap();
        let resets = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.reset_foreign_change_log().await.unwrap() })
        });
        let mut done = 0;
        for reset in resets.collect::<Vec<_>>() {
            done += usize::from(reset.await.unwrap());
        }
        assert_eq!(done, 1, "{foreign}");
        let newest = store.newest_change().await.unwrap();
        let id = place(&store).await;
        assert_eq!(orders(&entries(&store, newest, 1).await), [id]);
    }
}

/// A transaction that is open during the reset inserts its entry after the new start.
#[tokio::test]
async fn a_transaction_that_is_open_during_a_reset_is_not_missed() {
    let (database, store) = database().await;
    database.execute(FOREIGN[0]).await.unwrap();
    let mut open = store.begin().await.unwrap();
    let early = accept(&mut open).await;
    let newest = store.newest_change().await.unwrap();
    let late = place(&store).await;
    open.commit().await.unwrap();
    let mut read = orders(&entries(&store, newest, 2).await);
    read.sort_unstable();
    assert_eq!(read, [early, late]);
}

/// A restored log whose transaction ids this cluster has passed can still be read. An offset that the other cluster
/// returned after the dump is gone, even if this cluster has assigned its transaction id by now.
#[tokio::test]
async fn an_offset_that_this_log_never_returned_is_gone() {
    let (_database, store) = database().await;
    place(&store).await;
    place(&store).await;
    let known: Vec<ChangeOffset> = entries(&store, ChangeOffset::START, 2)
        .await
        .iter()
        .map(|entry| entry.offset)
        .collect();
    for offset in [ChangeOffset::START, known[0], known[1]] {
        assert!(!is_gone(&store, offset).await, "{offset}");
    }
    for offset in &known {
        let other = ChangeOffset::new(offset.group(), offset.number() + 1_000);
        assert!(is_gone(&store, other).await, "{other}");
    }
    let between = ChangeOffset::new(known[0].group(), 0);
    assert!(is_gone(&store, between).await, "{between}");
}

/// An open write transaction in another database of the server holds entries back, and the lag reports for how long.
#[tokio::test]
async fn a_transaction_of_another_database_is_reported_as_lag_while_it_holds_entries_back() {
    let (_database, store) = database().await;
    let other = TestDatabase::create().await.unwrap();
    let (session, connection) = other
        .options()
        .login()
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    session
        .batch_execute("BEGIN; CREATE TABLE forgotten ()")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let newest = store.newest_change().await.unwrap();
    let id = place(&store).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let ChangesRead::Next {
        entries: none,
        held_back,
    } = store.read_changes(newest, 10).await.unwrap()
    else {
        panic!("the offset is gone");
    };
    assert!(none.is_empty() && held_back);
    let lag = store.change_feed_lag().await.unwrap();
    let held_back = lag.held_back.unwrap();
    assert!(held_back >= Duration::from_millis(600), "{lag:?}");
    assert!(
        lag.oldest_transaction.unwrap() >= Duration::from_millis(900),
        "{lag:?}"
    );

    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(orders(&entries(&store, newest, 1).await), [id]);
    let lag = store.change_feed_lag().await.unwrap();
    assert!(lag.held_back.is_none_or(|age| age < held_back), "{lag:?}");
    drop(session);
    connection.await.unwrap().unwrap();
}
