//! From a vendor's report to stock: the use case over the store. (P3: a sync never brings sold stock back, and never deducts
//! a sale twice.)

use std::time::Duration;

use domain::evidence::ResponseTimes;
use domain::order::OrderState;
use domain::ports::{FeedError, FetchedReport, SyncOutcome};
use domain::report::Report;
use domain::report_history::ReportHistory;
use domain::run::ReportSize;
use domain::services::{QuarantineDecision, SyncError};

use super::StorageUnderTest;
use super::damage::Damage;
use crate::builders::{
    allocation, delta, fetched as stated_at, full, full_as_of, order_at, product, vendor,
};
use crate::use_cases::UseCases;

/// Stock that a vendor reports can be sold, and the result of the sync is right.
pub async fn reported_stock_can_be_sold(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let done = use_cases.report("v", full(&[("p", 5), ("q", 0)])).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!((done.received, done.changed), (2, 2));
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    assert_eq!(storage.sellable("p").await, 5);
    assert_eq!(storage.sellable("q").await, 0);
    let done = use_cases.report("v", full(&[("p", 6), ("q", 0)])).await;
    assert_eq!((done.received, done.changed), (2, 1));
    storage.assert_sound().await;
}

/// The stock of vendors adds up, and an order is allocated to the vendor with the most available units first.
pub async fn stock_is_summed_over_vendors(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    use_cases.report("w", full(&[("p", 7)])).await;
    assert_eq!(storage.sellable("p").await, 12);
    let order = use_cases.sell(storage, "p", 9).await;
    let expected = vec![allocation("v", 2), allocation("w", 7)];
    assert_eq!(order.state, OrderState::Confirmed(expected));
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// Repeating a report after sales does not change the available units: units that were not shipped stay in flight.
pub async fn repeating_a_sync_brings_no_sold_stock_back(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 10)])).await;
    use_cases.sell(storage, "p", 4).await;
    for _ in 0..3 {
        let done = use_cases.report("v", full(&[("p", 10)])).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 0));
        assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
        assert_eq!(storage.sellable("p").await, 6);
    }
    use_cases.report("v", full(&[("p", 12)])).await;
    assert_eq!(storage.numbers("p", "v").await, (12, 4, 8));
    // The vendor sold units elsewhere: nothing is available, and no number is below zero.
    use_cases.report("v", full(&[("p", 3)])).await;
    assert_eq!(storage.numbers("p", "v").await, (3, 4, 0));
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;
}

/// A product that a full report leaves out has 0 units; one that a delta leaves out is unchanged.
pub async fn full_reports_cover_all_products_and_deltas_some(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases
        .report("v", full(&[("p", 10), ("q", 10), ("r", 10)]))
        .await;
    use_cases.report("w", full(&[("q", 1)])).await;
    use_cases.sell(storage, "q", 3).await;

    use_cases.report("v", delta(&[("p", 4), ("s", 2)])).await;
    assert_eq!(storage.sellable("p").await, 4);
    assert_eq!(storage.sellable("q").await, 8);
    assert_eq!(storage.sellable("r").await, 10);
    assert_eq!(storage.sellable("s").await, 2);

    let done = use_cases.report("v", full(&[("p", 4)])).await;
    assert_eq!(done.changed, 3);
    assert_eq!(storage.sellable("p").await, 4);
    assert_eq!(storage.numbers("q", "v").await, (0, 3, 0));
    assert_eq!(storage.sellable("q").await, 1);
    assert_eq!(storage.sellable("r").await, 0);
    assert_eq!(storage.sellable("s").await, 0);
    storage.assert_sound().await;
}

