//! Tests sessions with a real server: the settings in force, and which sessions the pool keeps.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use diesel::QueryableByName;
use diesel::sql_types::{Integer, Text};
use domain::ports::{Leases as _, Store as _, StoreError};

use crate::leases::PgLeases;
use crate::migrations::MAINTENANCE_DATABASE;
use crate::session::connect;
use crate::store::PgStore;
use crate::test_database::TestDatabase;

#[derive(QueryableByName)]
struct PidRow {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

#[derive(QueryableByName)]
struct SettingRow {
    #[diesel(sql_type = Text)]
    setting: String,
}

/// Returns a store with one connection.
async fn single() -> (TestDatabase, PgStore) {
    let database = TestDatabase::create().await.unwrap();
    let mut options = database.options().clone();
    options.pool_size = 1;
    let store = PgStore::new(&options).unwrap();
    (database, store)
}

async fn pid(store: &PgStore) -> i32 {
    let rows: Vec<PidRow> = store
        .load("SELECT pg_backend_pid() AS pid", Vec::new())
        .await
        .unwrap();
    rows[0].pid
}

#[tokio::test]
async fn the_pool_keeps_sessions_only_after_known_errors() {
    let (_database, store) = single().await;
    for (sql, kept) in [
        ("SELECT 1", true),
        ("INSERT INTO stock (product_id) VALUES ('p'), ('p')", true),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'retry' USING ERRCODE = '40001'; END $$",
            true,
        ),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'locked' USING ERRCODE = '55P03'; END $$",
            true,
        ),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'retry' USING ERRCODE = '40P01'; END $$",
            false,
        ),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '25006'; END $$",
            false,
        ),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '0A000'; END $$",
            false,
        ),
        ("SELECT 1 / 0", false),
    ] {
        let before = pid(&store).await;
        let mut checkout = store.checkout().await.unwrap();
        let _ = checkout.command(sql).await;
        drop(checkout);
        assert_eq!(pid(&store).await == before, kept, "{sql}");
    }
}

#[tokio::test]
async fn an_idle_session_that_rejects_writes_is_replaced() {
    let (_database, store) = single().await;
    let before = pid(&store).await;
    let mut checkout = store.checkout().await.unwrap();
    checkout
        .command("SET default_transaction_read_only = on")
        .await
        .unwrap();
    drop(checkout);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_ne!(pid(&store).await, before);
}

#[tokio::test]
async fn an_error_is_classified_by_its_sqlstate_and_not_by_its_message() {
    let (_database, store) = single().await;
    for (code, is_conflict, is_retryable) in [
        ("40001", true, true),
        ("40P01", true, true),
        ("23505", false, false),
        ("23514", false, false),
        ("53100", false, true),
        ("55P03", false, true),
    ] {
        let sql = format!(
            "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '{code}'; END $$"
        );
        let options = store.options();
        let mut session = connect(options, &options.database).await.unwrap();
        let error = session.batch(&sql).await.unwrap_err();
        assert_eq!(error.is_conflict(), is_conflict, "{code}: {error}");
        assert_eq!(error.is_retryable(), is_retryable, "{code}: {error}");
    }
}

#[tokio::test]
async fn a_changed_result_type_discards_the_session() {
    let (database, store) = single().await;
    database
        .execute("CREATE TABLE t (setting text); INSERT INTO t VALUES ('a')")
        .await
        .unwrap();
    let read = async || -> Result<Vec<SettingRow>, StoreError> {
        store.load("SELECT * FROM t", Vec::new()).await
    };
    read().await.unwrap();
    database
        .execute("ALTER TABLE t ADD COLUMN another text")
        .await
        .unwrap();
    // The statement was prepared for the old columns.
    assert!(read().await.is_err());
    assert_eq!(read().await.unwrap().len(), 1);
}

async fn setting_in_a_unit_of_work(store: &PgStore, sql: &'static str) -> String {
    let mut work = store.begin_work().await.unwrap();
    let rows: Vec<SettingRow> = work.load(sql, Vec::new()).await.unwrap();
    rows[0].setting.clone()
}

#[tokio::test]
async fn commits_are_durable_with_any_default_and_a_stronger_default_is_kept() {
    const SQL: &str = "SELECT current_setting('synchronous_commit') AS setting";
    let database = TestDatabase::create().await.unwrap();
    for (default, in_force) in [
        ("off", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let name = &database.options().database;
        database
            .execute(&format!(
                "ALTER DATABASE \"{name}\" SET synchronous_commit = {default}"
            ))
            .await
            .unwrap();
        let store = PgStore::new(database.options()).unwrap();
        assert_eq!(
            setting_in_a_unit_of_work(&store, SQL).await,
            in_force,
            "the default is {default}"
        );
    }
}

#[tokio::test]
async fn the_settings_of_a_session_are_in_force() {
    let (_database, store) = single().await;
    for (sql, expected) in [
        (
            "SELECT current_setting('statement_timeout') AS setting",
            "30s",
        ),
        ("SELECT current_setting('lock_timeout') AS setting", "10s"),
        (
            "SELECT current_setting('idle_in_transaction_session_timeout') AS setting",
            "1min",
        ),
        (
            "SELECT current_setting('client_connection_check_interval') AS setting",
            "2s",
        ),
        (
            "SELECT current_setting('tcp_user_timeout') AS setting",
            "20000",
        ),
        ("SELECT current_setting('enable_seqscan') AS setting", "off"),
        (
            "SELECT current_setting('plan_cache_mode') AS setting",
            "force_generic_plan",
        ),
        ("SELECT current_setting('jit') AS setting", "off"),
    ] {
        assert_eq!(
            setting_in_a_unit_of_work(&store, sql).await,
            expected,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_read_only_server_is_rejected_for_sessions_and_leases() {
    let database = TestDatabase::create().await.unwrap();
    let name = database.options().database.clone();
    let set = |value: &str| {
        format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = {value}")
    };
    database.execute(&set("on")).await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    let Err(error) = store.begin().await else {
        panic!("a session that rejects writes was used");
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("is read-only"), "{error}");
    let leases = PgLeases::new(database.options().clone());
    assert!(leases.try_acquire("lease").await.is_err());

    let mut maintenance = database.options().clone();
    maintenance.database = MAINTENANCE_DATABASE.to_owned();
    let mut session = connect(&maintenance, &maintenance.database).await.unwrap();
    session.batch(&set("off")).await.unwrap();
    store.begin().await.unwrap();
    let mut lease = leases.try_acquire("lease").await.unwrap().unwrap();
    assert!(lease.is_held().await);
}
