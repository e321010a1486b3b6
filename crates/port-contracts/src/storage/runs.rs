//! The runs of vendors' syncs.

use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::evidence::{Evidence, Proven};
use domain::ports::{FeedError, FetchedReport, Run, RunId, SyncOutcome, SyncRecord};
use domain::refusal::{Refusal, Refusals};
use domain::report::Report;
use domain::run::{ProductCounts, ReportSize, RunDetails};
use domain::services::{QuarantineDecision, RenameVendor};
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use super::damage::Damage;
use crate::builders::{delta, fetched, full, vendor};
use crate::use_cases::UseCases;

async fn page(
    storage: &StorageUnderTest,
    vendor_id: &str,
    before: Option<RunId>,
    limit: u32,
) -> Vec<Run> {
    let vendor_id = vendor(vendor_id);
    let found = storage.runs.list_runs(&vendor_id, before, limit).await;
    found.unwrap()
}

async fn all(storage: &StorageUnderTest, vendor_id: &str) -> Vec<Run> {
    page(storage, vendor_id, None, 1_000).await
}

async fn newest(storage: &StorageUnderTest) -> Run {
    page(storage, "v", None, 1).await.remove(0)
}

fn record(outcome: SyncOutcome, received: u64, details: RunDetails) -> SyncRecord {
    SyncRecord {
        outcome,
        took: Duration::from_micros(1_234_567),
        received,
        changed: 1,
        error: None,
        details,
    }
}

async fn write(storage: &StorageUnderTest, vendor_id: &str, record: &SyncRecord) -> Timestamp {
    let vendor_id = vendor(vendor_id);
    let mut work = storage.begin().await;
    work.lock_vendor(&vendor_id).await.unwrap().unwrap();
    let recorded = work.record_sync(&vendor_id, record, None).await;
    work.commit().await.unwrap();
    recorded.unwrap()
}

/// Writes runs that differ in the number of rows only.
async fn write_numbered(storage: &StorageUnderTest, vendor_id: &str, numbers: &[u64]) {
    for number in numbers {
        let details = RunDetails {
            size: ReportSize {
                bytes: None,
                rows: Some(*number),
            },
            ..RunDetails::default()
        };
        let record = record(SyncOutcome::Applied, 0, details);
        write(storage, vendor_id, &record).await;
    }
}

fn numbers(runs: &[Run]) -> Vec<u64> {
    let numbers = runs.iter().filter_map(|run| run.details.size.rows);
    numbers.collect()
}

/// Returns `count` refused records.
fn refusals(count: u64) -> Refusals {
    let mut refusals = Refusals::default();
    for number in 0..count {
        refusals.add(|| Refusal {
            place: format!("row {number}"),
            column: "Qty \"\u{fc}\u{1f600}\"\\".to_owned(),
            value: (number > 0).then(|| format!("\"{number}\"")),
            rule: "expected a number".to_owned(),
        });
    }
    refusals
}

/// Every member is read as it was written. The run ends at the time that the store returned.
pub async fn a_run_is_stored_with_all_its_details(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    let as_of = storage.probe.store_time().await.unwrap();
    let details = RunDetails {
        proven: Some(Proven {
            as_of,
            evidence: Evidence::FileTime,
        }),
        size: ReportSize {
            bytes: Some(1 << 40),
            rows: Some(0),
        },
        file: Some("stock \u{fc}.csv".to_owned()),
        products: ProductCounts {
            added: 1,
            changed: 2,
            unchanged: 3,
            zeroed: 4,
        },
        refused: refusals(22),
        guard: Some("max_drop: \u{fc}".to_owned()),
    };
    for (outcome, error, details) in [
        (SyncOutcome::Failed, Some("refused: \u{fc}"), details),
        (SyncOutcome::Applied, None, RunDetails::default()),
        (SyncOutcome::Stale, Some("old"), RunDetails::default()),
        (SyncOutcome::Quarantined, Some("?"), RunDetails::default()),
        (SyncOutcome::NotModified, None, RunDetails::default()),
        (SyncOutcome::NotReady, Some("grows"), RunDetails::default()),
    ] {
        let mut recorded = record(outcome, 3, details.clone());
        recorded.error = error.map(str::to_owned);
        let finished_at = write(storage, "v", &recorded).await;
        let run = newest(storage).await;
        let expected = Run {
            id: run.id,
            started_at: finished_at.minus(Duration::from_millis(1_234)),
            finished_at,
            outcome,
            details,
            error: recorded.error,
        };
        assert_eq!(run, expected);
    }
    assert_eq!(all(storage, "v").await.len(), 6);
    assert_eq!(all(storage, "w").await, []);
    assert_eq!(all(storage, "unknown").await, []);
}

