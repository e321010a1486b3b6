//! Rejections wait for vendors that were never tried, for a bounded time, and nothing else does.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::{OrderState, RejectReason};
use domain::ports::{FeedError, LockedStock, OutboxEntry};
use tokio::time::{Instant, sleep};

use super::StorageUnderTest;
use crate::builders::{full, new_order, product};
use crate::shop::Shop;

/// Orders that are in the outbox and may be published now.
async fn due(storage: &StorageUnderTest) -> Vec<OrderId> {
    let mut work = storage.begin().await;
    let claimed = work.claim(u32::MAX, Duration::ZERO).await.unwrap();
    work.commit().await.unwrap();
    claimed.iter().flat_map(OutboxEntry::order_ids).collect()
}

/// What one vendor has reported rejects no order that another one is about to supply, and delays none that it can supply.
pub async fn the_first_report_does_not_stand_for_all(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 5)])).await;
    let of_v = storage.place(new_order("p", 5)).await.id;
    let of_w = storage.place(new_order("q", 1)).await.id;
    storage.empty_outbox().await;
    shop.settle(&[of_v, of_w]).await;
    let state = storage.order(of_v).await.state;
    assert!(matches!(state, OrderState::Confirmed(_)), "{state:?}");
    assert_eq!(storage.order(of_w).await.state, OrderState::Pending);
    assert_eq!(due(storage).await, []);
    let lag = storage.probe.outbox_lag().await.unwrap();
    assert_eq!(lag.oldest, None);

    shop.report("w", full(&[("q", 5)])).await;
    assert_eq!(due(storage).await, [of_w]);
    shop.settle(&[of_w]).await;
    let state = storage.order(of_w).await.state;
    assert!(matches!(state, OrderState::Confirmed(_)), "{state:?}");
    storage.assert_sound().await;
}

/// An order is not rejected before every vendor was tried; then an unknown product is rejected as such.
pub async fn nothing_is_rejected_before_every_vendor_was_tried(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let id = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    let fail = async |vendor_id: &str| {
        let refused = FeedError::Unavailable("connection refused".to_owned());
        shop.try_report(vendor_id, Err(refused)).await.unwrap_err();
    };
    shop.settle(&[id]).await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    assert_eq!(due(storage).await, []);
    fail("v").await;
    assert_eq!(due(storage).await, [id]);
    storage.empty_outbox().await;
    // Only the first sync of a vendor ends the wait.
    shop.settle(&[id]).await;
    fail("v").await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    assert_eq!(due(storage).await, []);
    fail("w").await;
    assert_eq!(due(storage).await, [id]);
    shop.settle(&[id]).await;
    let expected = OrderState::Rejected(RejectReason::UnknownProduct);
    assert_eq!(storage.order(id).await.state, expected);
}

/// A vendor that is never tried delays a rejection no longer than the grace, counted from when it was configured.
pub async fn a_rejection_waits_no_longer_than_the_grace(storage: &StorageUnderTest) {
    let grace = Duration::from_millis(600);
    let shop = Shop::open(storage, &["v"]).await;
    let shop = shop.with_first_sync_grace(storage, grace);
    let id = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    shop.settle(&[id]).await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    let give_up = Instant::now() + grace * 20;
    while due(storage).await.is_empty() {
        assert!(Instant::now() < give_up, "the order did not come back");
        sleep(grace / 20).await;
    }
    shop.settle(&[id]).await;
    let reason = storage.order(id).await.state.reject_reason();
    assert_eq!(reason, Some(RejectReason::UnknownProduct));
    // The next one waits no more, until a vendor is configured again.
    let later = shop.sell(storage, "p", 1).await;
    assert!(later.state.reject_reason().is_some(), "{later:?}");
    shop.configure(&["v", "w"]).await;
    let waits = shop.sell(storage, "p", 1).await;
    assert_eq!(waits.state, OrderState::Pending);
}

/// A unit of work that finds all vendors tried also finds the products of their first reports, although it had looked for them
/// before. A store that has one transaction at a time has no such report in between.
pub async fn a_first_report_that_is_visible_is_visible_with_its_products(
    storage: &StorageUnderTest,
) {
    if storage.pool_size == 1 {
        return;
    }
    let shop = Shop::open(storage, &["v"]).await;
    let asked = [product("p")];
    let mut work = storage.begin().await;
    let before = work.try_lock_stock(&asked).await.unwrap();
    assert_eq!(before, LockedStock::default());
    assert!(work.first_syncs().await.unwrap().untried.is_some());
    shop.report("v", full(&[("p", 5)])).await;
    assert_eq!(work.first_syncs().await.unwrap().untried, None);
    let found = work.try_lock_stock(&asked).await.unwrap();
    assert_eq!((found.locked.len(), found.held.len()), (1, 0));
    assert_eq!(found.locked[0].quantity(), 5);
}