/// A shipped unit is in flight until a report with a later as-of, and is deducted exactly once.
pub async fn a_shipment_is_included_only_in_a_later_report(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 10)])).await;
    let order = use_cases.sell(storage, "p", 4).await;
    use_cases.sell(storage, "p", 1).await;
    let before = storage.probe.store_time().await.unwrap();
    use_cases.ship(order.id).await;
    assert_eq!(storage.numbers("p", "v").await, (10, 5, 5));

    // The report is requested after the shipment, but its own as-of is before it.
    use_cases
        .report("v", full_as_of(before, &[("p", 10)]))
        .await;
    assert_eq!(storage.numbers("p", "v").await, (10, 5, 5));
    use_cases.deliver(order.id).await;
    storage.assert_sound().await;

    for _ in 0..2 {
        use_cases.report("v", full(&[("p", 6)])).await;
        assert_eq!(storage.numbers("p", "v").await, (6, 1, 5));
        storage.assert_sound().await;
    }
}

/// A report with an as-of in the future is applied and includes no shipment, and neither does the same report after its
/// as-of has passed.
pub async fn a_report_with_a_future_as_of_includes_no_shipment(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 9)])).await;
    use_cases.sell_and_ship(storage, "p", 4).await;
    let now = storage.probe.store_time().await.unwrap();
    let ahead = now.plus(Duration::from_millis(300));
    let done = use_cases.report("v", full_as_of(ahead, &[("p", 10)])).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
    assert!(
        storage.vendor_level("p", "v").await.as_of <= storage.probe.store_time().await.unwrap()
    );
    storage.assert_sound().await;

    while storage.probe.store_time().await.unwrap() <= ahead {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = use_cases.report("v", full_as_of(ahead, &[("p", 10)])).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
    use_cases.report("v", full(&[("p", 6)])).await;
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    storage.assert_sound().await;
}

/// A report with an as-of far in the future takes neither the evidence nor the order of the reports after it, and is not applied
/// over them when it is read again.
pub async fn a_report_after_one_with_a_future_as_of_is_evidence(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let ahead = storage.probe.store_time().await.unwrap();
    let ahead = full_as_of(ahead.plus(Duration::from_hours(24)), &[("p", 10)]);
    use_cases.report("v", ahead.clone()).await;
    for (shipped, left) in [(4, 6), (1, 5)] {
        use_cases.sell_and_ship(storage, "p", shipped).await;
        let done = use_cases.report("v", full(&[("p", left)])).await;
        assert_eq!(done.outcome, SyncOutcome::Applied);
        assert_eq!(storage.numbers("p", "v").await, (left, 0, left));
        let done = use_cases.report("v", ahead.clone()).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    }
    storage.assert_sound().await;
}

/// The counts of a report without any time are applied, and no shipment is included.
pub async fn a_report_without_a_time_includes_no_shipment(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 10)])).await;
    use_cases.sell_and_ship(storage, "p", 4).await;
    for _ in 0..2 {
        let respond = || {
            Ok(FetchedReport {
                report: full(&[("p", 7)]),
                times: ResponseTimes::default(),
                size: ReportSize::default(),
                file: None,
                read_file: None,
            })
        };
        let done = use_cases.sync_with("v", respond).await.unwrap();
        assert_eq!(done.outcome, SyncOutcome::Applied);
        assert_eq!(storage.numbers("p", "v").await, (7, 4, 3));
    }
    storage.assert_sound().await;
}

