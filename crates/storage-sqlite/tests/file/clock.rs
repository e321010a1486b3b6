//! Tests a system clock that is set back while no process runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::ports::{Clock, RequeueLimits, Store as _};
use domain::timestamp::Timestamp;
use storage_sqlite::SqliteStore;

use crate::{LONG, StoreFile, accept};

struct FixedClock(Timestamp);

#[async_trait]
impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

#[tokio::test]
async fn orders_created_in_the_future_are_all_requeued() {
    let file = StoreFile::new();
    let now = SystemClock.now();
    let open_at =
        |instant| SqliteStore::open(&file.options, Arc::new(FixedClock(instant))).unwrap();
    let store = open_at(now);
    accept(&store, 2).await;
    let mut work = store.begin().await.unwrap();
    let claimed = work.claim(10, LONG).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|entry| entry.id).collect();
    work.remove(&ids).await.unwrap();
    work.commit().await.unwrap();
    drop(store);

    let store = open_at(now.minus(LONG));
    let requeue = async |pending_for| {
        let mut work = store.begin().await.unwrap();
        let limits = RequeueLimits {
            pending_for,
            limit: 10,
        };
        let requeued = work.requeue_overdue(limits).await.unwrap();
        work.commit().await.unwrap();
        requeued
    };
    assert_eq!(requeue(Duration::from_secs(1)).await, 0);
    assert_eq!(requeue(Duration::ZERO).await, 2);
    assert_eq!(requeue(Duration::ZERO).await, 0);
}
