//! Reports that are applied in several transactions: whatever happens between two of them, no unit is sold twice, and the
//! next report completes an interrupted one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::ports::{FinishedSync, Store, StoreError, SyncOutcome, UnitOfWork};
use domain::report::Report;
use domain::services::{QuarantineDecision, SyncError};
use domain::timestamp::Timestamp;
use tokio::sync::watch;

use super::StorageUnderTest;
use crate::builders::{delta, fetched, full, vendor};
use crate::use_cases::UseCases;

/// Runs before a unit of work begins, with its number from 1; `begin` returns the hook's error.
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

/// Returns use cases whose syncs write one product per transaction and run a hook before each.
fn hooked(use_cases: &UseCases, storage: &StorageUnderTest, hook: Hook) -> UseCases {
    let store = Arc::new(HookedStore {
        inner: Arc::clone(&storage.store),
        begun: AtomicUsize::new(0),
        hook,
    });
    use_cases.clone().with_chunks(storage, store, 1)
}

/// Returns use cases whose process ends after this number of transactions of a sync.
pub(super) fn interrupted_after(
    use_cases: &UseCases,
    storage: &StorageUnderTest,
    transactions: usize,
) -> UseCases {
    let hook = move |number| -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        let ended = StoreError::Unavailable("the process has ended".to_owned());
        let begun = if number > transactions {
            Err(ended)
        } else {
            Ok(())
        };
        Box::pin(std::future::ready(begun))
    };
    hooked(use_cases, storage, Box::new(hook))
}

/// Returns use cases that run `meanwhile` before this transaction of a sync.
pub(super) fn disturbed_at<F>(
    use_cases: &UseCases,
    storage: &StorageUnderTest,
    transaction: usize,
    meanwhile: impl Fn() -> F + Send + Sync + 'static,
) -> UseCases
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
    hooked(use_cases, storage, Box::new(hook))
}

async fn now(storage: &StorageUnderTest) -> Timestamp {
    storage.probe.store_time().await.unwrap()
}

/// Syncs vendor `v` with a report of this as-of.
async fn sync_as_of(
    use_cases: &UseCases,
    report: Report,
    as_of: Timestamp,
) -> Result<FinishedSync, SyncError> {
    let respond = move || Ok(fetched(&report, as_of));
    use_cases.sync_with("v", respond).await
}

async fn reported(storage: &StorageUnderTest, product_ids: [&str; 3]) -> [u32; 3] {
    let mut found = [0; 3];
    for (product_id, units) in product_ids.into_iter().zip(&mut found) {
        *units = storage.vendor_level(product_id, "v").await.reported;
    }
    found
}

const PRODUCTS: [&str; 3] = ["a", "b", "c"];

fn all(units: u32) -> Report {
    full(&PRODUCTS.map(|product_id| (product_id, units)))
}

/// After each transaction of a report every balance is right, and the result and the evidence of the sync are recorded only
/// by the last one.
pub async fn each_chunk_of_a_report_leaves_the_balances_right(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("w", full(&[("b", 4)])).await;
    let done = use_cases.report("v", all(10)).await;
    for written in 0..3 {
        use_cases.sell(storage, "b", 1).await;
        let before = reported(storage, PRODUCTS).await;
        let mut expected = before;
        expected[..written].fill(20 + u32::try_from(written).unwrap());
        let report = all(20 + u32::try_from(written).unwrap());
        let interrupted = interrupted_after(&use_cases, storage, written);
        let error = interrupted.try_report("v", Ok(report)).await.unwrap_err();
        assert!(error.store_error().is_some(), "{error}");
        let is_incomplete = matches!(error, SyncError::Incomplete { .. });
        assert_eq!(is_incomplete, written > 0, "{error}");
        assert_eq!(reported(storage, PRODUCTS).await, expected);
        storage.assert_sound().await;
        let status = storage.vendors.find_vendors(&[vendor("v")]).await.unwrap();
        assert_eq!(status[0].last_sync.as_ref(), Some(&done));
    }
    let done = use_cases.report("v", all(30)).await;
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 3));
    assert_eq!(reported(storage, PRODUCTS).await, [30; 3]);
    assert_eq!(storage.sellable("b").await, 31);
    storage.assert_sound().await;
}

/// The same report writes the rest of an interrupted one. Orders, shipments and cancellations in between count once.
pub async fn an_interrupted_report_is_completed_by_the_next_one(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let mut shipped = Vec::new();
    for product_id in PRODUCTS {
        let order = use_cases.sell_and_ship(storage, product_id, 4).await;
        shipped.push(order.id);
    }
    let as_of = now(storage).await;
    let interrupted = interrupted_after(&use_cases, storage, 1);
    sync_as_of(&interrupted, all(6), as_of).await.unwrap_err();
    assert_eq!(storage.numbers("a", "v").await, (6, 0, 6));
    assert_eq!(storage.numbers("b", "v").await, (10, 4, 6));
    storage.assert_sound().await;

    for product_id in PRODUCTS {
        let cancelled = use_cases.sell(storage, product_id, 2).await;
        let later = use_cases.sell(storage, product_id, 3).await;
        use_cases.cancel(cancelled.id).await;
        use_cases.ship(later.id).await;
        assert_eq!(storage.sellable(product_id).await, 3);
    }
    storage.assert_sound().await;

    let done = sync_as_of(&use_cases, all(6), as_of).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    for product_id in PRODUCTS {
        assert_eq!(storage.numbers(product_id, "v").await, (6, 3, 3));
    }
    use_cases.report("v", all(3)).await;
    for product_id in PRODUCTS {
        assert_eq!(storage.numbers(product_id, "v").await, (3, 0, 3));
    }
    storage.assert_sound().await;
}

