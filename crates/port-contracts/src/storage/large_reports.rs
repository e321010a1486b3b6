//! Reports that are applied in several transactions: whatever happens between two of them, no unit is sold twice, and the
//! next report ends what was begun.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::order::OrderStatus;
use domain::ports::{FinishedSync, Store, StoreError, SyncOutcome, UnitOfWork};
use domain::report::Report;
use domain::services::{QuarantineDecision, SyncError};
use domain::timestamp::Timestamp;
use tokio::sync::watch;

use super::StorageUnderTest;
use crate::builders::{delta, fetched, full, vendor};
use crate::shop::Shop;

/// Runs before a unit of work begins, with its number from 1; an error is that of the begin.
type Hook = Box<
    dyn Fn(usize) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> + Send + Sync,
>;

struct HookedStore {
    inner: Arc<dyn Store>,
    begun: AtomicUsize,
    hook: Hook,
}

#[async_trait]
impl Store for HookedStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let number = 1 + self.begun.fetch_add(1, Ordering::SeqCst);
        (self.hook)(number).await?;
        self.inner.begin().await
    }
}

/// The shop, whose syncs write one product in a transaction and run a hook before each.
fn hooked(shop: &Shop, storage: &StorageUnderTest, hook: Hook) -> Shop {
    let store = Arc::new(HookedStore {
        inner: Arc::clone(&storage.store),
        begun: AtomicUsize::new(0),
        hook,
    });
    shop.clone().with_chunks(storage, store, 1)
}

/// The shop, whose process ends after this number of transactions of a sync.
fn interrupted_after(shop: &Shop, storage: &StorageUnderTest, transactions: usize) -> Shop {
    let hook = move |number| -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        let away = StoreError::Unavailable("the process has ended".to_owned());
        let begun = if number > transactions {
            Err(away)
        } else {
            Ok(())
        };
        Box::pin(std::future::ready(begun))
    };
    hooked(shop, storage, Box::new(hook))
}

/// The shop, that runs `meanwhile` before this transaction of a sync.
fn disturbed_at<F>(
    shop: &Shop,
    storage: &StorageUnderTest,
    transaction: usize,
    meanwhile: impl Fn() -> F + Send + Sync + 'static,
) -> Shop
where
    F: Future<Output = ()> + Send + 'static,
{
    let hook = move |number| -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        if number != transaction {
            return Box::pin(std::future::ready(Ok(())));
        }
        let meanwhile = meanwhile();
        Box::pin(async move {
            meanwhile.await;
            Ok(())
        })
    };
    hooked(shop, storage, Box::new(hook))
}

async fn now(storage: &StorageUnderTest) -> Timestamp {
    storage.probe.store_time().await.unwrap()
}

/// Syncs vendor `v`, whose report is true as of this moment.
async fn sync_as_of(
    shop: &Shop,
    report: Report,
    as_of: Timestamp,
) -> Result<FinishedSync, SyncError> {
    let respond = move || Ok(fetched(&report, as_of));
    shop.sync_with("v", respond).await
}

async fn reported(storage: &StorageUnderTest, product_ids: [&str; 3]) -> [u32; 3] {
    let mut found = [0; 3];
    for (product_id, units) in product_ids.into_iter().zip(&mut found) {
        *units = storage.position(product_id, "v").await.reported;
    }
    found
}

const PRODUCTS: [&str; 3] = ["a", "b", "c"];

fn all(units: u32) -> Report {
    full(&PRODUCTS.map(|product_id| (product_id, units)))
}

/// After each transaction of a report every balance is right, and neither the result nor the evidence of the sync is
/// recorded before the last one.
pub async fn each_chunk_of_a_report_leaves_the_balances_right(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("w", full(&[("b", 4)])).await;
    let done = shop.report("v", all(10)).await;
    for written in 0..3 {
        shop.sell(storage, "b", 1).await;
        let before = reported(storage, PRODUCTS).await;
        let mut expected = before;
        expected[..written].fill(20 + u32::try_from(written).unwrap());
        let report = all(20 + u32::try_from(written).unwrap());
        let interrupted = interrupted_after(&shop, storage, written);
        let error = interrupted.try_report("v", Ok(report)).await.unwrap_err();
        assert!(matches!(error, SyncError::Store(_)), "{error}");
        assert_eq!(reported(storage, PRODUCTS).await, expected);
        storage.assert_sound().await;
        let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
        assert_eq!(status[0].last_sync.as_ref(), Some(&done));
    }
    let done = shop.report("v", all(30)).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 3));
    assert_eq!(reported(storage, PRODUCTS).await, [30; 3]);
    assert_eq!(storage.sellable("b").await, 31);
    storage.assert_sound().await;
}