/// Two deltas lead to the same rows in either order, also where a line repeats the stored number.
pub async fn two_deltas_have_the_same_result_in_either_order(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["u", "v", "w"]).await;
    let early = storage.probe.store_time().await.unwrap();
    let late = storage.probe.store_time().await.unwrap();
    let stated = |as_of, lines: &[(&str, u32)]| {
        let lines = delta(lines);
        move || Ok(stated_at(&lines, as_of))
    };
    use_cases.report("w", full(&[("other", 1)])).await;
    for (vendor_id, is_reversed) in [("u", false), ("v", true)] {
        let older = stated(early, &[("a", 0), ("b", 7), ("c", 2)]);
        let newer = stated(late, &[("a", 5), ("c", 2), ("d", 1)]);
        let outcomes = if is_reversed {
            let first = use_cases.sync_with(vendor_id, newer).await.unwrap();
            [first, use_cases.sync_with(vendor_id, older).await.unwrap()]
        } else {
            let first = use_cases.sync_with(vendor_id, older).await.unwrap();
            [first, use_cases.sync_with(vendor_id, newer).await.unwrap()]
        };
        assert!(outcomes.iter().all(|it| it.outcome == SyncOutcome::Applied));
        for (product_id, units, as_of) in [
            ("a", 5, late),
            ("b", 7, early),
            ("c", 2, late),
            ("d", 1, late),
        ] {
            let level = storage.vendor_level(product_id, vendor_id).await;
            assert_eq!(
                (level.reported, level.as_of),
                (units, as_of),
                "{product_id}"
            );
        }
        // No line is newer than the stored rows.
        let again = stated(early, &[("a", 9), ("c", 9)]);
        let done = use_cases.sync_with(vendor_id, again).await.unwrap();
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    }
    storage.assert_sound().await;
}

/// A full report that is older than a delta changes nothing, and neither does a delta that is older than a full report.
pub async fn full_reports_and_deltas_share_one_order(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let early = storage.probe.store_time().await.unwrap();
    let middle = storage.probe.store_time().await.unwrap();
    let late = storage.probe.store_time().await.unwrap();
    let sync = async |report: &Report, as_of| {
        let respond = || Ok(stated_at(report, as_of));
        use_cases.sync_with("v", respond).await.unwrap().outcome
    };
    assert_eq!(sync(&full(&[("p", 5)]), middle).await, SyncOutcome::Applied);
    assert_eq!(sync(&delta(&[("q", 1)]), early).await, SyncOutcome::Stale);
    assert_eq!(sync(&delta(&[("p", 4)]), late).await, SyncOutcome::Applied);
    assert_eq!(sync(&full(&[("p", 9)]), middle).await, SyncOutcome::Stale);
    assert_eq!(storage.numbers("p", "v").await, (4, 0, 4));
    let known = storage.stock.find_stock(&product("q")).await.unwrap();
    assert_eq!(known, None);
    storage.assert_sound().await;
}

/// An empty full report after one that was not empty is quarantined: no count changes and no unit leaves flight, until a
/// second one or an operator confirms it.
pub async fn an_empty_report_is_quarantined(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let accept = QuarantineDecision::Accept;
    let discard = QuarantineDecision::Discard;
    let done = use_cases.report("v", full(&[])).await;
    assert_eq!(
        done.outcome,
        SyncOutcome::Applied,
        "the vendor had no stock before"
    );
    use_cases.report("v", full(&[("p", 10)])).await;
    use_cases.sell_and_ship(storage, "p", 4).await;
    let before = storage.vendor_level("p", "v").await;
    assert_eq!(use_cases.resolve_quarantine("v", accept).await, None);

    let as_of = storage.probe.store_time().await.unwrap();
    for _ in 0..2 {
        // The same claim twice is the same report.
        let done = use_cases.report("v", full_as_of(as_of, &[])).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Quarantined, 0));
        assert_eq!(storage.vendor_level("p", "v").await, before);
    }
    let done = use_cases.resolve_quarantine("v", discard).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Quarantined, 0));
    assert_eq!(use_cases.resolve_quarantine("v", discard).await, None);
    assert_eq!(storage.vendor_level("p", "v").await, before);

    // After it was discarded the next one is the first again, and a report that is not empty discards it.
    let done = use_cases.report("v", full(&[])).await;
    assert_eq!(done.outcome, SyncOutcome::Quarantined);
    use_cases.report("v", full(&[("p", 6)])).await;
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    assert_eq!(use_cases.resolve_quarantine("v", accept).await, None);

    use_cases.sell_and_ship(storage, "p", 1).await;
    let done = use_cases.report("v", full(&[])).await;
    assert_eq!(done.outcome, SyncOutcome::Quarantined);
    let done = use_cases.report("v", full(&[])).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert_eq!(storage.numbers("p", "v").await, (0, 0, 0));

    use_cases.report("v", full(&[("p", 3)])).await;
    use_cases.sell_and_ship(storage, "p", 1).await;
    use_cases.report("v", full(&[])).await;
    let done = use_cases.resolve_quarantine("v", accept).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert_eq!(storage.numbers("p", "v").await, (0, 0, 0));
    storage.assert_sound().await;
}

