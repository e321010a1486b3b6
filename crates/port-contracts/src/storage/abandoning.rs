//! Units of work that are dropped before their commit leave no writes, locks or connections behind.

use std::time::Duration;

use domain::identifiers::{OrderId, ProductId};
use domain::order::OrderState;
use domain::ports::{OtherVendors, OutboxLag, StoreError, UnitOfWork};
use domain::report_history::ReportHistory;
use tokio::time::timeout;

use super::{StorageUnderTest, immediately};
use crate::builders::{configured, keyed_order, new_order, product, vendor};

/// Time after which a waiting call is dropped.
const DROPPED_AFTER: Duration = Duration::from_millis(30);

/// Longer than any store waits for a free unit of work.
const BOUNDED: Duration = Duration::from_secs(30);

/// Dropping a unit of work rolls back every write.
pub async fn a_dropped_unit_of_work_is_rolled_back(storage: &StorageUnderTest) {
    storage.stock_up("p", &[("v", 5)]).await;
    let order = storage.place(new_order("p", 1)).await;
    storage.empty_outbox().await;
    let before = storage.stock.find_stock(&product("p")).await.unwrap();

    let mut work = storage.begin().await;
    let accepted = work.accept(&[keyed_order("p", 1, "k")]).await.unwrap();
    let lost = super::created(accepted.into_iter().next().unwrap());
    work.lock_order(order.id).await.unwrap();
    work.save_state(order.id, &OrderState::Cancelled)
        .await
        .unwrap();
    work.configure(&configured(&["w"]), OtherVendors::SwitchOff)
        .await
        .unwrap();
    work.create_products(&[product("new")]).await.unwrap();
    work.save_history(&vendor("v"), &ReportHistory::default())
        .await
        .unwrap();
    drop(work);

    assert_eq!(storage.orders.find_order(lost.id).await.unwrap(), None);
    assert_eq!(storage.order(order.id).await, order);
    assert_eq!(
        storage.stock.find_stock(&product("p")).await.unwrap(),
        before
    );
    let new = storage.stock.find_stock(&product("new")).await.unwrap();
    assert_eq!(new, None);
    let lag = storage.probe.outbox_lag().await.unwrap();
    assert_eq!(lag, OutboxLag { oldest: None });
    let mut work = storage.begin().await;
    assert!(work.lock_vendor(&vendor("v")).await.unwrap().is_some());
    assert_eq!(work.lock_vendor(&vendor("w")).await.unwrap(), None);
}

/// The writes of a unit of work are visible to others only after its commit.
pub async fn writes_are_visible_only_after_the_commit(storage: &StorageUnderTest) {
    let order = storage.place(new_order("p", 1)).await;
    let mut work = storage.begin().await;
    work.lock_order(order.id).await.unwrap();
    let written = work
        .save_state(order.id, &OrderState::Cancelled)
        .await
        .unwrap();
    let own = work.lock_order(order.id).await.unwrap();
    assert_eq!(own, Some(written.clone()));
    assert_eq!(storage.order(order.id).await, order);
    work.commit().await.unwrap();
    assert_eq!(storage.order(order.id).await, written);
}

/// Begins more units of work than the pool has, one after the other and each with locks, and drops them: all locks and
/// connections are released.
pub async fn dropped_units_of_work_release_connections_and_locks(storage: &StorageUnderTest) {
    let target = Target::prepare(storage).await;
    for _ in 0..2 * storage.pool_size {
        let mut work = immediately(storage.begin()).await;
        immediately(target.lock(work.as_mut())).await;
        drop(work);
    }
    target.assert_free(storage).await;
}

/// Units of work that are dropped while they wait for the lock of an order leave nothing behind.
pub async fn dropped_waiters_for_an_order_release_everything(storage: &StorageUnderTest) {
    let target = Target::prepare(storage).await;
    for _ in 0..3 * storage.pool_size {
        let mut holder = immediately(storage.begin()).await;
        immediately(holder.lock_order(target.order_id))
            .await
            .unwrap();
        let waited = timeout(DROPPED_AFTER, async {
            let mut waiter = storage.begin().await;
            waiter.lock_order(target.order_id).await.unwrap();
        });
        assert!(
            waited.await.is_err(),
            "the call did not wait for the lock holder"
        );
        holder.commit().await.unwrap();
        let mut next = immediately(storage.begin()).await;
        immediately(target.lock(next.as_mut())).await;
    }
    target.assert_free(storage).await;
}

/// Units of work that are dropped while they wait for the lock of a product leave nothing behind.
pub async fn dropped_waiters_for_stock_release_everything(storage: &StorageUnderTest) {
    let target = Target::prepare(storage).await;
    for _ in 0..3 * storage.pool_size {
        let mut holder = immediately(storage.begin()).await;
        immediately(holder.lock_stock(&target.product_ids))
            .await
            .unwrap();
        let waited = timeout(DROPPED_AFTER, async {
            let mut waiter = storage.begin().await;
            // A lock that is held while the call waits for another one.
            waiter.lock_order(target.order_id).await.unwrap();
            waiter.lock_stock(&target.product_ids).await.unwrap();
        });
        assert!(
            waited.await.is_err(),
            "the call did not wait for the lock holder"
        );
        holder.commit().await.unwrap();
        let mut next = immediately(storage.begin()).await;
        immediately(target.lock(next.as_mut())).await;
    }
    target.assert_free(storage).await;
}

/// With the pool exhausted, `begin` fails after a bounded time, and a call that is dropped while it waits takes no unit of
/// work.
pub async fn begin_waits_for_a_bounded_time(storage: &StorageUnderTest) {
    let mut open = Vec::new();
    for _ in 0..storage.pool_size {
        open.push(immediately(storage.begin()).await);
    }
    for _ in 0..2 * storage.pool_size {
        let begun = timeout(DROPPED_AFTER, storage.store.begin()).await;
        assert!(
            begun.is_err(),
            "more units of work were begun than the pool has"
        );
    }
    let refused = timeout(BOUNDED, storage.store.begin()).await;
    let Err(error) = refused.expect("begin did not return") else {
        panic!("more units of work were begun than the pool has");
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(error.is_retryable());
    drop(open);
    Target::prepare(storage).await.assert_free(storage).await;
}

/// An order and its stock, to lock.
struct Target {
    order_id: OrderId,
    product_ids: [ProductId; 1],
}

impl Target {
    async fn prepare(storage: &StorageUnderTest) -> Self {
        storage.stock_up("p", &[("v", 5)]).await;
        Self {
            order_id: storage.place(new_order("p", 1)).await.id,
            product_ids: [product("p")],
        }
    }

    async fn lock(&self, work: &mut dyn UnitOfWork) {
        assert!(work.lock_order(self.order_id).await.unwrap().is_some());
        assert_eq!(work.lock_stock(&self.product_ids).await.unwrap().len(), 1);
    }

    /// Asserts that the whole pool is available, and that the rows can be locked immediately.
    async fn assert_free(&self, storage: &StorageUnderTest) {
        let mut open = Vec::new();
        for _ in 0..storage.pool_size {
            open.push(immediately(storage.begin()).await);
        }
        let last = open.last_mut().unwrap();
        immediately(self.lock(last.as_mut())).await;
    }
}
