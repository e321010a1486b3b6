//! Reports that a vendor has not finished: no failure, and no first sync.

use std::time::Duration;

use domain::order::{OrderState, RejectReason};
use domain::ports::{FeedError, StoredPause, SyncOutcome};
use tokio::time::{Instant, sleep};

use super::StorageUnderTest;
use super::first_syncs::due;
use crate::builders::{full, new_order, vendor};
use crate::use_cases::UseCases;

/// Syncs vendor `v`, whose report is not ready.
async fn not_ready(use_cases: &UseCases) {
    let reason = "the file stock.csv is empty".to_owned();
    let result = Err(FeedError::NotReady(reason.clone()));
    let done = use_cases.report_on_demand("v", result).await.unwrap();
    assert_eq!(done.outcome, SyncOutcome::NotReady);
    assert_eq!((done.received, done.changed), (0, 0));
    assert_eq!(done.error, Some(reason));
}

async fn pauses(storage: &StorageUnderTest) -> Vec<u32> {
    let found = storage.probe.find_pauses(&[vendor("v")]).await.unwrap();
    let failures = |stored: &StoredPause| stored.pause.failures;
    found.iter().map(failures).collect()
}

/// No count changes, and the vendor's failures are neither extended nor ended.
pub async fn a_report_that_is_not_ready_changes_nothing(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let history = async || {
        let state = storage.sync.find_sync_state(&vendor("v")).await;
        state.unwrap().unwrap().history
    };
    let before = history().await;
    not_ready(&use_cases).await;
    assert_eq!(history().await, before);
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    assert_eq!(pauses(storage).await, [0; 0]);
    let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    let last = status[0].last_sync.as_ref().unwrap();
    assert_eq!(last.outcome, SyncOutcome::NotReady);
    let runs = storage.runs.list_runs(&vendor("v"), None, 9).await.unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0].outcome, SyncOutcome::NotReady);

    let failed = || Err(FeedError::Unavailable("unreachable".to_owned()));
    use_cases.try_report("v", failed()).await.unwrap_err();
    not_ready(&use_cases).await;
    assert_eq!(pauses(storage).await, [1]);
    use_cases.try_report("v", failed()).await.unwrap_err();
    assert_eq!(pauses(storage).await, [2]);
    use_cases.report("v", full(&[("p", 6)])).await;
    assert_eq!(pauses(storage).await, [0; 0]);
}

/// An order waits for the report of a vendor that has not finished it, and is confirmed from that report.
pub async fn a_report_that_is_not_ready_is_no_first_sync(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let id = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    not_ready(&use_cases).await;
    use_cases.settle(&[id]).await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    not_ready(&use_cases).await;
    assert_eq!(due(storage).await, []);
    use_cases.report("v", full(&[("p", 1)])).await;
    assert_eq!(due(storage).await, [id]);
    use_cases.settle(&[id]).await;
    let state = storage.order(id).await.state;
    assert!(matches!(state, OrderState::Confirmed(_)), "{state:?}");
}

/// A vendor whose report is never ready defers a rejection for at most the grace.
pub async fn rejection_does_not_wait_for_a_report_that_is_never_ready(storage: &StorageUnderTest) {
    let grace = Duration::from_millis(600);
    let use_cases = UseCases::open(storage, &["v"]).await;
    let use_cases = use_cases.with_first_sync_grace(storage, grace);
    let id = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    use_cases.settle(&[id]).await;
    let deadline = Instant::now() + grace * 20;
    while due(storage).await.is_empty() {
        assert!(Instant::now() < deadline, "the order was not requeued");
        not_ready(&use_cases).await;
        sleep(grace / 20).await;
    }
    use_cases.settle(&[id]).await;
    let reason = storage.order(id).await.state.reject_reason();
    assert_eq!(reason, Some(RejectReason::UnknownProduct));
}