/// A report that is older than the last one changes nothing, and the next one is compared with the last applied one.
pub async fn a_stale_report_changes_nothing(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let old = storage.probe.store_time().await.unwrap();
    use_cases.report("v", full(&[("p", 5)])).await;
    let level = storage.vendor_level("p", "v").await;
    for _ in 0..2 {
        let lines = [("p", 50), ("q", 50)];
        let done = use_cases.report("v", full_as_of(old, &lines)).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
        assert_eq!(storage.vendor_level("p", "v").await, level);
        let listed = storage.stock.list_stock(None, false, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
    }
    // A report with an equal as-of and a later request is not older.
    let same = full_as_of(level.as_of, &[("p", 6)]);
    assert_eq!(
        use_cases.report("v", same).await.outcome,
        SyncOutcome::Applied
    );
    assert_eq!(storage.sellable("p").await, 6);
    storage.assert_sound().await;
}

/// A failed sync changes no stock of its vendor or of any other, and the vendor counts as tried.
pub async fn a_failed_sync_changes_nothing(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let before = storage.vendor_level("p", "v").await;
    let down = || Err(FeedError::Unavailable("connection refused".to_owned()));
    for vendor_id in ["v", "w"] {
        let error = use_cases.try_report(vendor_id, down()).await.unwrap_err();
        assert!(matches!(error, SyncError::Feed { .. }), "{error}");
    }
    assert_eq!(storage.vendor_level("p", "v").await, before);
    let ids = crate::builders::vendors(&["v", "w"]);
    assert!(storage.probe.were_tried(&ids).await.unwrap());
    use_cases.report("v", full(&[("p", 6)])).await;
    assert_eq!(storage.sellable("p").await, 6);
    storage.assert_sound().await;
}

/// A vendor that is not configured is not synced.
pub async fn a_vendor_that_is_not_configured_is_not_synced(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    for vendor_id in ["w", "v"] {
        use_cases.configure(&[]).await;
        let result = Ok(full(&[("p", 5)]));
        let error = use_cases.try_report(vendor_id, result).await.unwrap_err();
        assert!(matches!(error, SyncError::NotConfigured(_)), "{error}");
    }
    let stock = storage.stock.list_stock(None, false, 10).await.unwrap();
    assert!(stock.is_empty());
}

/// After the store's clock was corrected backwards, a shipment and the order of the last report are in its future. The next
/// report is applied and repairs both, and a later report includes the shipment.
pub async fn a_sync_repairs_instants_in_the_future(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let order = use_cases.sell_and_ship(storage, "p", 2).await;
    assert!((storage.damage)(Damage::ShippedTomorrow(order.id)).await);
    let mut work = storage.begin().await;
    let locked = work.lock_vendor(&vendor("v")).await.unwrap();
    let now = work.store_time().await.unwrap();
    let tomorrow = order_at(now.plus(Duration::from_hours(24)));
    let history = ReportHistory {
        applied: Some(tomorrow),
        full: Some(tomorrow),
        ..locked.unwrap().history
    };
    work.save_history(&vendor("v"), &history).await.unwrap();
    work.commit().await.unwrap();

    for expected in [(3, 2, 1), (3, 0, 3)] {
        let done = use_cases.report("v", full(&[("p", 3)])).await;
        assert_eq!((done.outcome, done.error), (SyncOutcome::Applied, None));
        assert_eq!(storage.numbers("p", "v").await, expected);
        storage.assert_sound().await;
    }
    let state = storage.sync.find_sync_state(&vendor("v")).await.unwrap();
    let state = state.unwrap();
    assert!(state.history.applied.unwrap().as_of <= state.now);
}