/// A later run of the vendor does not shift the pages after it.
pub async fn runs_are_listed_newest_first_in_pages(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    write_numbered(storage, "v", &[1, 2]).await;
    write_numbered(storage, "w", &[7]).await;
    write_numbered(storage, "v", &[3, 4, 5]).await;
    let first = page(storage, "v", None, 2).await;
    assert_eq!(numbers(&first), [5, 4]);
    write_numbered(storage, "v", &[6]).await;
    let second = page(storage, "v", Some(first[1].id), 2).await;
    assert_eq!(numbers(&second), [3, 2]);
    let third = page(storage, "v", Some(second[1].id), 2).await;
    assert_eq!(numbers(&third), [1]);
    let end = page(storage, "v", Some(third[0].id), 2).await;
    assert_eq!(end, []);
    assert_eq!(numbers(&all(storage, "w").await), [7]);
}

/// A run that is not committed does not exist, and neither does that of an unknown vendor.
pub async fn a_run_is_rolled_back_with_its_unit_of_work(storage: &StorageUnderTest) {
    storage.configure(&["v"]).await;
    write_numbered(storage, "v", &[1]).await;
    let record = record(SyncOutcome::Applied, 0, RunDetails::default());
    let mut work = storage.begin().await;
    work.record_sync(&vendor("v"), &record, None).await.unwrap();
    drop(work);
    let mut work = storage.begin().await;
    let unknown = work.record_sync(&vendor("unknown"), &record, None).await;
    unknown.unwrap_err();
    drop(work);
    assert_eq!(numbers(&all(storage, "v").await), [1]);
    assert_eq!(all(storage, "unknown").await, []);
}

/// Products are counted once, by the change of their reported quantity, in any number of chunks. Units in flight and sales
/// do not matter. The result of the sync also counts products of which only the units in flight have changed.
pub async fn products_are_counted_by_the_change_of_their_quantity(storage: &StorageUnderTest) {
    for (vendor_id, chunk_size) in [("v", 1), ("w", 2), ("x", 1_000)] {
        let use_cases = UseCases::open(storage, &[vendor_id]).await;
        let use_cases = use_cases.with_chunks(storage, storage.store.clone(), chunk_size);
        let report = async |report: Report, only_in_flight: u64| {
            let done = use_cases.report(vendor_id, report).await;
            let run = page(storage, vendor_id, None, 1).await.remove(0);
            let ProductCounts {
                added,
                changed,
                unchanged,
                zeroed,
            } = run.details.products;
            assert_eq!(done.changed, added + changed + zeroed + only_in_flight);
            [added, changed, unchanged, zeroed]
        };
        let first = full(&[("a", 5), ("b", 5), ("c", 5), ("d", 0)]);
        assert_eq!(report(first, 0).await, [4, 0, 0, 0]);
        let second = || full(&[("a", 5), ("b", 7), ("d", 0), ("e", 1)]);
        assert_eq!(report(second(), 0).await, [1, 1, 2, 1]);
        // `c` has had no units for two reports, and is in neither.
        assert_eq!(report(second(), 0).await, [0, 0, 4, 0]);
        // The shipment is included: the stock row changes, the reported quantity does not.
        use_cases.sell_and_ship(storage, "a", 2).await;
        assert_eq!(report(second(), 1).await, [0, 0, 4, 0]);
        let lines = [("a", 5), ("b", 0), ("c", 4), ("f", 2), ("g", 0)];
        assert_eq!(report(delta(&lines), 0).await, [2, 1, 1, 1]);
        let zeros = full(&[("a", 0), ("b", 0)]);
        assert_eq!(report(zeros, 0).await, [0, 0, 1, 4]);
    }
    storage.assert_sound().await;
}

/// The size of the document and what it proves are those of the report, also if the report is not applied.
pub async fn a_run_shows_the_size_and_the_evidence_of_its_report(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let now = storage.probe.store_time().await.unwrap();
    let size = ReportSize {
        bytes: Some(123),
        rows: Some(2),
    };
    for (age, outcome) in [(10, SyncOutcome::Applied), (20, SyncOutcome::Stale)] {
        let as_of = now.minus(Duration::from_secs(age));
        let respond = || {
            Ok(FetchedReport {
                size,
                file: Some("stock.csv".to_owned()),
                ..fetched(&full(&[("p", 1)]), as_of)
            })
        };
        let done = use_cases.sync_with("v", respond).await.unwrap();
        let run = newest(storage).await;
        assert_eq!((run.outcome, run.error), (outcome, done.error));
        assert_eq!(run.finished_at, done.finished_at);
        assert_eq!(run.details.size, size);
        assert_eq!(run.details.file.as_deref(), Some("stock.csv"));
        let proven = Proven {
            as_of,
            evidence: Evidence::Document,
        };
        assert_eq!(run.details.proven, Some(proven));
    }
}

