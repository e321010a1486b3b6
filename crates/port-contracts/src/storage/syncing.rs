//! From a vendor's report to stock: the use case over the store. (P3: a sync never brings sold stock back, and never
//! takes a sale off twice.)

use domain::order::{OrderState, OrderStatus, RejectReason};
use domain::ports::{FeedError, SyncOutcome};
use domain::services::{SettleError, SyncError};

use super::StorageUnderTest;
use crate::builders::{allocation, delta, full, full_as_of, new_order};
use crate::shop::Shop;

/// What one vendor reports can be sold, and what the sync says about it is true.
pub async fn a_report_becomes_stock(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    let done = shop.report("v", full(&[("p", 5), ("q", 0)])).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!((done.received, done.changed), (2, 2));
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 5));
    assert_eq!(storage.sellable("p").await, 5);
    assert_eq!(storage.sellable("q").await, 0);
    let done = shop.report("v", full(&[("p", 6), ("q", 0)])).await;
    assert_eq!((done.received, done.changed), (2, 1));
    storage.assert_sound().await;
}

/// Vendors add up, and an order takes from the one with the most first.
pub async fn two_vendors_add_up(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    shop.report("w", full(&[("p", 7)])).await;
    assert_eq!(storage.sellable("p").await, 12);
    let order = shop.sell(storage, "p", 9).await;
    let expected = vec![allocation("v", 2), allocation("w", 7)];
    assert_eq!(order.state, OrderState::Confirmed(expected));
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// The same report after sales leaves what can be sold as it was: what was not shipped is in flight for as long as it
/// takes.
pub async fn syncing_again_brings_no_sold_stock_back(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 10)])).await;
    shop.sell(storage, "p", 4).await;
    for _ in 0..3 {
        let done = shop.report("v", full(&[("p", 10)])).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 0));
        assert_eq!(storage.numbers("p", "v").await, (10, 4, 6));
        assert_eq!(storage.sellable("p").await, 6);
    }
    shop.report("v", full(&[("p", 12)])).await;
    assert_eq!(storage.numbers("p", "v").await, (12, 4, 8));
    // The vendor sold on its own: nothing is left, and nothing is below zero.
    shop.report("v", full(&[("p", 3)])).await;
    assert_eq!(storage.numbers("p", "v").await, (3, 4, 0));
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;
}

/// A product that a full report leaves out has nothing, one that a delta leaves out stays as it was.
pub async fn full_reports_speak_of_all_products_and_deltas_of_some(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 10), ("q", 10), ("r", 10)]))
        .await;
    shop.report("w", full(&[("q", 1)])).await;
    shop.sell(storage, "q", 3).await;

    shop.report("v", delta(&[("p", 4), ("s", 2)])).await;
    assert_eq!(storage.sellable("p").await, 4);
    assert_eq!(storage.sellable("q").await, 8);
    assert_eq!(storage.sellable("r").await, 10);
    assert_eq!(storage.sellable("s").await, 2);

    let done = shop.report("v", full(&[("p", 4)])).await;
    assert_eq!(done.changed, 3);
    assert_eq!(storage.sellable("p").await, 4);
    assert_eq!(storage.numbers("q", "v").await, (0, 3, 0));
    assert_eq!(storage.sellable("q").await, 1);
    assert_eq!(storage.sellable("r").await, 0);
    assert_eq!(storage.sellable("s").await, 0);
    storage.assert_sound().await;
}

/// A shipped unit is in flight until a report that is true as of a later moment, and is taken off exactly once.
pub async fn a_shipment_is_known_only_to_a_later_report(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&[("p", 10)])).await;
    let order = shop.sell(storage, "p", 4).await;
    shop.sell(storage, "p", 1).await;
    let before = storage.probe.store_time().await.unwrap();
    shop.change(order.id, OrderStatus::Shipped).await.unwrap();
    assert_eq!(storage.numbers("p", "v").await, (10, 5, 5));

    // Asked for after the shipment, but by the vendor's own word true as of a moment before it.
    shop.report("v", full_as_of(before, &[("p", 10)])).await;
    assert_eq!(storage.numbers("p", "v").await, (10, 5, 5));
    shop.change(order.id, OrderStatus::Delivered).await.unwrap();
    storage.assert_sound().await;

    for _ in 0..2 {
        shop.report("v", full(&[("p", 6)])).await;
        assert_eq!(storage.numbers("p", "v").await, (6, 1, 5));
        storage.assert_sound().await;
    }
}

