//! A vendor whose numbers are older than its setting `max_age` is not sold from.

use std::time::Duration;

use domain::evidence::ReportOrder;
use domain::identifiers::ProductId;
use domain::order::{OrderState, OrderStatus, RejectReason};
use domain::ports::SyncOutcome;
use domain::timestamp::Timestamp;
use tokio::time::timeout;

use super::StorageUnderTest;
use crate::builders::{delta, full, full_as_of, product, vendor};
use crate::shop::Shop;

const HOUR: Duration = Duration::from_hours(1);

async fn ago(storage: &StorageUnderTest, span: Duration) -> Timestamp {
    storage.probe.store_time().await.unwrap().minus(span)
}

async fn is_shown_as_expired(storage: &StorageUnderTest, vendor_id: &str) -> bool {
    let ids = [vendor(vendor_id)];
    let found = storage.vendors.find_vendors(&ids).await.unwrap();
    found[0].is_expired
}

/// v reported 5 of p and 2 of q two hours ago, w reports 3 of p now.
async fn with_old_numbers(storage: &StorageUnderTest) -> Shop {
    let shop = Shop::open(storage, &["v", "w"]).await;
    let old = full_as_of(ago(storage, 2 * HOUR).await, &[("p", 5), ("q", 2)]);
    shop.report("v", old).await;
    shop.report("w", full(&[("p", 3)])).await;
    shop
}

/// Beyond the limit the vendor has nothing to sell and the quantities are counted again; within it, and without a limit,
/// it has all of it. Readers see which it is, and the numbers that it reported stay.
pub async fn numbers_beyond_max_age_are_not_sold(storage: &StorageUnderTest) {
    let shop = with_old_numbers(storage).await;
    assert!(!shop.enforce_max_age("v", Some(3 * HOUR)).await);
    assert_eq!(storage.sellable("p").await, 8);
    assert!(!is_shown_as_expired(storage, "v").await);

    assert!(shop.enforce_max_age("v", Some(HOUR)).await);
    assert_eq!(storage.sellable("p").await, 3);
    assert_eq!(storage.sellable("q").await, 0);
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 0));
    assert_eq!(storage.numbers("p", "w").await, (3, 0, 3));
    assert!(is_shown_as_expired(storage, "v").await);
    assert!(!is_shown_as_expired(storage, "w").await);
    storage.assert_sound().await;
    let order = shop.sell(storage, "q", 1).await;
    let rejected = OrderState::Rejected(RejectReason::InsufficientStock);
    assert_eq!(order.state, rejected);

    assert!(!shop.enforce_max_age("v", None).await);
    assert_eq!(storage.sellable("p").await, 8);
    assert_eq!(storage.sellable("q").await, 2);
    assert!(!is_shown_as_expired(storage, "v").await);
    storage.assert_sound().await;
}

/// Units that were sold before stay in flight, and a cancelled order gives none of them back for sale.
pub async fn units_in_flight_stay_when_numbers_expire(storage: &StorageUnderTest) {
    let shop = with_old_numbers(storage).await;
    let order = shop.sell(storage, "q", 2).await;
    assert_eq!(order.state.status(), OrderStatus::Confirmed);
    shop.enforce_max_age("v", Some(HOUR)).await;
    assert_eq!(storage.numbers("q", "v").await, (2, 2, 0));
    storage.assert_sound().await;
    shop.change(order.id, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(storage.numbers("q", "v").await, (2, 0, 0));
    assert_eq!(storage.sellable("q").await, 0);
    storage.assert_sound().await;
}

/// The next applied report ends it for all products, also for those of which it repeats the number or, as a delta, says
/// nothing. One that is itself too old, and one that is not applied, do not.
pub async fn an_applied_report_ends_the_expiry(storage: &StorageUnderTest) {
    let shop = with_old_numbers(storage).await;
    shop.enforce_max_age("v", Some(HOUR)).await;

    let older = full_as_of(ago(storage, 3 * HOUR).await, &[("p", 9), ("q", 9)]);
    let stale = shop.report_with_max_age("v", older, HOUR).await;
    assert_eq!(stale.outcome, SyncOutcome::Stale);
    let empty = full_as_of(ago(storage, HOUR / 2).await, &[]);
    let quarantined = shop.report_with_max_age("v", empty, HOUR).await;
    assert_eq!(quarantined.outcome, SyncOutcome::Quarantined);
    let too_old = full_as_of(ago(storage, HOUR + HOUR / 2).await, &[("p", 6), ("n", 1)]);
    let applied = shop.report_with_max_age("v", too_old, HOUR).await;
    assert_eq!(applied.outcome, SyncOutcome::Applied);
    for (product_id, quantity) in [("p", 3), ("q", 0), ("n", 0)] {
        assert_eq!(storage.sellable(product_id).await, quantity, "{product_id}");
    }
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 0));
    storage.assert_sound().await;

    shop.report_with_max_age("v", full(&[("p", 6), ("n", 1)]), HOUR)
        .await;
    assert_eq!(storage.sellable("p").await, 9);
    assert_eq!(storage.sellable("n").await, 1);
    assert!(!is_shown_as_expired(storage, "v").await);
    storage.assert_sound().await;

    assert!(shop.enforce_max_age("v", Some(Duration::ZERO)).await);
    assert_eq!(storage.sellable("n").await, 0);
    shop.report_with_max_age("v", delta(&[("q", 7)]), HOUR)
        .await;
    assert_eq!(storage.sellable("n").await, 1);
    assert_eq!(storage.sellable("q").await, 7);
    storage.assert_sound().await;
}