/// The same report again writes what is left of an interrupted one. What was ordered, shipped and cancelled in between
/// counts once.
pub async fn a_report_that_was_interrupted_is_ended_by_the_next_one(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let mut shipped = Vec::new();
    for product_id in PRODUCTS {
        let order = shop.sell(storage, product_id, 4).await;
        shop.change(order.id, OrderStatus::Shipped).await.unwrap();
        shipped.push(order.id);
    }
    let as_of = now(storage).await;
    let interrupted = interrupted_after(&shop, storage, 1);
    sync_as_of(&interrupted, all(6), as_of).await.unwrap_err();
    assert_eq!(storage.numbers("a", "v").await, (6, 0, 6));
    assert_eq!(storage.numbers("b", "v").await, (10, 4, 6));
    storage.assert_sound().await;

    for product_id in PRODUCTS {
        let cancelled = shop.sell(storage, product_id, 2).await;
        let later = shop.sell(storage, product_id, 3).await;
        let cancel = OrderStatus::Cancelled;
        shop.change(cancelled.id, cancel).await.unwrap();
        shop.change(later.id, OrderStatus::Shipped).await.unwrap();
        assert_eq!(storage.sellable(product_id).await, 3);
    }
    storage.assert_sound().await;

    let done = sync_as_of(&shop, all(6), as_of).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    for product_id in PRODUCTS {
        assert_eq!(storage.numbers(product_id, "v").await, (6, 3, 3));
    }
    shop.report("v", all(3)).await;
    for product_id in PRODUCTS {
        assert_eq!(storage.numbers(product_id, "v").await, (3, 0, 3));
    }
    storage.assert_sound().await;
}

