//! The probe that checks whether writes work.

use std::time::Duration;

use domain::ports::{ChangesRead, OutboxLag};
use tokio::time::timeout;

use super::StorageUnderTest;
use crate::builders::new_order;

/// Longer than any store waits for a free unit of work.
const BOUNDED: Duration = Duration::from_secs(30);

/// Repeated probes of a sound store succeed, and change no data.
pub async fn a_write_probe_leaves_nothing_behind(storage: &StorageUnderTest) {
    let before = storage.changes.newest_change().await.unwrap();
    for _ in 0..20 {
        storage.writes.probe_write().await.unwrap();
    }
    let lag = storage.probe.outbox_lag().await.unwrap();
    assert_eq!(lag, OutboxLag { oldest: None });
    assert!(storage.audit.audit().await.unwrap().is_empty());
    let read = storage.changes.read_changes(before, 10).await.unwrap();
    let ChangesRead::Next { entries, .. } = read else {
        panic!("the offset is gone");
    };
    assert_eq!(entries, []);
}

/// A probe fails within a bounded time while no unit of work can begin, and succeeds afterwards.
pub async fn a_write_probe_fails_while_no_unit_of_work_can_begin(storage: &StorageUnderTest) {
    let mut open = Vec::new();
    for _ in 0..storage.pool_size {
        open.push(storage.begin().await);
    }
    let probed = timeout(BOUNDED, storage.writes.probe_write())
        .await
        .unwrap();
    assert!(probed.unwrap_err().is_retryable());
    drop(open);
    timeout(BOUNDED, storage.writes.probe_write())
        .await
        .unwrap()
        .unwrap();
    storage.place(new_order("p", 1)).await;
}
