//! The guard of a vendor: a report that would take too much away changes nothing, is kept with its lines, and is applied when
//! a later one agrees with it or an operator accepts it.

use std::sync::Arc;

use clock_tokio::SystemClock;
use domain::guard::{Guard, Share};
use domain::ports::{FinishedSync, SyncOutcome};
use domain::report::Report;
use domain::report_history::QuarantinedReport;
use domain::services::{QuarantineDecision, RenameVendor};
use domain::timestamp::Timestamp;
use tokio::task::JoinSet;

use super::StorageUnderTest;
use super::large_reports::{disturbed_at, interrupted_after};
use crate::builders::{delta, fetched, full, full_as_of, product, vendor};
use crate::use_cases::UseCases;

pub(super) const ACCEPT: QuarantineDecision = QuarantineDecision::Accept;
pub(super) const DISCARD: QuarantineDecision = QuarantineDecision::Discard;

/// Holds reports that take away more than half of the units.
pub(super) fn half() -> Guard {
    Guard {
        max_drop: Share::parse(0.5).ok(),
        ..Guard::default()
    }
}

/// Syncs vendor `v`, which has this guard.
pub(super) async fn guarded(use_cases: &UseCases, report: Report) -> FinishedSync {
    use_cases.report_guarded("v", report, half()).await.unwrap()
}

pub(super) async fn assert_held(use_cases: &UseCases, report: Report) {
    let done = guarded(use_cases, report).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Quarantined, 0));
}

pub(super) async fn assert_applied(use_cases: &UseCases, report: Report, changed: u64) {
    let done = guarded(use_cases, report).await;
    let expected = (SyncOutcome::Applied, changed, None);
    assert_eq!((done.outcome, done.changed, done.error), expected);
}

/// Accepts the report of `v` in quarantine.
pub(super) async fn accept(use_cases: &UseCases, changed: u64) {
    let done = use_cases.resolve_quarantine("v", ACCEPT).await.unwrap();
    let expected = (SyncOutcome::Applied, changed, None);
    assert_eq!((done.outcome, done.changed, done.error), expected);
}

/// Opens use cases whose vendor `v` has 10 units each of a, b and c.
pub(super) async fn open(storage: &StorageUnderTest) -> UseCases {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let first = full(&[("a", 10), ("b", 10), ("c", 10)]);
    assert_applied(&use_cases, first, 3).await;
    use_cases
}

pub(super) async fn reported(storage: &StorageUnderTest) -> [u32; 3] {
    let mut found = [0; 3];
    for (product_id, units) in ["a", "b", "c"].into_iter().zip(&mut found) {
        *units = storage.vendor_level(product_id, "v").await.reported;
    }
    found
}

/// Returns the report of `v` in quarantine, after checking that readers see it and that exactly its lines are kept.
pub(super) async fn quarantined(storage: &StorageUnderTest) -> Option<QuarantinedReport> {
    let id = vendor("v");
    let shown = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    let state = storage.sync.find_sync_state(&id).await.unwrap().unwrap();
    assert_eq!(shown[0].quarantined, state.history.quarantined);
    let lines_of = state.history.quarantined.as_ref()?.lines_of();
    assert_eq!(state.has_quarantined_lines, lines_of.is_some());
    if let Some(requested_at) = lines_of {
        let lines = storage
            .sync
            .list_quarantined_lines(&id, requested_at, None, 100);
        let lines = lines.await.unwrap().len() as u64;
        assert_eq!(state.history.quarantined.as_ref().unwrap().lines, lines);
    }
    state.history.quarantined
}

/// Asserts that nothing of `v` is in quarantine, and no line is left.
pub(super) async fn assert_released(storage: &StorageUnderTest) {
    assert_eq!(quarantined(storage).await, None);
    let state = storage.sync.find_sync_state(&vendor("v")).await.unwrap();
    assert!(!state.unwrap().has_quarantined_lines);
    storage.assert_sound().await;
}

pub(super) async fn now(storage: &StorageUnderTest) -> Timestamp {
    storage.probe.store_time().await.unwrap()
}

