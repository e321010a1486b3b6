//! Which vendors are configured, and the lock that their syncs take.

use std::time::Duration;

use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    FinishedSync, OtherVendors, SyncOutcome, SyncRecord, VendorStatus, VendorSyncState,
};
use domain::timestamp::Timestamp;

use super::{StorageUnderTest, wait_for_holder};
use crate::builders::{configured, full, product, vendor, vendors};
use crate::shop::Shop;

fn record(outcome: SyncOutcome, as_of: Option<Timestamp>) -> SyncRecord {
    SyncRecord {
        outcome,
        as_of,
        full: true,
        took: Duration::from_millis(12),
        received: 3,
        changed: 2,
        error: (outcome != SyncOutcome::Applied).then(|| "what's wrong".to_owned()),
    }
}

async fn configure(storage: &StorageUnderTest, ids: &[&str]) -> Vec<ProductId> {
    let mut work = storage.begin().await;
    let vendors = configured(ids);
    let switched = work.configure(&vendors, OtherVendors::SwitchOff);
    let switched = switched.await.unwrap();
    work.commit().await.unwrap();
    switched.products
}

async fn state_of(storage: &StorageUnderTest, vendor_id: &str) -> Option<VendorSyncState> {
    let mut work = storage.begin().await;
    work.lock_vendor(&vendor(vendor_id)).await.unwrap()
}

/// Changing who is configured returns the products of those that come and of those that go, and of nobody else.
pub async fn configure_returns_the_products_that_change(storage: &StorageUnderTest) {
    assert_eq!(configure(storage, &["u", "v", "w"]).await, []);
    let shop = Shop::open(storage, &["u", "v", "w"]).await;
    shop.report("u", full(&[("a", 1), ("shared", 1)])).await;
    shop.report("v", full(&[("b", 1), ("shared", 1), ("B", 0)]))
        .await;
    shop.report("w", full(&[("c", 1)])).await;

    assert_eq!(configure(storage, &["w", "v", "u"]).await, []);
    let of_v = ["B", "b", "shared"].map(product);
    assert_eq!(configure(storage, &["u", "w"]).await, of_v);
    assert_eq!(configure(storage, &["w", "u"]).await, []);
    let of_both = ["B", "a", "b", "shared"].map(product);
    assert_eq!(configure(storage, &["v", "w", "new"]).await, of_both);
    let rest = ["B", "b", "c", "shared"].map(product);
    assert_eq!(configure(storage, &[]).await, rest);
}

/// A vendor that is switched off is not sold from and keeps its numbers. Switched on again, what it reported counts as 0
/// until its next report is applied; its units in flight stay.
pub async fn a_vendor_that_is_not_configured_is_not_sold(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 10)])).await;
    shop.report("w", full(&[("p", 3), ("q", 1)])).await;
    shop.sell(storage, "p", 4).await;
    assert_eq!(storage.sellable("p").await, 9);

    shop.configure(&["w"]).await;
    assert_eq!(storage.sellable("p").await, 3);
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 0));
    assert_eq!(storage.numbers("p", "w").await, (3, 0, 3));
    storage.assert_sound().await;
    let mut work = storage.begin().await;
    let locked = work.lock_stock(&[product("p")]).await.unwrap();
    drop(work);
    let configured: Vec<bool> = locked[0].vendors.iter().map(|it| it.configured).collect();
    assert_eq!(configured, [false, true]);
    let order = shop.sell(storage, "p", 4).await;
    assert!(order.state.reject_reason().is_some(), "{order:?}");

    shop.configure(&["v", "w"]).await;
    assert_eq!(storage.sellable("p").await, 3);
    assert_eq!(storage.numbers("p", "v").await, (0, 4, 0));
    assert_eq!(storage.numbers("p", "w").await, (3, 0, 3));
    storage.assert_sound().await;
    shop.report("v", full(&[("p", 10)])).await;
    assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
    assert_eq!(storage.sellable("p").await, 9);
    let order = shop.sell(storage, "p", 9).await;
    assert_eq!(order.state.reject_reason(), None);
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;
}

/// Only a configured vendor can be locked; what it shows is the as-of of the last report that was applied.
pub async fn lock_vendor_shows_the_last_applied_report(storage: &StorageUnderTest) {
    assert_eq!(state_of(storage, "v").await, None);
    configure(storage, &["v", "w"]).await;
    assert_eq!(state_of(storage, "unknown").await, None);
    let never = Some(VendorSyncState { last_as_of: None });
    assert_eq!(state_of(storage, "v").await, never);

    let applied_as_of = storage.probe.store_time().await.unwrap();
    let records = [
        (record(SyncOutcome::Failed, None), None),
        (
            record(SyncOutcome::Applied, Some(applied_as_of)),
            Some(applied_as_of),
        ),
        (record(SyncOutcome::Stale, None), Some(applied_as_of)),
        (record(SyncOutcome::Failed, None), Some(applied_as_of)),
    ];
    for (record, expected) in records {
        let mut work = storage.begin().await;
        work.lock_vendor(&vendor("v")).await.unwrap();
        work.record_sync(&vendor("v"), &record).await.unwrap();
        work.commit().await.unwrap();
        let expected = VendorSyncState {
            last_as_of: expected,
        };
        assert_eq!(state_of(storage, "v").await, Some(expected));
    }
    assert_eq!(state_of(storage, "w").await, never);

    configure(storage, &["w"]).await;
    assert_eq!(state_of(storage, "v").await, None);
    configure(storage, &["v"]).await;
    let kept = Some(VendorSyncState {
        last_as_of: Some(applied_as_of),
    });
    assert_eq!(state_of(storage, "v").await, kept);
}

