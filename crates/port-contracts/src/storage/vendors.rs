//! Configured vendors, the lock of their syncs, and their status.

use std::time::Duration;

use domain::evidence::{Claim, Evidence, NoEvidence, Proven};
use domain::identifiers::VendorId;
use domain::ports::{
    FinishedSync, LockedVendor, SyncOutcome, SyncRecord, VendorStatus, VendorSyncState,
};
use domain::report::ReportKind;
use domain::report_history::{KnownClaim, QuarantinedReport, ReportHistory};
use domain::run::{ReportSize, RunDetails};
use domain::timestamp::Timestamp;

use super::{StorageUnderTest, wait_for_holder};
use crate::builders::{full, order_at, product, vendor, vendors};
use crate::conditional_feed::validators;
use crate::use_cases::UseCases;

fn record(outcome: SyncOutcome) -> SyncRecord {
    SyncRecord {
        outcome,
        took: Duration::from_millis(12),
        received: 3,
        changed: 2,
        error: (outcome != SyncOutcome::Applied).then(|| "what's wrong".to_owned()),
        details: RunDetails::default(),
    }
}

async fn state_of(storage: &StorageUnderTest, vendor_id: &str) -> Option<VendorSyncState> {
    let vendor_id = vendor(vendor_id);
    let state = storage.sync.find_sync_state(&vendor_id).await.unwrap();
    let mut work = storage.begin().await;
    let locked = work.lock_vendor(&vendor_id).await.unwrap();
    let seen = state.as_ref().map(|state| LockedVendor {
        history: state.history.clone(),
        configured_at: state.configured_at,
    });
    assert_eq!(
        seen, locked,
        "the lock and the query return different states"
    );
    state
}

async fn history_of(storage: &StorageUnderTest, vendor_id: &str) -> Option<ReportHistory> {
    state_of(storage, vendor_id)
        .await
        .map(|state| state.history)
}

/// Returns a history with a value in every field.
fn history(as_of: Timestamp) -> ReportHistory {
    let claim = |claim, proven_as_of| KnownClaim {
        claim,
        ordered_as_of: as_of,
        proven_as_of,
    };
    ReportHistory {
        applied: Some(order_at(as_of)),
        full: Some(order_at(as_of.minus(Duration::from_secs(1)))),
        proof: Some(Ok(Proven {
            as_of,
            evidence: Evidence::LastModified,
        })),
        completed_requested_at: Some(as_of.minus(Duration::from_secs(2))),
        clock_skew_ms: Some(-7),
        claims: vec![
            claim(Claim::Document(as_of), Some(as_of)),
            claim(Claim::ETag("W/\"\u{fc} x\"".to_owned()), None),
        ],
        quarantined: Some(QuarantinedReport {
            order: order_at(as_of),
            claim: Some(Claim::LastModified(as_of, None)),
            proof: Err(NoEvidence::NoTime),
            kind: ReportKind::Delta,
            lines: 12,
            reason: "what's held".to_owned(),
            size: ReportSize {
                bytes: Some(1 << 40),
                rows: None,
            },
            file: Some("a b \u{fc}.csv".to_owned()),
        }),
        revision: 3,
        validators: Some(validators(1)),
    }
}

/// Configuring vendors returns the products of the vendors that are switched on or off, and of no other vendor.
pub async fn configure_returns_the_products_that_change(storage: &StorageUnderTest) {
    assert_eq!(storage.configure(&["u", "v", "w"]).await.products, []);
    let use_cases = UseCases::open(storage, &["u", "v", "w"]).await;
    use_cases
        .report("u", full(&[("a", 1), ("shared", 1)]))
        .await;
    use_cases
        .report("v", full(&[("b", 1), ("shared", 1), ("B", 0)]))
        .await;
    use_cases.report("w", full(&[("c", 1)])).await;

    assert_eq!(storage.configure(&["w", "v", "u"]).await.products, []);
    let of_v = ["B", "b", "shared"].map(product);
    assert_eq!(storage.configure(&["u", "w"]).await.products, of_v);
    assert_eq!(storage.configure(&["w", "u"]).await.products, []);
    let of_both = ["B", "a", "b", "shared"].map(product);
    assert_eq!(
        storage.configure(&["v", "w", "new"]).await.products,
        of_both
    );
    let rest = ["B", "b", "c", "shared"].map(product);
    assert_eq!(storage.configure(&[]).await.products, rest);
}

