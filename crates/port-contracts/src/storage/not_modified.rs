//! Reports that have not changed since they were applied: what such a statement means, and when a vendor may make it.

use std::sync::Arc;

use domain::ports::{FeedError, FinishedSync, StoredPause, SyncOutcome, VendorSyncState};
use domain::services::QuarantineDecision;
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use super::large_reports::{disturbed_at, interrupted_after};
use crate::builders::{delta, full, full_as_of, product, vendor};
use crate::conditional_feed::{ConditionalFeed, validators};
use crate::use_cases::UseCases;

async fn now(storage: &StorageUnderTest) -> Timestamp {
    storage.probe.store_time().await.unwrap()
}

async fn state(storage: &StorageUnderTest) -> VendorSyncState {
    let state = storage.sync.find_sync_state(&vendor("v")).await;
    state.unwrap().unwrap()
}

/// Opens use cases, and applies the report of the conditional vendor `v`, which has 8 units of p and 4 of q.
async fn open(storage: &StorageUnderTest) -> (UseCases, ConditionalFeed) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let report = full_as_of(now(storage).await, &[("p", 8), ("q", 4)]);
    let feed = ConditionalFeed::new(vendor("v"), report);
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    assert_eq!(feed.last_named(), None);
    (use_cases, feed)
}

async fn sync(use_cases: &UseCases, feed: &ConditionalFeed, outcome: SyncOutcome) -> FinishedSync {
    let done = use_cases.sync_feed(feed).await.unwrap();
    assert_eq!(done.outcome, outcome, "{:?}", done.error);
    done
}

/// Asserts that the next request has no condition, and the one after it has one.
async fn assert_read_again(use_cases: &UseCases, feed: &ConditionalFeed, version: u32) {
    sync(use_cases, feed, SyncOutcome::Applied).await;
    assert_eq!(feed.last_named(), None);
    sync(use_cases, feed, SyncOutcome::NotModified).await;
    assert_eq!(feed.last_named(), Some(version));
}

/// No count and no evidence changes, and the sync counts as a success of the vendor.
pub async fn an_unchanged_report_changes_nothing(storage: &StorageUnderTest) {
    let (use_cases, feed) = open(storage).await;
    use_cases.sell_and_ship(storage, "p", 3).await;
    let failed = Err(FeedError::Unavailable("unreachable".to_owned()));
    use_cases.try_report("v", failed).await.unwrap_err();
    let before = state(storage).await;
    assert_eq!(before.history.validators, Some(validators(1)));
    let done = sync(&use_cases, &feed, SyncOutcome::NotModified).await;
    assert_eq!(feed.last_named(), Some(1));
    assert_eq!((done.received, done.changed, &done.error), (0, 0, &None));
    assert_eq!(storage.numbers("p", "v").await, (8, 3, 5));

    let after = state(storage).await.history;
    assert!(after.completed_requested_at > before.history.completed_requested_at);
    assert!(after.clock_skew_ms.is_some());
    let mut expected = before.history;
    expected.completed_requested_at = after.completed_requested_at;
    expected.clock_skew_ms = after.clock_skew_ms;
    assert_eq!(after, expected);

    let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    assert_eq!(status[0].last_sync.as_ref(), Some(&done));
    let runs = storage.runs.list_runs(&vendor("v"), None, 1).await.unwrap();
    assert_eq!(runs[0].outcome, SyncOutcome::NotModified);
    assert_eq!(runs[0].details.proven, after.proof.and_then(Result::ok));
    assert!(runs[0].details.proven.is_some());
    let pauses = storage.probe.find_pauses(&[vendor("v")]).await.unwrap();
    let failures = |stored: &StoredPause| stored.pause.failures;
    assert_eq!(pauses.iter().map(failures).sum::<u32>(), 0);
    storage.assert_sound().await;

    // A changed report is applied, and is the known one from then on.
    feed.set(Some(full_as_of(now(storage).await, &[("p", 5), ("q", 4)])));
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    assert_eq!(feed.last_named(), Some(1));
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    sync(&use_cases, &feed, SyncOutcome::NotModified).await;
    assert_eq!(feed.last_named(), Some(2));
}

/// A report that was refused, stale, held or applied in part is read again, and so is one after a delta and after the vendor
/// was switched on again.
pub async fn a_condition_is_sent_only_after_a_complete_report(storage: &StorageUnderTest) {
    let (use_cases, feed) = open(storage).await;
    let as_of = now(storage).await;
    let current = || full_as_of(as_of, &[("p", 7), ("q", 4)]);
    feed.set(None);
    use_cases.sync_feed(&feed).await.unwrap_err();
    feed.set(Some(current()));
    assert_read_again(&use_cases, &feed, 3).await;

    feed.set(Some(full_as_of(Timestamp::EPOCH, &[("p", 6)])));
    sync(&use_cases, &feed, SyncOutcome::Stale).await;
    feed.set(Some(current()));
    assert_read_again(&use_cases, &feed, 5).await;

    feed.set(Some(full_as_of(now(storage).await, &[("p", 1)])));
    sync(&use_cases, &feed, SyncOutcome::Quarantined).await;
    feed.set(Some(current()));
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    assert_eq!(feed.last_named(), None);
    // The report in quarantine is newer, so it is still there.
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    assert_eq!(feed.last_named(), None);
    let discard = QuarantineDecision::Discard;
    use_cases.resolve_quarantine("v", discard).await.unwrap();
    sync(&use_cases, &feed, SyncOutcome::NotModified).await;

    feed.set(Some(full_as_of(now(storage).await, &[("p", 6), ("q", 5)])));
    let interrupted = interrupted_after(&use_cases, storage, 1);
    interrupted.sync_feed(&feed).await.unwrap_err();
    assert_eq!(state(storage).await.history.validators, None);
    assert_read_again(&use_cases, &feed, 8).await;

    use_cases.report("v", delta(&[("p", 3)])).await;
    feed.set(Some(full_as_of(now(storage).await, &[("p", 3), ("q", 5)])));
    assert_read_again(&use_cases, &feed, 9).await;

    use_cases.configure(&["w"]).await;
    use_cases.configure(&["v"]).await;
    assert_eq!(storage.numbers("p", "v").await, (0, 0, 0));
    assert_read_again(&use_cases, &feed, 9).await;
    assert_eq!(storage.numbers("p", "v").await, (3, 0, 3));
    storage.assert_sound().await;
}