/// Two syncs of one vendor do not pass its lock at a time, and the second sees what the first recorded.
pub async fn lock_vendor_lets_one_sync_pass_at_a_time(storage: &StorageUnderTest) {
    configure(storage, &["v"]).await;
    let mut holder = storage.begin().await;
    holder.lock_vendor(&vendor("v")).await.unwrap();
    let as_of = holder.store_time().await.unwrap();
    holder
        .record_sync(&vendor("v"), &record(SyncOutcome::Applied, Some(as_of)))
        .await
        .unwrap();
    let store = storage.store.clone();
    let found = wait_for_holder(holder, async move {
        let mut work = store.begin().await.unwrap();
        work.lock_vendor(&vendor("v")).await.unwrap()
    })
    .await;
    let last_as_of = Some(as_of);
    assert_eq!(found, Some(VendorSyncState { last_as_of }));
}

/// A sync of a vendor that nobody knows cannot be recorded.
pub async fn record_sync_refuses_an_unknown_vendor(storage: &StorageUnderTest) {
    configure(storage, &["v"]).await;
    let mut work = storage.begin().await;
    let failed = record(SyncOutcome::Failed, None);
    work.record_sync(&vendor("unknown"), &failed)
        .await
        .unwrap_err();
}

/// A vendor was tried once a sync of it ended, in whatever way; being configured is not enough.
pub async fn were_tried_asks_for_every_vendor(storage: &StorageUnderTest) {
    let tried = async |ids: &[&str]| {
        let ids: Vec<VendorId> = vendors(ids);
        storage.probe.were_tried(&ids).await.unwrap()
    };
    assert!(tried(&[]).await);
    assert!(!tried(&["v"]).await);
    configure(storage, &["v", "w"]).await;
    assert!(!tried(&["v"]).await);
    for (vendor_id, outcome) in [("v", SyncOutcome::Failed), ("w", SyncOutcome::Applied)] {
        assert!(!tried(&["v", "w"]).await);
        let mut work = storage.begin().await;
        let as_of = work.store_time().await.unwrap();
        let as_of = (outcome == SyncOutcome::Applied).then_some(as_of);
        work.record_sync(&vendor(vendor_id), &record(outcome, as_of))
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
    // The moment itself, not that of the transaction's start.
    assert!(second.since(first) >= Duration::from_millis(15));
    assert!(outside < first);
    drop(work);
    assert!(second < storage.probe.store_time().await.unwrap());
}

async fn statuses(storage: &StorageUnderTest, ids: &[&str]) -> Vec<VendorStatus> {
    let ids = vendors(ids);
    storage.vendors.find_vendors(&ids).await.unwrap()
}

/// Readers see the last sync of each vendor as it was recorded, with the time at which that was, and of no vendor that
/// was not asked for or that nobody knows.
pub async fn the_last_sync_of_each_vendor_is_kept(storage: &StorageUnderTest) {
    assert_eq!(statuses(storage, &["v"]).await, []);
    configure(storage, &["w", "v", "x"]).await;
    let found = statuses(storage, &["v", "unknown", "w", "v"]).await;
    let never = |vendor_id: &str| VendorStatus {
        vendor_id: vendor(vendor_id),
        products: 0,
        last_sync: None,
    };
    assert_eq!(found, [never("v"), never("w")]);

    let as_of = storage.probe.store_time().await.unwrap();
    for (outcome, as_of, error) in [
        (SyncOutcome::Applied, Some(as_of), None),
        (SyncOutcome::Stale, None, Some("of yesterday")),
        (SyncOutcome::Failed, None, Some("refused: \u{fc}\u{1f600}")),
    ] {
        let record = SyncRecord {
            took: Duration::from_micros(1_234_567),
            received: 12,
            changed: 3,
            error: error.map(str::to_owned),
            ..record(outcome, as_of)
        };
        let before = storage.probe.store_time().await.unwrap();
        let mut work = storage.begin().await;
        work.lock_vendor(&vendor("v")).await.unwrap();
        let finished_at = work.record_sync(&vendor("v"), &record).await.unwrap();
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
    // One that is no longer configured is still known. One that is switched on again was not tried yet.
    configure(storage, &["w"]).await;
    assert!(statuses(storage, &["v"]).await[0].last_sync.is_some());
    configure(storage, &["v", "w"]).await;
    assert_eq!(statuses(storage, &["v"]).await, [never("v")]);
}

/// What a vendor ever reported are its products, also those of which it has nothing now.
pub async fn a_vendor_has_the_products_that_it_ever_reported(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 10), ("q", 1), ("r", 0)]))
        .await;
    shop.report("v", full(&[("p", 10)])).await;
    shop.report("w", full(&[("p", 1)])).await;
    let found = statuses(storage, &["v", "w"]).await;
    let products: Vec<u64> = found.iter().map(|status| status.products).collect();
    assert_eq!(products, [3, 1]);
}
