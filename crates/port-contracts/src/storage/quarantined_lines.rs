//! The lines of reports in quarantine, and the sums that a guard compares a delta with, by repository calls alone; and a
//! held report of a vendor that was removed.

use domain::guard::{Guard, Share};
use domain::identifiers::ProductId;
use domain::ports::{ReportedTotals, SyncOutcome};
use domain::services::QuarantineDecision;
use domain::timestamp::Timestamp;

use super::StorageUnderTest;
use crate::builders::{full, product, vendor, vendor_set};
use crate::use_cases::UseCases;

type Lines = Vec<(ProductId, u32)>;

fn lines(lines: &[(&str, u32)]) -> Lines {
    let lines = lines.iter();
    lines.map(|&(id, units)| (product(id), units)).collect()
}

async fn add(storage: &StorageUnderTest, vendor_id: &str, at: Timestamp, added: &[(&str, u32)]) {
    let mut work = storage.begin().await;
    work.lock_vendor(&vendor(vendor_id)).await.unwrap();
    work.add_quarantined_lines(&vendor(vendor_id), at, &lines(added))
        .await
        .unwrap();
    work.commit().await.unwrap();
}

async fn list(storage: &StorageUnderTest, vendor_id: &str, at: Timestamp) -> Lines {
    let vendor_id = vendor(vendor_id);
    let listed = storage
        .sync
        .list_quarantined_lines(&vendor_id, at, None, 100);
    let listed = listed.await.unwrap();
    let mut work = storage.begin().await;
    work.lock_vendor(&vendor_id).await.unwrap();
    let count = work.count_quarantined_lines(&vendor_id, at).await.unwrap();
    assert_eq!(count, listed.len() as u64);
    listed
}

async fn has_lines(storage: &StorageUnderTest, vendor_id: &str) -> bool {
    let state = storage.sync.find_sync_state(&vendor(vendor_id)).await;
    state.unwrap().unwrap().has_quarantined_lines
}

async fn two_requests(storage: &StorageUnderTest) -> [Timestamp; 2] {
    let first = storage.probe.store_time().await.unwrap();
    [first, storage.probe.store_time().await.unwrap()]
}

/// Lines belong to a vendor and to the time of its report's request. They are listed in byte order, in pages. A line that
/// exists is replaced.
pub async fn quarantined_lines_are_listed_by_report(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    let [first, second] = two_requests(storage).await;
    assert!(!has_lines(storage, "v").await);
    add(storage, "v", first, &[("b", 9), ("B", 0)]).await;
    add(storage, "v", first, &[("ä", 2_147_483_647), ("b", 1)]).await;
    add(storage, "v", second, &[("b", 7)]).await;
    let of_first = lines(&[("B", 0), ("b", 1), ("ä", 2_147_483_647)]);
    assert_eq!(list(storage, "v", first).await, of_first);
    assert_eq!(list(storage, "v", second).await, lines(&[("b", 7)]));
    assert_eq!(list(storage, "w", first).await, []);
    assert!(has_lines(storage, "v").await);
    assert!(!has_lines(storage, "w").await);
    for (after, limit, expected) in [(None, 2, &of_first[..2]), (Some("b"), 2, &of_first[2..])] {
        let (id, after) = (vendor("v"), after.map(product));
        let page = storage
            .sync
            .list_quarantined_lines(&id, first, after, limit);
        assert_eq!(page.await.unwrap(), expected);
    }
    let mut work = storage.begin().await;
    let (unknown, added) = (vendor("unknown"), lines(&[("a", 1)]));
    let refused = work.add_quarantined_lines(&unknown, first, &added);
    refused.await.unwrap_err();
}

/// Lines of other reports are removed up to the limit, and those of the kept report and of other vendors are not.
pub async fn unused_lines_are_removed_in_parts(storage: &StorageUnderTest) {
    storage.configure(&["v", "w"]).await;
    let [first, second] = two_requests(storage).await;
    let third = storage.probe.store_time().await.unwrap();
    for at in [first, second, third] {
        add(storage, "v", at, &[("a", 1), ("b", 1)]).await;
    }
    add(storage, "w", first, &[("a", 1)]).await;
    let removed = async |kept, limit| {
        let (mut work, id) = (storage.begin().await, vendor("v"));
        work.lock_vendor(&id).await.unwrap();
        let removed = work.remove_quarantined_lines(&id, kept, limit);
        let removed = removed.await.unwrap();
        work.commit().await.unwrap();
        removed
    };
    assert_eq!(removed(Some(second), 3).await, 3);
    assert_eq!(removed(Some(second), 3).await, 1);
    assert_eq!(removed(Some(second), 3).await, 0);
    assert_eq!(list(storage, "v", second).await.len(), 2);
    assert_eq!(removed(None, 3).await, 2);
    assert!(!has_lines(storage, "v").await);
    assert_eq!(list(storage, "w", first).await.len(), 1);
}

/// Lines are written and removed with their unit of work.
pub async fn quarantined_lines_are_rolled_back_with_their_unit_of_work(storage: &StorageUnderTest) {
    storage.configure(&["v"]).await;
    let [first, second] = two_requests(storage).await;
    add(storage, "v", first, &[("a", 1)]).await;
    let mut work = storage.begin().await;
    let id = vendor("v");
    work.lock_vendor(&id).await.unwrap();
    work.add_quarantined_lines(&id, second, &lines(&[("a", 1)]))
        .await
        .unwrap();
    let removed = work.remove_quarantined_lines(&id, None, 10).await;
    assert_eq!(removed.unwrap(), 2);
    drop(work);
    assert_eq!(list(storage, "v", first).await, lines(&[("a", 1)]));
    assert_eq!(list(storage, "v", second).await, []);
}

/// The sums are of all reported units of the vendor, whatever is in flight.
pub async fn the_sums_are_those_of_all_stock_rows(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let lines = [("a", 2_147_483_647), ("b", 2_147_483_647), ("c", 0)];
    use_cases.report("v", full(&lines)).await;
    use_cases.sell(storage, "a", 5).await;
    let sums = async |vendor_id| {
        let sums = storage.sync.sum_reported_stock(&vendor(vendor_id)).await;
        let ReportedTotals { units, products } = sums.unwrap();
        (units, products)
    };
    assert_eq!(sums("v").await, (4_294_967_294, 2));
    assert_eq!(sums("w").await, (0, 0));
    assert_eq!(sums("unknown").await, (0, 0));
}

/// A report that was held before its vendor was removed and added again is not applied.
pub async fn a_held_report_of_a_removed_vendor_is_not_applied(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&[("a", 10)])).await;
    let guard = Guard {
        max_drop: Share::parse(0.5).ok(),
        ..Guard::default()
    };
    let held = use_cases.report_guarded("v", full(&[("a", 1)]), guard);
    assert_eq!(held.await.unwrap().outcome, SyncOutcome::Quarantined);
    for vendors in [&[][..], &["v"]] {
        let set = vendor_set(vendors);
        use_cases.vendor_sets.apply(&set).await.unwrap();
    }
    let accepted = use_cases.resolve_quarantine("v", QuarantineDecision::Accept);
    assert_eq!(accepted.await.unwrap().outcome, SyncOutcome::Stale);
    assert_eq!(storage.sellable("a").await, 0);
    let id = vendor("v");
    let state = storage.sync.find_sync_state(&id).await.unwrap();
    assert_eq!(state.unwrap().history.quarantined, None);
    storage.assert_sound().await;
}
