//! Reports that a vendor pushes: the vendor counted before its request arrived. (P3: a report never brings sold stock back, and
//! never deducts a sale twice.)

use std::time::Duration;

use domain::ports::{FetchedReport, SyncOutcome};
use domain::report::Report;
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use crate::builders::{fetched, full, full_as_of};
use crate::use_cases::UseCases;

/// A report without any time.
fn untimed(report: &Report, now: Timestamp) -> FetchedReport {
    let mut pushed = fetched(report, now);
    pushed.report = report.clone();
    pushed
}

/// A pushed report whose as-of is before a shipment does not include the shipment, however late it arrives; one that was
/// counted after it includes it once.
pub async fn a_pushed_report_brings_no_sold_stock_back(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let now = async || storage.probe.store_time().await.unwrap();
    let push = async |report: Report| {
        let arrived_at = now().await;
        let pushed = fetched(&report, arrived_at);
        use_cases.push("v", arrived_at, &pushed).await
    };
    let done = push(full(&[("p", 10)])).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    let order = use_cases.sell(storage, "p", 4).await;
    push(full(&[("p", 10)])).await;
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));

    let counted_before = now().await;
    use_cases.ship(order.id).await;
    for _ in 0..2 {
        push(full_as_of(counted_before, &[("p", 10)])).await;
        assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
    }
    for _ in 0..2 {
        push(full(&[("p", 6)])).await;
        assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    }
    // The earlier report again, as by a client that repeats its request.
    let done = push(full_as_of(counted_before, &[("p", 10)])).await;
    assert_eq!(done.outcome, SyncOutcome::Stale);
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    storage.assert_sound().await;
}

/// A pushed report without a time of its count includes no shipment, and neither does one that states when it was sent. Its
/// counts are applied.
pub async fn the_time_of_a_push_includes_no_shipment(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 10)])).await;
    use_cases.sell_and_ship(storage, "p", 4).await;
    // `Date` has a resolution of a second: one that is later than the shipment.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for has_date in [false, true] {
        let arrived_at = storage.probe.store_time().await.unwrap();
        let mut pushed = untimed(&full(&[("p", 7)]), arrived_at);
        pushed.times.date = has_date.then_some(arrived_at);
        let done = use_cases.push("v", arrived_at, &pushed).await;
        assert_eq!(done.outcome, SyncOutcome::Applied);
        assert_eq!(storage.numbers("p", "v").await, (7, 4, 3));
    }
    storage.assert_sound().await;
}

/// A report that began to arrive before another one is older than it, also if it is applied later.
pub async fn pushed_reports_are_ordered_by_their_arrival(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let first = storage.probe.store_time().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let second = storage.probe.store_time().await.unwrap();
    for (arrived_at, units, outcome) in [
        (second, 5, SyncOutcome::Applied),
        (first, 9, SyncOutcome::Stale),
    ] {
        let pushed = untimed(&full(&[("p", units)]), arrived_at);
        let done = use_cases.push("v", arrived_at, &pushed).await;
        assert_eq!(done.outcome, outcome);
        assert_eq!(storage.sellable("p").await, 5);
    }
    storage.assert_sound().await;
}

/// A report without a time that is sent again is the same report: it does not confirm the one in quarantine.
pub async fn a_repeated_push_confirms_no_report_in_quarantine(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 10)])).await;
    for _ in 0..3 {
        let arrived_at = storage.probe.store_time().await.unwrap();
        let pushed = untimed(&full(&[]), arrived_at);
        let done = use_cases.push("v", arrived_at, &pushed).await;
        assert_eq!(done.outcome, SyncOutcome::Quarantined);
        assert_eq!(storage.sellable("p").await, 10);
    }
    storage.assert_sound().await;
}