/// A vendor whose clock is ahead is not believed to know what happened after it was asked.
pub async fn a_clock_that_is_ahead_makes_nothing_known(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    let now = storage.probe.store_time().await.unwrap();
    let ahead = now.plus(std::time::Duration::from_hours(1));
    shop.report("v", full_as_of(ahead, &[("p", 10)])).await;
    let order = shop.sell(storage, "p", 4).await;
    shop.change(order.id, OrderStatus::Shipped).await.unwrap();
    let level = storage.position("p", "v").await;
    assert!(level.as_of < order.updated_at, "{level:?}");
    // It is applied, and not held for stale.
    let done = shop.report("v", full(&[("p", 6)])).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 6));
    storage.assert_sound().await;
}

/// A report that is older than the one before changes nothing, and the next one is measured by the one before.
pub async fn a_stale_report_changes_nothing(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    let old = storage.probe.store_time().await.unwrap();
    shop.report("v", full(&[("p", 5)])).await;
    let position = storage.position("p", "v").await;
    for _ in 0..2 {
        let lines = [("p", 50), ("q", 50)];
        let done = shop.report("v", full_as_of(old, &lines)).await;
        assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
        assert_eq!(storage.position("p", "v").await, position);
        let listed = storage.stock.list_stock(None, false, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
    }
    // As old as the last one is not older.
    let same = full_as_of(position.as_of, &[("p", 6)]);
    assert_eq!(shop.report("v", same).await.outcome, SyncOutcome::Applied);
    assert_eq!(storage.sellable("p").await, 6);
    storage.assert_sound().await;
}

/// A vendor that fails loses nothing, and neither does any other; the failure counts as a try.
pub async fn a_failed_sync_changes_nothing(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    let before = storage.position("p", "v").await;
    let down = || Err(FeedError::Unavailable("connection refused".to_owned()));
    for vendor_id in ["v", "w"] {
        let error = shop.try_report(vendor_id, down()).await.unwrap_err();
        assert!(matches!(error, SyncError::Feed { .. }), "{error}");
    }
    assert_eq!(storage.position("p", "v").await, before);
    let ids = crate::builders::vendors(&["v", "w"]);
    assert!(storage.probe.were_tried(&ids).await.unwrap());
    shop.report("v", full(&[("p", 6)])).await;
    assert_eq!(storage.sellable("p").await, 6);
    storage.assert_sound().await;
}

/// A vendor that is not configured is not synced.
pub async fn a_vendor_that_is_not_configured_is_not_synced(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    for vendor_id in ["w", "v"] {
        shop.configure(&[]).await;
        let answer = Ok(full(&[("p", 5)]));
        let error = shop.try_report(vendor_id, answer).await.unwrap_err();
        assert!(matches!(error, SyncError::NotConfigured(_)), "{error}");
    }
    let stock = storage.stock.list_stock(None, false, 10).await.unwrap();
    assert!(stock.is_empty());
}

/// What one vendor has reported does not open the settlement of what another one is about to report.
pub async fn the_first_report_does_not_stand_for_all(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let id = storage.place(new_order("q", 1)).await.id;
    shop.report("v", full(&[("p", 5)])).await;
    let error = shop.try_settle(&[id]).await.unwrap_err();
    assert!(matches!(error, SettleError::TooEarly), "{error}");
    shop.report("w", full(&[("q", 5)])).await;
    shop.settle(&[id]).await;
    let state = storage.order(id).await.state;
    assert!(matches!(state, OrderState::Confirmed(_)), "{state:?}");
}

/// Nothing is decided before every vendor was tried; then an unknown product is rejected as such.
pub async fn nothing_is_settled_before_every_vendor_was_tried(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let id = storage.place(new_order("p", 1)).await.id;
    let down = || Err(FeedError::Unavailable("connection refused".to_owned()));
    for vendor_id in ["v", "w"] {
        let error = shop.try_settle(&[id]).await.unwrap_err();
        assert!(matches!(error, SettleError::TooEarly), "{error}");
        assert_eq!(storage.order(id).await.state, OrderState::Pending);
        shop.try_report(vendor_id, down()).await.unwrap_err();
    }
    shop.settle(&[id]).await;
    let expected = OrderState::Rejected(RejectReason::UnknownProduct);
    assert_eq!(storage.order(id).await.state, expected);
}