/// A report that was applied because it confirmed the one in quarantine is read again: the guard may hold it the next time.
pub async fn a_confirmed_report_is_read_again(storage: &StorageUnderTest) {
    let (use_cases, feed) = open(storage).await;
    feed.set(Some(full_as_of(now(storage).await, &[("p", 2)])));
    sync(&use_cases, &feed, SyncOutcome::Quarantined).await;
    feed.set(Some(full_as_of(now(storage).await, &[("p", 2)])));
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    assert_eq!(storage.numbers("q", "v").await, (0, 0, 0));
    assert_read_again(&use_cases, &feed, 3).await;
}

/// A shipment that the report includes, and whose row another transaction held, leaves the units in flight with the next
/// sync, although the report has not changed.
pub async fn a_held_shipment_is_included_by_the_next_sync(storage: &StorageUnderTest) {
    if storage.pool_size < 2 {
        return held_shipment_needs_two_connections(storage).await;
    }
    let (use_cases, feed) = open(storage).await;
    use_cases.sell_and_ship(storage, "p", 3).await;
    let as_of = now(storage).await;
    feed.set(Some(full_as_of(as_of, &[("p", 5), ("q", 4)])));
    let mut holder = storage.begin().await;
    let products = [product("p")];
    let held = holder.mark_included(&vendor("v"), &products, as_of).await;
    assert_eq!(held.unwrap()[&product("p")], 3);
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    drop(holder);
    assert_eq!(storage.numbers("p", "v").await, (5, 3, 2));
    assert!(state(storage).await.has_unmarked_shipments);
    assert_read_again(&use_cases, &feed, 2).await;
    assert!(!state(storage).await.has_unmarked_shipments);
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    storage.assert_sound().await;
}

/// With one connection no row is held, and no shipment is left unmarked.
async fn held_shipment_needs_two_connections(storage: &StorageUnderTest) {
    let (use_cases, feed) = open(storage).await;
    use_cases.sell_and_ship(storage, "p", 3).await;
    assert!(!state(storage).await.has_unmarked_shipments);
    feed.set(Some(full_as_of(now(storage).await, &[("p", 5), ("q", 4)])));
    sync(&use_cases, &feed, SyncOutcome::Applied).await;
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    assert!(!state(storage).await.has_unmarked_shipments);
}

/// The statement of a vendor about a report that was replaced meanwhile changes nothing, and neither does that about the time
/// before it was switched on again.
pub async fn a_statement_about_an_earlier_state_changes_nothing(storage: &StorageUnderTest) {
    let (use_cases, feed) = open(storage).await;
    let other = use_cases.clone();
    let meanwhile = move || {
        let other = other.clone();
        async move {
            other.report("v", full(&[("p", 6), ("q", 4)])).await;
        }
    };
    let disturbed = disturbed_at(&use_cases, storage, 1, meanwhile);
    sync(&disturbed, &feed, SyncOutcome::NotModified).await;
    assert_eq!(feed.last_named(), Some(1));
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    assert_eq!(state(storage).await.history.validators, None);
    feed.set(Some(full_as_of(now(storage).await, &[("p", 6), ("q", 4)])));
    assert_read_again(&use_cases, &feed, 2).await;

    let other = use_cases.clone();
    let switch = move || {
        let other = other.clone();
        async move {
            other.configure(&["w"]).await;
            other.configure(&["v"]).await;
        }
    };
    let disturbed = disturbed_at(&use_cases, storage, 1, switch);
    let error = disturbed.sync_feed(&feed).await.unwrap_err().to_string();
    assert!(error.contains("removed and added again"), "{error}");
    let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    let last = status[0].last_sync.as_ref().unwrap();
    assert_eq!(last.outcome, SyncOutcome::Failed);
    assert_read_again(&use_cases, &feed, 2).await;
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    storage.assert_sound().await;
}

/// Syncs of two processes that both read that nothing has changed.
pub async fn concurrent_statements_that_nothing_changed_are_both_recorded(
    storage: &StorageUnderTest,
) {
    let (use_cases, feed) = open(storage).await;
    let feed = Arc::new(feed);
    let other = (use_cases.clone(), Arc::clone(&feed));
    let meanwhile = move || {
        let (use_cases, feed) = other.clone();
        async move {
            sync(&use_cases, &feed, SyncOutcome::NotModified).await;
        }
    };
    let disturbed = disturbed_at(&use_cases, storage, 1, meanwhile);
    sync(&disturbed, &feed, SyncOutcome::NotModified).await;
    let runs = storage.runs.list_runs(&vendor("v"), None, 9).await.unwrap();
    assert_eq!(runs.len(), 3);
    sync(&use_cases, &feed, SyncOutcome::NotModified).await;
    assert_eq!(feed.last_named(), Some(1));
}