/// A report that is older than an interrupted one does not apply_if_new back what that one has already taken off.
pub async fn a_report_older_than_an_interrupted_one_is_stale(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let old = now(storage).await;
    let order = shop.sell(storage, "a", 4).await;
    shop.change(order.id, OrderStatus::Shipped).await.unwrap();
    let new = now(storage).await;
    let interrupted = interrupted_after(&shop, storage, 1);
    sync_as_of(&interrupted, all(6), new).await.unwrap_err();
    assert_eq!(storage.numbers("a", "v").await, (6, 0, 6));

    let late = full(&[("a", 10), ("b", 9), ("c", 9)]);
    let done = sync_as_of(&shop, late, old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    let late = delta(&[("a", 10), ("b", 9)]);
    let done = sync_as_of(&shop, late, old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    assert_eq!(storage.numbers("a", "v").await, (6, 0, 6));
    assert_eq!(reported(storage, PRODUCTS).await, [6, 10, 10]);
    storage.assert_sound().await;

    let done = sync_as_of(&shop, all(6), new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    storage.assert_sound().await;
}

/// The written lines of an interrupted delta are not overwritten by an older report; the others are as they were.
pub async fn an_interrupted_delta_leaves_older_reports_stale(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let old = now(storage).await;
    let new = now(storage).await;
    let lines = delta(&[("a", 6), ("b", 6), ("new", 1)]);
    let interrupted = interrupted_after(&shop, storage, 1);
    sync_as_of(&interrupted, lines.clone(), new)
        .await
        .unwrap_err();
    let done = sync_as_of(&shop, all(9), old).await.unwrap();
    assert_eq!(done.outcome, SyncOutcome::Stale);
    let older = delta(&[("a", 8), ("b", 8)]);
    let done = sync_as_of(&shop, older, old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert_eq!(reported(storage, PRODUCTS).await, [6, 8, 10]);
    storage.assert_sound().await;

    let done = sync_as_of(&shop, lines, new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    assert_eq!(reported(storage, ["a", "b", "new"]).await, [6, 6, 1]);
    storage.assert_sound().await;
}

/// An empty report whose acceptance was interrupted is still in quarantine, and can be accepted again.
pub async fn an_interrupted_acceptance_is_repeated(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let done = shop.report("v", full(&[])).await;
    assert_eq!(done.outcome, SyncOutcome::Quarantined);
    let accept = QuarantineDecision::Accept;
    let interrupted = interrupted_after(&shop, storage, 2);
    let resolved = interrupted.try_resolve_quarantine("v", accept).await;
    resolved.unwrap_err();
    assert_eq!(reported(storage, PRODUCTS).await, [0, 0, 10]);
    storage.assert_sound().await;
    let done = shop.resolve_quarantine("v", accept).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert_eq!(reported(storage, PRODUCTS).await, [0; 3]);
    assert_eq!(shop.resolve_quarantine("v", accept).await, None);
    storage.assert_sound().await;
}

/// A sync whose report is no longer the newest ends between two transactions.
pub async fn a_sync_ends_when_a_newer_report_was_begun(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let (old, new) = (now(storage).await, now(storage).await);
    let other = shop.clone();
    let disturbed = disturbed_at(&shop, storage, 2, move || {
        let other = other.clone();
        async move {
            let done = sync_as_of(&other, all(7), new).await.unwrap();
            assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 3));
        }
    });
    let done = sync_as_of(&disturbed, all(8), old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 1));
    assert_eq!(reported(storage, PRODUCTS).await, [7; 3]);
    let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
    assert_eq!(status[0].last_sync.as_ref(), Some(&done));
    storage.assert_sound().await;
}

/// A vendor that is removed between two transactions of a sync is not written any more.
pub async fn a_vendor_that_is_removed_during_a_sync_ends_it(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let other = shop.clone();
    let disturbed = disturbed_at(&shop, storage, 2, move || {
        let other = other.clone();
        async move { other.configure(&[]).await }
    });
    let error = disturbed.try_report("v", Ok(all(8))).await.unwrap_err();
    assert!(matches!(error, SyncError::NotConfigured(_)), "{error}");
    assert_eq!(reported(storage, PRODUCTS).await, [8, 10, 10]);
    storage.assert_sound().await;

    // One that is removed and comes back is compared from the first product on, because its counts are 0.
    shop.configure(&["v"]).await;
    let other = shop.clone();
    let disturbed = disturbed_at(&shop, storage, 2, move || {
        let other = other.clone();
        async move {
            other.configure(&[]).await;
            other.configure(&["v"]).await;
        }
    });
    let done = disturbed.report("v", all(5)).await;
    assert_eq!(done.outcome, SyncOutcome::Applied);
    assert_eq!(reported(storage, PRODUCTS).await, [5; 3]);
    storage.assert_sound().await;
}

/// A report that was compared before another one was applied is compared again.
pub async fn a_report_is_compared_again_when_another_was_applied_meanwhile(
    storage: &StorageUnderTest,
) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let (old, new) = (now(storage).await, now(storage).await);
    let other = shop.clone();
    let disturbed = disturbed_at(&shop, storage, 1, move || {
        let other = other.clone();
        async move {
            let done = sync_as_of(&other, all(7), old).await.unwrap();
            assert_eq!(done.outcome, SyncOutcome::Applied);
        }
    });
    // Without the other report only `a` would differ.
    let report = full(&[("a", 9), ("b", 10), ("c", 10)]);
    let done = sync_as_of(&disturbed, report, new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 3));
    assert_eq!(reported(storage, PRODUCTS).await, [9, 10, 10]);
    storage.assert_sound().await;
}

/// A newer sync that has compared its report sees that an older one has written another chunk since: it compares again, and
/// no product keeps the older number.
pub async fn a_chunk_of_an_older_sync_is_not_missed_by_a_newer_one(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", all(10)).await;
    let (old, new) = (now(storage).await, now(storage).await);
    let (reached, _) = watch::channel(0);
    let (allowed, _) = watch::channel(1);
    let at = |sender: &watch::Sender<usize>, transaction: usize| {
        let mut receiver = sender.subscribe();
        async move {
            let found = receiver.wait_for(|number| *number >= transaction).await;
            found.map(drop).unwrap();
        }
    };
    let (arrive, go) = (reached.clone(), allowed.clone());
    let paced = move |number| -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        arrive.send_replace(number);
        let allowed = at(&go, number);
        Box::pin(async move {
            allowed.await;
            Ok(())
        })
    };
    let slow = hooked(&shop, storage, Box::new(paced));
    let slow = tokio::spawn(async move { sync_as_of(&slow, all(15), old).await });
    at(&reached, 2).await;
    assert_eq!(reported(storage, PRODUCTS).await, [15, 10, 10]);

    let (reach, allow) = (reached.clone(), allowed.clone());
    let disturbed = disturbed_at(&shop, storage, 1, move || {
        allow.send_replace(2);
        at(&reach, 3)
    });
    // When it was compared, only `a` differed.
    let report = full(&[("a", 12), ("b", 10), ("c", 10)]);
    let done = sync_as_of(&disturbed, report, new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    allowed.send_replace(usize::MAX);
    let done = slow.await.unwrap().unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 2));
    assert_eq!(reported(storage, PRODUCTS).await, [12, 10, 10]);
    storage.assert_sound().await;
}