/// A vendor that is switched off is not sold from and keeps its numbers. After it is switched on again, its reported units
/// count as 0 until its next report is applied; its units in flight stay.
pub async fn stock_of_an_unconfigured_vendor_is_not_sold(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 10)])).await;
    use_cases.report("w", full(&[("p", 3), ("q", 1)])).await;
    use_cases.sell(storage, "p", 4).await;
    assert_eq!(storage.sellable("p").await, 9);

    use_cases.configure(&["w"]).await;
    assert_eq!(storage.sellable("p").await, 3);
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 0));
    assert_eq!(storage.numbers("p", "w").await, (3, 0, 3));
    storage.assert_sound().await;
    let mut work = storage.begin().await;
    let locked = work.lock_stock(&[product("p")]).await.unwrap();
    drop(work);
    let configured: Vec<bool> = locked[0].vendors.iter().map(|it| it.configured).collect();
    assert_eq!(configured, [false, true]);
    let order = use_cases.sell(storage, "p", 4).await;
    assert!(order.state.reject_reason().is_some(), "{order:?}");

    use_cases.configure(&["v", "w"]).await;
    assert_eq!(storage.sellable("p").await, 3);
    assert_eq!(storage.numbers("p", "v").await, (0, 4, 0));
    assert_eq!(storage.numbers("p", "w").await, (3, 0, 3));
    storage.assert_sound().await;
    use_cases.report("v", full(&[("p", 10)])).await;
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
    assert_eq!(storage.sellable("p").await, 9);
    let order = use_cases.sell(storage, "p", 9).await;
    assert_eq!(order.state.reject_reason(), None);
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;
}

/// Only a configured vendor can be locked, and the lock returns the last recorded history as a whole.
pub async fn lock_vendor_returns_the_recorded_history(storage: &StorageUnderTest) {
    assert_eq!(state_of(storage, "v").await, None);
    storage.configure(&["v", "w"]).await;
    assert_eq!(state_of(storage, "unknown").await, None);
    let before = storage.probe.store_time().await.unwrap();
    let state = state_of(storage, "v").await.unwrap();
    let after = storage.probe.store_time().await.unwrap();
    assert!(before <= state.now && state.now <= after);
    assert!(!state.has_stock && !state.has_future_shipments);
    assert_eq!(state.history, ReportHistory::default());

    let as_of = storage.probe.store_time().await.unwrap();
    let unproven = ReportHistory {
        proof: Some(Err(NoEvidence::DocumentInFuture)),
        quarantined: None,
        ..history(as_of)
    };
    let empty = ReportHistory::default();
    let steps = [
        (SyncOutcome::Failed, None, empty.clone()),
        (SyncOutcome::Applied, Some(history(as_of)), history(as_of)),
        (SyncOutcome::Failed, None, history(as_of)),
        (SyncOutcome::Stale, Some(unproven.clone()), unproven.clone()),
        (SyncOutcome::Quarantined, Some(empty.clone()), empty.clone()),
        (
            SyncOutcome::Applied,
            Some(unproven.clone()),
            unproven.clone(),
        ),
    ];
    for (outcome, recorded, expected) in steps {
        let mut work = storage.begin().await;
        work.lock_vendor(&vendor("v")).await.unwrap();
        work.record_sync(&vendor("v"), &record(outcome), recorded.as_ref())
            .await
            .unwrap();
        work.commit().await.unwrap();
        assert_eq!(history_of(storage, "v").await, Some(expected));
    }
    assert_eq!(history_of(storage, "w").await, Some(empty));
    let mut work = storage.begin().await;
    work.save_history(&vendor("w"), &history(as_of))
        .await
        .unwrap();
    work.save_history(&vendor("unknown"), &history(as_of))
        .await
        .unwrap_err();
    drop(work);
    let mut work = storage.begin().await;
    work.save_history(&vendor("w"), &history(as_of))
        .await
        .unwrap();
    work.commit().await.unwrap();
    assert_eq!(history_of(storage, "w").await, Some(history(as_of)));
    assert_eq!(statuses(storage, &["w"]).await[0].last_sync, None);

    storage.configure(&["w"]).await;
    assert_eq!(state_of(storage, "v").await, None);
    storage.configure(&["v"]).await;
    assert_eq!(history_of(storage, "v").await, Some(unproven));
}