/// The report changes no count and no unit in flight, the verdict is shown as the error of the last sync, and a report that
/// is not held is applied as usual. The shares are of reported units.
pub async fn a_report_that_takes_too_much_away_is_held(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    use_cases.sell_and_ship(storage, "a", 4).await;
    let as_of = now(storage).await;
    let report = || full_as_of(as_of, &[("a", 6), ("b", 5), ("c", 0)]);
    for _ in 0..2 {
        // The same claim twice is the same report.
        let done = guarded(&use_cases, report()).await;
        let outcome = (done.outcome, done.received, done.changed);
        assert_eq!(outcome, (SyncOutcome::Quarantined, 3, 0));
        let verdict =
            "the report would take away 19 of 30 units (63.4 %), more than guard.max_drop = 0.5";
        assert_eq!(done.error.as_deref(), Some(verdict));
        let held = quarantined(storage).await.unwrap();
        assert_eq!((held.lines, held.reason.as_str()), (3, verdict));
        assert_eq!(reported(storage).await, [10; 3]);
        assert_eq!(storage.numbers("a", "v").await, (10, 4, 6));
        let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
        assert_eq!(status[0].last_sync.as_ref(), Some(&done));
        storage.assert_sound().await;
    }
    let done = use_cases.resolve_quarantine("v", DISCARD).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Quarantined, 0));
    assert_released(storage).await;
    assert_eq!(use_cases.resolve_quarantine("v", ACCEPT).await, None);

    assert_held(&use_cases, report()).await;
    // Exactly half is not more than half.
    assert_applied(&use_cases, full(&[("a", 10), ("b", 5)]), 3).await;
    assert_released(storage).await;
    assert_eq!(use_cases.resolve_quarantine("v", ACCEPT).await, None);
    assert_eq!(reported(storage).await, [10, 5, 0]);
}

/// The next report that is held too replaces the one in quarantine, unless it agrees: then it is applied.
pub async fn a_held_report_is_released_by_one_that_agrees(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    assert_held(&use_cases, full(&[("a", 4), ("b", 4), ("c", 4)])).await;
    assert_held(&use_cases, full(&[("a", 12)])).await;
    assert_eq!(quarantined(storage).await.unwrap().lines, 1);
    assert_held(&use_cases, full(&[])).await;
    let held = quarantined(storage).await.unwrap();
    assert!(held.is_empty_full());
    assert_held(&use_cases, full(&[("a", 12), ("d", 1)])).await;
    assert_applied(&use_cases, full(&[("a", 11), ("d", 1)]), 4).await;
    assert_eq!(reported(storage).await, [11, 0, 0]);
    assert_released(storage).await;
}

/// The lines are kept in the store, in several transactions if there are many, so that another process can apply them. They
/// are applied with the time of their report: a newer report that was applied meanwhile makes them stale.
pub async fn a_held_report_is_accepted_by_another_process(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let small = use_cases
        .clone()
        .with_chunks(storage, storage.store.clone(), 2);
    let lines = [("a", 4), ("b", 1), ("d", 3), ("e", 5), ("f", 6)];
    assert_held(&small, full(&lines)).await;
    let unknown = storage.stock.find_stock(&product("d")).await.unwrap();
    assert_eq!(unknown, None);
    drop((use_cases, small));
    let other = UseCases::open(storage, &["v"]).await;
    let done = other.resolve_quarantine("v", ACCEPT).await.unwrap();
    assert_eq!((done.received, done.changed), (5, 6));
    assert_eq!(reported(storage).await, [4, 1, 0]);
    assert_eq!(storage.sellable("f").await, 6);
    assert_released(storage).await;
    assert_eq!(other.resolve_quarantine("v", ACCEPT).await, None);

    // A report that was read before the held one is older, and leaves it in quarantine.
    let (old, new) = (now(storage).await, now(storage).await);
    assert_held(&other, full_as_of(new, &[("a", 1)])).await;
    assert_applied(&other, full_as_of(old, &lines), 0).await;
    assert!(quarantined(storage).await.is_some());
    accept(&other, 5).await;
    assert_eq!(reported(storage).await, [1, 0, 0]);
    assert_released(storage).await;
}

/// A shipment is included if it was before the as-of of the accepted report; a later one stays in flight.
pub async fn an_accepted_report_is_applied_like_any_other(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    use_cases.sell_and_ship(storage, "a", 4).await;
    let report = full_as_of(now(storage).await, &[("a", 6)]);
    assert_held(&use_cases, report).await;
    use_cases.sell_and_ship(storage, "a", 1).await;
    assert_eq!(storage.numbers("a", "v").await, (10, 5, 5));
    accept(&use_cases, 3).await;
    assert_eq!(storage.numbers("a", "v").await, (6, 1, 5));
    assert_released(storage).await;
}

/// The report stays in quarantine until it is applied to all products.
pub async fn an_interrupted_acceptance_of_a_held_report_is_repeated(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    assert_held(&use_cases, full(&[("a", 1), ("b", 2), ("c", 3)])).await;
    let interrupted = interrupted_after(&use_cases, storage, 2);
    let resolved = interrupted.try_resolve_quarantine("v", ACCEPT).await;
    resolved.unwrap_err();
    assert_eq!(reported(storage).await, [1, 2, 10]);
    assert!(quarantined(storage).await.is_some());
    storage.assert_sound().await;
    accept(&use_cases, 1).await;
    assert_eq!(reported(storage).await, [1, 2, 3]);
    assert_released(storage).await;
}