/// A report that is older than an interrupted one does not restore units that the interrupted one has removed.
pub async fn a_report_older_than_an_interrupted_one_is_stale(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let old = now(storage).await;
    use_cases.sell_and_ship(storage, "a", 4).await;
    let new = now(storage).await;
    let interrupted = interrupted_after(&use_cases, storage, 1);
    sync_as_of(&interrupted, all(6), new).await.unwrap_err();
    assert_eq!(storage.numbers("a", "v").await, (6, 0, 6));

    let late = full(&[("a", 10), ("b", 9), ("c", 9)]);
    let done = sync_as_of(&use_cases, late, old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    let late = delta(&[("a", 10), ("b", 9)]);
    let done = sync_as_of(&use_cases, late, old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 0));
    assert_eq!(storage.numbers("a", "v").await, (6, 0, 6));
    assert_eq!(reported(storage, PRODUCTS).await, [6, 10, 10]);
    storage.assert_sound().await;

    let done = sync_as_of(&use_cases, all(6), new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    storage.assert_sound().await;
}

/// An older report does not overwrite the written lines of an interrupted delta, but can change the other lines.
pub async fn an_interrupted_delta_leaves_older_reports_stale(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let old = now(storage).await;
    let new = now(storage).await;
    let lines = delta(&[("a", 6), ("b", 6), ("new", 1)]);
    let interrupted = interrupted_after(&use_cases, storage, 1);
    sync_as_of(&interrupted, lines.clone(), new)
        .await
        .unwrap_err();
    let done = sync_as_of(&use_cases, all(9), old).await.unwrap();
    assert_eq!(done.outcome, SyncOutcome::Stale);
    let older = delta(&[("a", 8), ("b", 8)]);
    let done = sync_as_of(&use_cases, older, old).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert_eq!(reported(storage, PRODUCTS).await, [6, 8, 10]);
    storage.assert_sound().await;

    let done = sync_as_of(&use_cases, lines, new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    assert_eq!(reported(storage, ["a", "b", "new"]).await, [6, 6, 1]);
    storage.assert_sound().await;
}

/// An empty report whose acceptance was interrupted is still in quarantine, and can be accepted again.
pub async fn an_interrupted_acceptance_is_repeated(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let done = use_cases.report("v", full(&[])).await;
    assert_eq!(done.outcome, SyncOutcome::Quarantined);
    let accept = QuarantineDecision::Accept;
    let interrupted = interrupted_after(&use_cases, storage, 2);
    let resolved = interrupted.try_resolve_quarantine("v", accept).await;
    let error = resolved.unwrap_err();
    assert!(
        matches!(error, SyncError::Incomplete { changed: 2, .. }),
        "{error:?}"
    );
    assert_eq!(reported(storage, PRODUCTS).await, [0, 0, 10]);
    storage.assert_sound().await;
    let done = use_cases.resolve_quarantine("v", accept).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 1));
    assert_eq!(reported(storage, PRODUCTS).await, [0; 3]);
    assert_eq!(use_cases.resolve_quarantine("v", accept).await, None);
    storage.assert_sound().await;
}

/// A sync ends between two transactions if its report is no longer the newest.
pub async fn a_sync_ends_when_a_newer_report_was_begun(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let (old, new) = (now(storage).await, now(storage).await);
    let other = use_cases.clone();
    let disturbed = disturbed_at(&use_cases, storage, 2, move || {
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

/// A vendor that is removed between two transactions of a sync is no longer written.
pub async fn removing_a_vendor_ends_its_sync(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let other = use_cases.clone();
    let disturbed = disturbed_at(&use_cases, storage, 2, move || {
        let other = other.clone();
        async move { other.configure(&[]).await }
    });
    let error = disturbed.try_report("v", Ok(all(8))).await.unwrap_err();
    assert!(matches!(error, SyncError::NotConfigured(_)), "{error}");
    assert_eq!(reported(storage, PRODUCTS).await, [8, 10, 10]);
    storage.assert_sound().await;

    // A vendor that is removed and returns is compared from the first product on, because its counts are 0.
    use_cases.configure(&["v"]).await;
    let other = use_cases.clone();
    let disturbed = disturbed_at(&use_cases, storage, 2, move || {
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

/// A report is compared again if another one was applied after the comparison.
pub async fn a_report_is_compared_again_after_another_was_applied(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
    let (old, new) = (now(storage).await, now(storage).await);
    let other = use_cases.clone();
    let disturbed = disturbed_at(&use_cases, storage, 1, move || {
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

/// A newer sync that has compared its report notices that an older one has written another chunk since: it compares again,
/// and no product keeps the older number.
pub async fn a_newer_sync_notices_a_chunk_of_an_older_one(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", all(10)).await;
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
    let slow = hooked(&use_cases, storage, Box::new(paced));
    let slow = tokio::spawn(async move { sync_as_of(&slow, all(15), old).await });
    at(&reached, 2).await;
    assert_eq!(reported(storage, PRODUCTS).await, [15, 10, 10]);

    let (reach, allow) = (reached.clone(), allowed.clone());
    let disturbed = disturbed_at(&use_cases, storage, 1, move || {
        allow.send_replace(2);
        at(&reach, 3)
    });
    // At the comparison only `a` differed.
    let report = full(&[("a", 12), ("b", 10), ("c", 10)]);
    let done = sync_as_of(&disturbed, report, new).await.unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Applied, 2));
    allowed.send_replace(usize::MAX);
    let done = slow.await.unwrap().unwrap();
    assert_eq!((done.outcome, done.changed), (SyncOutcome::Stale, 2));
    assert_eq!(reported(storage, PRODUCTS).await, [12, 10, 10]);
    storage.assert_sound().await;
}
