//! Migrations: each can be undone, and running them twice does nothing.

use std::sync::Arc;

use domain::ports::Store as _;
use storage_postgres::test_database::TestDatabase;
use storage_postgres::{PgStore, migrations};

#[tokio::test]
async fn each_migration_can_be_undone_and_done_again() {
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
async fn processes_that_start_at_once_run_each_migration_once() {
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
    let mut done = 0;
    for run in runs {
        done += run.await.unwrap();
    }
    assert_eq!(done, 1);
}

#[tokio::test]
async fn a_connection_that_went_stale_in_the_pool_is_not_noticed_by_a_use_case() {
    let database = TestDatabase::create().await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    for _ in 0..5 {
        store.begin().await.unwrap().commit().await.unwrap();
        database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        store.begin().await.unwrap().commit().await.unwrap();
    }
}