/// Another sync that writes between the decision and the first chunk, or between two chunks of kept lines, makes the guard
/// decide again, from the stock that it left.
pub async fn the_guard_is_decided_again_when_the_stock_has_changed(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let meanwhile = |lines: &'static [(&'static str, u32)], as_of| {
        let other = use_cases.clone();
        move || {
            let other = other.clone();
            async move {
                let respond = || Ok(fetched(&full(lines), as_of));
                let done = other.sync_with("v", respond).await.unwrap();
                assert_eq!(done.outcome, SyncOutcome::Applied);
            }
        }
    };
    // Another process raises the counts before the first chunk.
    let (old, new) = (now(storage).await, now(storage).await);
    let raised = meanwhile(&[("a", 50), ("b", 50), ("c", 50)], old);
    let disturbed = disturbed_at(&use_cases, storage, 1, raised);
    let report = full_as_of(new, &[("a", 6), ("b", 6), ("c", 6)]);
    assert_held(&disturbed, report).await;
    assert_eq!(reported(storage).await, [50; 3]);
    assert!(quarantined(storage).await.is_some());

    // It lowers the counts while the lines of a report are kept.
    let (old, new) = (now(storage).await, now(storage).await);
    let lowered = meanwhile(&[("a", 50), ("b", 2), ("c", 2)], old);
    let disturbed = disturbed_at(&use_cases, storage, 2, lowered);
    let report = full_as_of(new, &[("a", 49), ("b", 1), ("c", 1)]);
    assert_applied(&disturbed, report, 3).await;
    assert_eq!(reported(storage).await, [49, 1, 1]);
    assert_released(storage).await;

    // A delta is decided again too.
    let (old, new) = (now(storage).await, now(storage).await);
    let lines = [("a", 10), ("b", 10), ("c", 10)];
    use_cases.report("v", full_as_of(old, &lines)).await;
    let raised = meanwhile(&[("a", 50), ("b", 10), ("c", 10)], new);
    let disturbed = disturbed_at(&use_cases, storage, 1, raised);
    assert_held(&disturbed, delta(&[("a", 1)])).await;
    assert_eq!(reported(storage).await, [50, 10, 10]);
    storage.assert_sound().await;
}

/// A delta that empties all products that it names is applied if they are a small part of the stock.
pub async fn the_shares_of_a_delta_are_of_all_stock(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    assert_applied(&use_cases, delta(&[("a", 0)]), 1).await;
    let done = guarded(&use_cases, delta(&[("b", 0), ("c", 9), ("d", 100)])).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Quarantined, 0));
    let verdict = "the report would take away 11 of 20 units (55 %)";
    assert!(done.error.unwrap().starts_with(verdict));
    assert_eq!(reported(storage).await, [0, 10, 10]);
    let unknown = storage.stock.find_stock(&product("d")).await.unwrap();
    assert_eq!(unknown, None);
    accept(&use_cases, 3).await;
    assert_eq!(reported(storage).await, [0, 0, 9]);
    assert_released(storage).await;
}

/// A delta that is applied leaves another one in quarantine, because it does not state its products. Lines for which a newer
/// delta was applied are not applied when the held one is accepted.
pub async fn a_held_delta_survives_other_deltas(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let held = || delta(&[("a", 1), ("b", 1)]);
    assert_held(&use_cases, held()).await;
    assert_applied(&use_cases, delta(&[("a", 8), ("d", 1)]), 2).await;
    assert_eq!(quarantined(storage).await.unwrap().lines, 2);
    accept(&use_cases, 1).await;
    assert_eq!(reported(storage).await, [8, 1, 10]);
    assert_released(storage).await;

    let lines = [("a", 10), ("b", 10), ("c", 10)];
    use_cases.report("v", full(&lines)).await;
    assert_held(&use_cases, held()).await;
    let more = delta(&[("a", 1), ("b", 1), ("c", 0), ("d", 0)]);
    let other = delta(&[("b", 1), ("c", 0)]);
    assert_held(&use_cases, other).await;
    assert_held(&use_cases, held()).await;
    // The first delta confirms its own products; the guard decides on the others.
    assert_applied(&use_cases, more, 3).await;
    assert_eq!(reported(storage).await, [1, 1, 0]);
    assert_released(storage).await;
}

/// A held delta of which no line is newer than its row leaves the quarantine when it is accepted.
pub async fn an_outdated_held_delta_can_be_accepted(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    assert_held(&use_cases, delta(&[("a", 0), ("b", 0)])).await;
    assert_applied(&use_cases, delta(&[("a", 8), ("b", 8)]), 2).await;
    let done = use_cases.resolve_quarantine("v", ACCEPT).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    assert_eq!(reported(storage).await, [8, 8, 10]);
    assert_released(storage).await;
}