/// Each end of a sync is a run, and the newest run is the vendor's last sync.
pub async fn failed_syncs_and_quarantine_decisions_are_runs(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 1), ("q", 0)])).await;
    let mut malformed: domain::ports::MalformedReport = refusals(22).into();
    malformed.size.rows = Some(500);
    malformed.file = Some("stock.csv".to_owned());
    let failures = [
        FeedError::Unavailable("unreachable".to_owned()),
        FeedError::Malformed(malformed),
    ];
    for failure in failures {
        let error = use_cases.try_report("v", Err(failure)).await.unwrap_err();
        let run = newest(storage).await;
        assert_eq!(run.outcome, SyncOutcome::Failed);
        assert_eq!(run.error, Some(error.to_string()));
        assert_eq!(run.details.products, ProductCounts::default());
    }
    let details = newest(storage).await.details;
    assert_eq!(details.refused, refusals(22));
    assert_eq!(details.size.rows, Some(500));
    assert_eq!(details.file.as_deref(), Some("stock.csv"));

    for decision in [QuarantineDecision::Discard, QuarantineDecision::Accept] {
        use_cases.report("v", full(&[])).await;
        let done = use_cases.resolve_quarantine("v", decision).await.unwrap();
        let run = newest(storage).await;
        assert_eq!((run.outcome, run.error), (done.outcome, done.error));
        assert!(run.details.proven.is_some());
    }
    // `q` had no units before, and is in no line.
    let expected = ProductCounts {
        zeroed: 1,
        ..ProductCounts::default()
    };
    let runs = all(storage, "v").await;
    assert_eq!(runs[0].details.products, expected);
    let outcomes: Vec<SyncOutcome> = runs.iter().rev().map(|run| run.outcome).collect();
    let (applied, failed) = (SyncOutcome::Applied, SyncOutcome::Failed);
    let held = SyncOutcome::Quarantined;
    assert_eq!(
        outcomes,
        [applied, failed, failed, held, held, held, applied]
    );
    let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    let last = status[0].last_sync.as_ref().unwrap();
    assert_eq!(
        (last.finished_at, last.outcome, &last.error),
        (runs[0].finished_at, runs[0].outcome, &runs[0].error)
    );
}

/// The newest runs of each vendor are kept, also if it is no longer configured; the oldest are pruned first.
pub async fn old_runs_of_each_vendor_are_pruned(storage: &StorageUnderTest) {
    let prune = async |keep: u32, limit: u32| {
        let mut work = storage.begin().await;
        let pruned = work.prune_runs(keep, limit).await.unwrap();
        work.commit().await.unwrap();
        pruned
    };
    storage.configure(&["u", "v", "w"]).await;
    write_numbered(storage, "u", &[1, 2]).await;
    write_numbered(storage, "v", &[1, 2, 3, 4, 5, 6]).await;
    write_numbered(storage, "w", &[1, 2, 3, 4]).await;
    storage.configure(&["u"]).await;
    assert_eq!(prune(6, 10).await, 0);
    assert_eq!(prune(4, 1).await, 1);
    assert_eq!(numbers(&all(storage, "v").await), [6, 5, 4, 3, 2]);
    assert_eq!(prune(2, 3).await, 3);
    assert_eq!(prune(2, 3).await, 2);
    assert_eq!(prune(2, 3).await, 0);
    for (vendor_id, kept) in [("u", [2, 1]), ("v", [6, 5]), ("w", [4, 3])] {
        assert_eq!(numbers(&all(storage, vendor_id).await), kept);
    }
    write_numbered(storage, "u", &[3]).await;
    assert_eq!(prune(1, 100).await, 4);
    assert_eq!(numbers(&all(storage, "u").await), [3]);
}

/// The runs of a vendor are listed under its new id. Those of the replaced row are gone.
pub async fn a_renamed_vendor_keeps_its_runs(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    write_numbered(storage, "v", &[1, 2]).await;
    write_numbered(storage, "w", &[7]).await;
    let renaming = RenameVendor::new(storage.store.clone(), Arc::new(SystemClock));
    renaming.rename(&vendor("v"), &vendor("w")).await.unwrap();
    assert_eq!(numbers(&all(storage, "w").await), [2, 1]);
    assert_eq!(all(storage, "v").await, []);
    write_numbered(storage, "w", &[3]).await;
    assert_eq!(numbers(&all(storage, "w").await), [3, 2, 1]);
}

/// A vendor that is switched off and on again counts as never tried; its runs are kept.
pub async fn a_vendor_that_is_switched_on_again_keeps_its_runs(storage: &StorageUnderTest) {
    storage.configure(&["v"]).await;
    write_numbered(storage, "v", &[1]).await;
    storage.configure(&["w"]).await;
    storage.configure(&["v"]).await;
    assert_eq!(numbers(&all(storage, "v").await), [1]);
}

/// A run whose row cannot be read is left out and counted, and pages are full without it.
pub async fn an_unreadable_run_is_left_out(storage: &StorageUnderTest) {
    storage.configure(&["v"]).await;
    write_numbered(storage, "v", &[1, 2, 3]).await;
    if !(storage.damage)(Damage::UnreadableRun("v")).await {
        return;
    }
    let before = storage.probe.unreadable_rows();
    assert_eq!(numbers(&page(storage, "v", None, 2).await), [2, 1]);
    assert!(storage.probe.unreadable_rows() > before);
}
