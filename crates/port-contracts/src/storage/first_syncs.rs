//! Rejections are deferred for a bounded time while a vendor was never tried; nothing else is.

use std::time::Duration;

use domain::identifiers::OrderId;
use domain::order::{OrderState, RejectReason};
use domain::ports::{FeedError, LockedStock, OutboxEntry};
use tokio::time::{Instant, sleep};

use super::StorageUnderTest;
use crate::builders::{full, new_order, product};
use crate::use_cases::UseCases;

/// Returns the orders in the outbox that may be published now.
pub(super) async fn due(storage: &StorageUnderTest) -> Vec<OrderId> {
    let mut work = storage.begin().await;
    let claimed = work.claim(u32::MAX, Duration::ZERO).await.unwrap();
    work.commit().await.unwrap();
    claimed.iter().flat_map(OutboxEntry::order_ids).collect()
}

/// The report of one vendor causes no rejection of an order that another vendor may supply, and delays none that it can
/// supply.
pub async fn one_report_rejects_no_order_of_an_untried_vendor(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 5)])).await;
    let of_v = storage.place(new_order("p", 5)).await.id;
    let of_w = storage.place(new_order("q", 1)).await.id;
    storage.empty_outbox().await;
    use_cases.settle(&[of_v, of_w]).await;
    let state = storage.order(of_v).await.state;
    assert!(matches!(state, OrderState::Confirmed(_)), "{state:?}");
    assert_eq!(storage.order(of_w).await.state, OrderState::Pending);
    assert_eq!(due(storage).await, []);
    let lag = storage.probe.outbox_lag().await.unwrap();
    assert_eq!(lag.oldest, None);

    use_cases.report("w", full(&[("q", 5)])).await;
    assert_eq!(due(storage).await, [of_w]);
    use_cases.settle(&[of_w]).await;
    let state = storage.order(of_w).await.state;
    assert!(matches!(state, OrderState::Confirmed(_)), "{state:?}");
    storage.assert_sound().await;
}

/// An order is not rejected before every vendor was tried; then an unknown product is rejected as such.
pub async fn nothing_is_rejected_before_every_vendor_was_tried(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let id = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    let fail = async |vendor_id: &str| {
        let refused = FeedError::Unavailable("connection refused".to_owned());
        use_cases
            .try_report(vendor_id, Err(refused))
            .await
            .unwrap_err();
    };
    use_cases.settle(&[id]).await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    assert_eq!(due(storage).await, []);
    fail("v").await;
    assert_eq!(due(storage).await, [id]);
    storage.empty_outbox().await;
    // Only the first sync of a vendor requeues the order.
    use_cases.settle(&[id]).await;
    fail("v").await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    assert_eq!(due(storage).await, []);
    fail("w").await;
    assert_eq!(due(storage).await, [id]);
    use_cases.settle(&[id]).await;
    let expected = OrderState::Rejected(RejectReason::UnknownProduct);
    assert_eq!(storage.order(id).await.state, expected);
}

/// A vendor that is never tried defers a rejection for at most the grace, counted from its configuration.
pub async fn rejection_waits_at_most_first_sync_grace(storage: &StorageUnderTest) {
    let grace = Duration::from_millis(600);
    let use_cases = UseCases::open(storage, &["v"]).await;
    let use_cases = use_cases.with_first_sync_grace(storage, grace);
    let id = storage.place(new_order("p", 1)).await.id;
    storage.empty_outbox().await;
    use_cases.settle(&[id]).await;
    assert_eq!(storage.order(id).await.state, OrderState::Pending);
    let deadline = Instant::now() + grace * 20;
    while due(storage).await.is_empty() {
        assert!(Instant::now() < deadline, "the order was not requeued");
        sleep(grace / 20).await;
    }
    use_cases.settle(&[id]).await;
    let reason = storage.order(id).await.state.reject_reason();
    assert_eq!(reason, Some(RejectReason::UnknownProduct));
    // Later orders are not deferred, until another vendor is configured.
    let later = use_cases.sell(storage, "p", 1).await;
    assert!(later.state.reject_reason().is_some(), "{later:?}");
    use_cases.configure(&["v", "w"]).await;
    let deferred = use_cases.sell(storage, "p", 1).await;
    assert_eq!(deferred.state, OrderState::Pending);
}

/// A unit of work that finds all vendors tried also finds the products of their first reports, although they were unknown to it
/// before. A store with one transaction at a time admits no report in between.
pub async fn a_first_report_that_is_visible_is_visible_with_its_products(
    storage: &StorageUnderTest,
) {
    if storage.pool_size == 1 {
        return;
    }
    let use_cases = UseCases::open(storage, &["v"]).await;
    let asked = [product("p")];
    let mut work = storage.begin().await;
    let before = work.try_lock_stock(&asked).await.unwrap();
    assert_eq!(before, LockedStock::default());
    assert!(work.first_syncs().await.unwrap().untried.is_some());
    use_cases.report("v", full(&[("p", 5)])).await;
    assert_eq!(work.first_syncs().await.unwrap().untried, None);
    let found = work.try_lock_stock(&asked).await.unwrap();
    assert_eq!((found.locked.len(), found.held.len()), (1, 0));
    assert_eq!(found.locked[0].quantity(), 5);
}