/// Lines of a process that ended before it had kept all of them are never applied, and the next sync removes them.
pub async fn a_held_report_whose_process_ended_leaves_nothing_behind(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let interrupted = interrupted_after(&use_cases, storage, 2);
    let report = full(&[("a", 1), ("b", 1), ("c", 1)]);
    let failed = interrupted.report_guarded("v", report, half()).await;
    failed.unwrap_err();
    assert_eq!(quarantined(storage).await, None);
    let state = storage.sync.find_sync_state(&vendor("v")).await.unwrap();
    assert!(state.unwrap().has_quarantined_lines);
    assert_eq!(use_cases.resolve_quarantine("v", ACCEPT).await, None);
    assert_eq!(reported(storage).await, [10; 3]);
    assert_applied(&use_cases, full(&[("a", 9), ("b", 10), ("c", 10)]), 1).await;
    assert_released(storage).await;
}

/// Whatever the order in which concurrent syncs hold their reports, one of them is in quarantine with all of its lines.
pub async fn concurrent_held_reports_leave_one_complete_report(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let chunked = use_cases
        .clone()
        .with_chunks(storage, storage.store.clone(), 1);
    let mut tasks = JoinSet::new();
    for kept in ["a", "b", "c"] {
        let use_cases = chunked.clone();
        tasks.spawn(async move {
            // No two of them agree.
            let lines = ["a", "b", "c"].map(|id| (id, if id == kept { 5 } else { 0 }));
            let done = use_cases.report_guarded("v", full(&lines), half()).await;
            match done {
                Ok(done) => assert_eq!(done.outcome, SyncOutcome::Quarantined),
                Err(error) => assert!(error.store_error().unwrap().is_conflict(), "{error}"),
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(reported(storage).await, [10; 3]);
    assert!(quarantined(storage).await.is_some());
    accept(&use_cases, 3).await;
    let units: u32 = reported(storage).await.iter().sum();
    assert_eq!(units, 5);
    assert_released(storage).await;
}

/// A report that agreed with the one in quarantine, and was not applied to all products, needs no further confirmation.
pub async fn an_interrupted_confirmed_report_is_completed(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let report = || full(&[("a", 1), ("b", 1), ("c", 1)]);
    assert_held(&use_cases, report()).await;
    let interrupted = interrupted_after(&use_cases, storage, 1);
    let failed = interrupted.report_guarded("v", report(), half()).await;
    failed.unwrap_err();
    assert_eq!(reported(storage).await, [1, 10, 10]);
    storage.assert_sound().await;
    assert_applied(&use_cases, report(), 2).await;
    assert_eq!(reported(storage).await, [1; 3]);
    assert_released(storage).await;
}

/// A vendor's first report takes nothing away: only `min_rows` holds it, and a second one like it is applied. Neither a delta nor
/// a report that changes nothing is held by `min_rows`.
pub async fn min_rows_holds_a_first_report(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let guard = Guard {
        min_rows: 2,
        ..half()
    };
    let sync = async |vendor_id, report| {
        let done = use_cases.report_guarded(vendor_id, report, guard).await;
        done.unwrap().outcome
    };
    assert_eq!(sync("v", full(&[])).await, SyncOutcome::Applied);
    let held = SyncOutcome::Quarantined;
    for outcome in [held, SyncOutcome::Applied, SyncOutcome::Applied] {
        assert_eq!(sync("v", full(&[("d", 5)])).await, outcome);
    }
    assert_released(storage).await;
    assert_eq!(storage.sellable("d").await, 5);
    let first = full(&[("d", 1), ("e", 0)]);
    assert_eq!(sync("w", first).await, SyncOutcome::Applied);
    assert_eq!(sync("w", delta(&[("d", 2)])).await, SyncOutcome::Applied);
    storage.assert_sound().await;
}

/// A renamed vendor keeps its report in quarantine, with its lines.
pub async fn a_renamed_vendor_keeps_its_held_report(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    assert_held(&use_cases, full(&[("a", 1), ("d", 2)])).await;
    let renaming = RenameVendor::new(storage.store.clone(), Arc::new(SystemClock));
    renaming.rename(&vendor("v"), &vendor("x")).await.unwrap();
    let done = use_cases.resolve_quarantine("x", ACCEPT).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 4));
    assert_eq!(storage.numbers("a", "x").await, (1, 0, 1));
    assert_eq!(storage.numbers("d", "x").await, (2, 0, 2));
    storage.assert_sound().await;
}