/// A vendor has stock while its reports have units of any product, sold or not.
pub async fn the_sync_state_shows_whether_there_is_stock(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    for (units, has_stock) in [(0, false), (2, true), (0, false)] {
        use_cases.report("v", full(&[("p", units), ("q", 0)])).await;
        assert_eq!(state_of(storage, "v").await.unwrap().has_stock, has_stock);
        assert!(!state_of(storage, "w").await.unwrap().has_stock);
    }
}

/// Two syncs of one vendor do not hold its lock at the same time, and the second sees the first one's commit.
pub async fn the_vendor_lock_is_held_by_one_sync_at_a_time(storage: &StorageUnderTest) {
    storage.configure(&["v"]).await;
    let mut holder = storage.begin().await;
    holder.lock_vendor(&vendor("v")).await.unwrap();
    let as_of = holder.store_time().await.unwrap();
    let recorded = history(as_of);
    holder
        .record_sync(&vendor("v"), &record(SyncOutcome::Applied), Some(&recorded))
        .await
        .unwrap();
    let store = storage.store.clone();
    let found = wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        work.lock_vendor(&vendor("v")).await.unwrap()
    })
    .await;
    assert_eq!(found.map(|state| state.history), Some(recorded));
}

/// A sync of an unknown vendor cannot be recorded.
pub async fn record_sync_refuses_an_unknown_vendor(storage: &StorageUnderTest) {
    storage.configure(&["v"]).await;
    let mut work = storage.begin().await;
    let failed = record(SyncOutcome::Failed);
    work.record_sync(&vendor("unknown"), &failed, Some(&ReportHistory::default()))
        .await
        .unwrap_err();
}

/// A vendor was tried after any sync of it ended, with any outcome; being configured is not enough.
pub async fn were_tried_requires_every_vendor(storage: &StorageUnderTest) {
    let tried = async |ids: &[&str]| {
        let ids: Vec<VendorId> = vendors(ids);
        storage.probe.were_tried(&ids).await.unwrap()
    };
    assert!(tried(&[]).await);
    assert!(!tried(&["v"]).await);
    storage.configure(&["v", "w"]).await;
    assert!(!tried(&["v"]).await);
    for (vendor_id, outcome) in [("v", SyncOutcome::Failed), ("w", SyncOutcome::Applied)] {
        assert!(!tried(&["v", "w"]).await);
        let mut work = storage.begin().await;
        work.record_sync(&vendor(vendor_id), &record(outcome), None)
            .await
            .unwrap();
        work.commit().await.unwrap();
        assert!(tried(&[vendor_id]).await);
    }
    assert!(tried(&["v", "w"]).await);
    assert!(!tried(&["w", "unknown", "v"]).await);
}

/// The store's clock rises within a unit of work and across the ways to read it.
pub async fn store_time_rises(storage: &StorageUnderTest) {
    let outside = storage.probe.store_time().await.unwrap();
    let mut work = storage.begin().await;
    let first = work.store_time().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = work.store_time().await.unwrap();
    // The current time, not that of the transaction's start.
    assert!(second.since(first) >= Duration::from_millis(15));
    assert!(outside < first);
    drop(work);
    assert!(second < storage.probe.store_time().await.unwrap());
}

async fn statuses(storage: &StorageUnderTest, ids: &[&str]) -> Vec<VendorStatus> {
    let ids = vendors(ids);
    storage.vendors.find_vendors(&ids).await.unwrap()
}

