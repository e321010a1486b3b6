//! Held reports: the losses that are stated, the runs of decisions, and decisions at the same time.

use clock_tokio::SystemClock;
use domain::guard::Guard;
use domain::identifiers::ProductId;
use domain::ports::{Clock as _, FetchedReport, FinishedSync, Run, SyncOutcome};
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::services::SyncError;
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use super::guarding::{
    ACCEPT, DISCARD, accept, assert_applied, assert_held, assert_released, guarded, half, now,
    open, quarantined, reported,
};
use super::large_reports::disturbed_at;
use crate::builders::{delta, fetched, full, full_as_of, product, vendor};
use crate::use_cases::UseCases;

fn delta_as_of(as_of: Timestamp, lines: &[(&str, i64)]) -> Report {
    let lines = lines.iter().map(|&(id, units)| (product(id), units));
    Report::parse(ReportKind::Delta, Some(as_of), lines).unwrap()
}

async fn newest_run(storage: &StorageUnderTest) -> Run {
    let runs = storage.runs.list_runs(&vendor("v"), None, 1).await;
    runs.unwrap().remove(0)
}

/// A report that `min_rows` holds and that is accepted changes nothing when the vendor states it again, with the same time or
/// a later one. The next change is held.
pub async fn an_accepted_report_is_not_held_again(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let guard = Guard {
        min_rows: 3,
        ..Guard::default()
    };
    let sync = async |report: Report| {
        let done = use_cases.report_guarded("v", report, guard).await;
        done.unwrap()
    };
    let as_of = now(storage).await;
    let lines = [("a", 10), ("b", 10)];
    let accepted = || full_as_of(as_of, &lines);
    assert_eq!(sync(accepted()).await.outcome, SyncOutcome::Quarantined);
    accept(&use_cases, 1).await;
    for report in [accepted(), full(&lines), full(&[("a", 10), ("b", 10)])] {
        let done = sync(report).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 0));
        let guard = newest_run(storage).await.details.guard;
        let verdict = "the report has 2 of at least 3 rows (guard.min_rows), and changes nothing";
        assert_eq!(guard.as_deref(), Some(verdict));
    }
    for report in [
        full(&[("a", 11), ("b", 10)]),
        full(&[("a", 10)]),
        full(&[("a", 10), ("d", 0)]),
    ] {
        assert_eq!(sync(report).await.outcome, SyncOutcome::Quarantined);
        // Otherwise the next one may agree with it.
        use_cases.resolve_quarantine("v", DISCARD).await.unwrap();
    }
    assert_eq!(reported(storage).await, [10, 10, 0]);
    storage.assert_sound().await;
}

/// The error of a held report states which lines are in no report that is kept: those of one that it replaces, or its own.
pub async fn lines_that_a_held_report_loses_are_stated(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let times = [
        now(storage).await,
        now(storage).await,
        now(storage).await,
        now(storage).await,
        now(storage).await,
    ];
    let loss = async |report: Report| {
        let done: FinishedSync = guarded(&use_cases, report).await;
        assert_eq!(done.outcome, SyncOutcome::Quarantined);
        assert_eq!(newest_run(storage).await.error, done.error);
        let held = quarantined(storage).await.unwrap();
        assert!(!held.reason.contains(';'), "{}", held.reason);
        let error = done.error.unwrap();
        assert!(error.starts_with("the report would take away "), "{error}");
        error.split_once("; ").map(|(_, loss)| loss.to_owned())
    };
    let first = || delta_as_of(times[1], &[("a", 0), ("b", 0)]);
    let other = |time: usize| delta_as_of(times[time], &[("b", 0), ("c", 0)]);
    assert_eq!(loss(first()).await, None);
    assert_eq!(loss(first()).await, None, "it is in quarantine already");
    let of_first = format!("is in quarantine, the delta as of {}", times[1]);
    for (report, reason) in [
        (other(1), "another report with its time"),
        (other(0), "a newer report"),
    ] {
        let expected = format!("it is not kept, because {reason} {of_first}");
        assert_eq!(loss(report).await, Some(expected));
    }
    let (id, held) = (vendor("v"), quarantined(storage).await.unwrap());
    let requested_at = held.order.requested_at;
    let lines = storage
        .sync
        .list_quarantined_lines(&id, requested_at, None, 10);
    let kept: Vec<ProductId> = lines.await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept, ["a", "b"].map(product));
    let dropped = |time: usize| {
        let as_of = times[time];
        format!("the delta as of {as_of} that was in quarantine is dropped")
    };
    assert_eq!(loss(other(2)).await, Some(dropped(1)));
    let report = full_as_of(times[3], &[("a", 1)]);
    assert_eq!(loss(report).await, Some(dropped(2)));
    // A full report states all products.
    let report = full_as_of(times[4], &[("b", 1)]);
    assert_eq!(loss(report).await, None);
    assert_eq!(reported(storage).await, [10; 3]);
    storage.assert_sound().await;
}