/// Pages of positions are by product id, of one vendor, and of one mark.
pub async fn positions_are_found_by_their_mark(storage: &StorageUnderTest) {
    let shop = with_old_numbers(storage).await;
    let find = async |vendor_id: &str, is_expired, after: Option<&str>, limit| {
        let mut work = storage.begin().await;
        let vendor_id = vendor(vendor_id);
        let found = work.find_by_expiry(&vendor_id, is_expired, after.map(product), limit);
        let found = found.await.unwrap().into_iter();
        found.map(ProductId::into_string).collect::<Vec<_>>()
    };
    assert_eq!(find("v", true, None, 9).await, Vec::<String>::new());
    assert_eq!(find("v", false, None, 9).await, ["p", "q"]);
    assert_eq!(find("v", false, None, 1).await, ["p"]);
    assert_eq!(find("v", false, Some("p"), 9).await, ["q"]);
    assert_eq!(find("w", false, None, 9).await, ["p"]);
    shop.enforce_max_age("v", Some(HOUR)).await;
    assert_eq!(find("v", true, None, 9).await, ["p", "q"]);
    assert_eq!(find("v", true, Some("p"), 9).await, ["q"]);
    assert_eq!(find("v", false, None, 9).await, Vec::<String>::new());
    assert_eq!(find("unknown", true, None, 9).await, Vec::<String>::new());
}

/// A vendor that is not configured, and one that never sent a report, have no numbers that could be too old.
pub async fn vendors_without_numbers_do_not_expire(storage: &StorageUnderTest) {
    let shop = with_old_numbers(storage).await;
    shop.configure(&["w", "new"]).await;
    assert!(!shop.enforce_max_age("v", Some(HOUR)).await);
    assert!(!shop.enforce_max_age("new", Some(Duration::ZERO)).await);
    assert!(!shop.enforce_max_age("unknown", Some(Duration::ZERO)).await);
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// A product that another transaction holds delays no other product, and is marked by the next call.
pub async fn numbers_expire_while_a_product_is_held(storage: &StorageUnderTest) {
    let shop = with_old_numbers(storage).await;
    if storage.pool_size > 1 {
        let mut holder = storage.begin().await;
        holder.lock_stock(&[product("p")]).await.unwrap();
        let enforcing = shop.try_enforce_max_age("v", Some(HOUR));
        let enforced = timeout(Duration::from_secs(10), enforcing).await.unwrap();
        assert!(enforced.is_expired && !enforced.is_complete);
        drop(holder);
        assert_eq!(storage.sellable("q").await, 0);
        assert_eq!(storage.sellable("p").await, 8);
        storage.assert_sound().await;
    }
    assert!(shop.enforce_max_age("v", Some(HOUR)).await);
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// A report of which only a part is applied does not make the numbers younger, whether it is the vendor's first or not.
pub async fn an_interrupted_report_does_not_end_the_expiry(storage: &StorageUnderTest) {
    let shop = Shop::open(storage, &["v"]).await;
    let interrupt = async |requested_at: Timestamp| {
        let mut work = storage.begin().await;
        let locked = work.lock_vendor(&vendor("v")).await.unwrap().unwrap();
        let mut history = locked.history;
        let order = ReportOrder {
            as_of: requested_at,
            requested_at,
        };
        history.begin(&full(&[("p", 1)]), order);
        work.save_history(&vendor("v"), &history).await.unwrap();
        work.commit().await.unwrap();
    };
    interrupt(ago(storage, 2 * HOUR).await).await;
    interrupt(ago(storage, Duration::ZERO).await).await;
    assert!(shop.enforce_max_age("v", Some(HOUR)).await);
    shop.report("v", full(&[("p", 1)])).await;
    assert!(!shop.enforce_max_age("v", Some(HOUR)).await);
}