/// Readers see the last sync of each requested vendor as it was recorded, with its time. Unknown vendors are left out.
pub async fn the_last_sync_of_each_vendor_is_stored(storage: &StorageUnderTest) {
    assert_eq!(statuses(storage, &["v"]).await, []);
    storage.configure(&["w", "v", "x"]).await;
    let found = statuses(storage, &["v", "unknown", "w", "v"]).await;
    let never = |vendor_id: &str| VendorStatus {
        vendor_id: vendor(vendor_id),
        products: 0,
        last_sync: None,
        proof: None,
        age: None,
        clock_skew_ms: None,
        is_expired: false,
        quarantined: None,
    };
    assert_eq!(found, [never("v"), never("w")]);

    for (outcome, error) in [
        (SyncOutcome::Applied, None),
        (SyncOutcome::Stale, Some("of yesterday")),
        (SyncOutcome::Quarantined, Some("empty")),
        (SyncOutcome::NotModified, None),
        (SyncOutcome::NotReady, None),
        (SyncOutcome::Failed, Some("refused: \u{fc}\u{1f600}")),
    ] {
        let record = SyncRecord {
            took: Duration::from_micros(1_234_567),
            received: 12,
            changed: 3,
            error: error.map(str::to_owned),
            ..record(outcome)
        };
        let before = storage.probe.store_time().await.unwrap();
        let mut work = storage.begin().await;
        work.lock_vendor(&vendor("v")).await.unwrap();
        let finished_at = work.record_sync(&vendor("v"), &record, None).await.unwrap();
        work.commit().await.unwrap();
        assert!(before <= finished_at);
        assert!(finished_at <= storage.probe.store_time().await.unwrap());
        let kept = FinishedSync {
            outcome,
            finished_at,
            took: Duration::from_millis(1_234),
            received: 12,
            changed: 3,
            error: record.error,
        };
        let found = statuses(storage, &["w", "v"]).await;
        assert_eq!(found[0].last_sync.as_ref(), Some(&kept));
        assert_eq!(found[1], never("w"));
    }
    // A vendor that is no longer configured is still known. One that is switched on again counts as never tried.
    storage.configure(&["w"]).await;
    assert!(statuses(storage, &["v"]).await[0].last_sync.is_some());
    storage.configure(&["v", "w"]).await;
    assert_eq!(statuses(storage, &["v"]).await, [never("v")]);
}

/// Readers see the evidence of the last applied report, its age by the store's clock, and the skew of the vendor's clock.
pub async fn the_evidence_of_each_vendor_is_shown(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    let now = storage.probe.store_time().await.unwrap();
    let as_of = now.minus(Duration::from_mins(10));
    for proof in [
        Ok(Proven {
            as_of,
            evidence: Evidence::Document,
        }),
        Err(NoEvidence::UnusableAge),
    ] {
        let recorded = ReportHistory {
            proof: Some(proof),
            clock_skew_ms: Some(1_500),
            ..ReportHistory::default()
        };
        let mut work = storage.begin().await;
        let applied = record(SyncOutcome::Applied);
        work.record_sync(&vendor("v"), &applied, Some(&recorded))
            .await
            .unwrap();
        work.commit().await.unwrap();
        let found = statuses(storage, &["v", "w"]).await;
        assert_eq!(found[0].proof, Some(proof));
        assert_eq!(found[0].clock_skew_ms, Some(1_500));
        assert_eq!(found[0].age.is_some(), proof.is_ok());
        if let Some(age) = found[0].age {
            let bounds = Duration::from_mins(10)..Duration::from_mins(11);
            assert!(bounds.contains(&age), "{age:?}");
        }
        assert_eq!((found[1].proof, found[1].age), (None, None));
    }
}

/// All products that a vendor ever reported are counted, including those with 0 units now.
pub async fn all_products_that_a_vendor_ever_reported_are_counted(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases
        .report("v", full(&[("p", 10), ("q", 1), ("r", 0)]))
        .await;
    use_cases.report("v", full(&[("p", 10)])).await;
    use_cases.report("w", full(&[("p", 1)])).await;
    let found = statuses(storage, &["v", "w"]).await;
    assert_eq!([found[0].products, found[1].products], [3, 1]);
}