/// The run of a decision shows the document, the proof and the verdict of the report that was held.
pub async fn the_run_of_a_decision_shows_the_held_report(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let size = ReportSize {
        bytes: Some(77),
        rows: Some(4),
    };
    let file = Some("stock 1 \u{fc}.csv".to_owned());
    for (decision, lines) in [
        (DISCARD, &[("a", 1)][..]),
        (DISCARD, &[]),
        (ACCEPT, &[("a", 1)]),
        (ACCEPT, &[]),
    ] {
        let respond = || {
            Ok(FetchedReport {
                size,
                file: file.clone(),
                ..fetched(&full(lines), SystemClock.now())
            })
        };
        let held = use_cases.sync_guarded_with("v", respond, half()).await;
        assert_eq!(held.unwrap().outcome, SyncOutcome::Quarantined);
        let held = newest_run(storage).await.details;
        assert_eq!((held.size, &held.file), (size, &file));
        assert_eq!(held.guard.is_some(), !lines.is_empty());
        use_cases.resolve_quarantine("v", decision).await.unwrap();
        let decided = newest_run(storage).await.details;
        assert_eq!(decided.size, size);
        assert_eq!(decided.file, file);
        assert_eq!(decided.guard, held.guard);
        assert_eq!(decided.proven, held.proven);
    }
    assert_released(storage).await;
}

/// Discards the report of `v` before this transaction of its acceptance, and returns the acceptance's result.
async fn accept_while_discarding(
    use_cases: &UseCases,
    storage: &StorageUnderTest,
    transaction: usize,
    is_discarded: bool,
) -> Result<Option<FinishedSync>, SyncError> {
    let other = use_cases.clone();
    let discard = move || {
        let other = other.clone();
        async move {
            let discarded = other.resolve_quarantine("v", DISCARD).await;
            assert_eq!(discarded.is_some(), is_discarded);
        }
    };
    let disturbed = disturbed_at(use_cases, storage, transaction, discard);
    disturbed.try_resolve_quarantine("v", ACCEPT).await
}

/// Of two decisions at the same time one has an effect: a report that is discarded between two transactions of its acceptance
/// is not applied to the remaining products, and one that was accepted cannot be discarded.
pub async fn an_acceptance_and_a_discard_do_not_both_succeed(storage: &StorageUnderTest) {
    let use_cases = open(storage).await;
    let lines = [("a", 1), ("b", 2), ("c", 3)];
    for report in [full(&lines), delta(&lines)] {
        assert_held(&use_cases, report.clone()).await;
        let accepted = accept_while_discarding(&use_cases, storage, 1, true).await;
        assert_eq!(accepted.unwrap(), None);
        assert_eq!(reported(storage).await, [10; 3]);
        assert_released(storage).await;

        assert_held(&use_cases, report.clone()).await;
        let accepted = accept_while_discarding(&use_cases, storage, 2, true).await;
        let error = accepted.unwrap_err();
        assert!(
            matches!(error, SyncError::Incomplete { changed: 1, .. }),
            "{error:?}"
        );
        assert_eq!(reported(storage).await, [1, 10, 10]);
        let run = newest_run(storage).await;
        assert_eq!(run.outcome, SyncOutcome::Quarantined);
        let stated =
            "the quarantined report was discarded by an operator, after a part of it was applied";
        assert_eq!(run.error.as_deref(), Some(stated));
        assert_released(storage).await;

        assert_applied(&use_cases, full(&[("a", 10), ("b", 10), ("c", 10)]), 1).await;
        assert_held(&use_cases, report).await;
        // After three chunks, the lines are removed.
        let accepted = accept_while_discarding(&use_cases, storage, 4, false).await;
        assert_eq!(accepted.unwrap().unwrap().outcome, SyncOutcome::Applied);
        assert_eq!(reported(storage).await, [1, 2, 3]);
        assert_released(storage).await;
        use_cases
            .report("v", full(&[("a", 10), ("b", 10), ("c", 10)]))
            .await;
    }
}
