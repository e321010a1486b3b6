//! A vendor whose stock data is older than its setting `max_age` is not sold from.

use std::time::Duration;

use domain::evidence::ReportOrder;
use domain::guard::{Guard, Share};
use domain::identifiers::ProductId;
use domain::order::{OrderState, OrderStatus, RejectReason};
use domain::ports::SyncOutcome;
use domain::report::ReportKind;
use domain::services::QuarantineDecision;
use domain::timestamp::Timestamp;
use tokio::time::timeout;

use super::StorageUnderTest;
use crate::builders::{delta, full, full_as_of, product, vendor};
use crate::use_cases::UseCases;

const HOUR: Duration = Duration::from_hours(1);

async fn ago(storage: &StorageUnderTest, span: Duration) -> Timestamp {
    storage.probe.store_time().await.unwrap().minus(span)
}

async fn is_shown_as_expired(storage: &StorageUnderTest, vendor_id: &str) -> bool {
    let ids = [vendor(vendor_id)];
    let found = storage.vendors.find_vendors(&ids).await.unwrap();
    found[0].is_expired
}

/// Opens a store in which v reported 5 of p and 2 of q two hours ago, and w reports 3 of p now.
async fn with_old_stock(storage: &StorageUnderTest) -> UseCases {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    let old = full_as_of(ago(storage, 2 * HOUR).await, &[("p", 5), ("q", 2)]);
    use_cases.report("v", old).await;
    use_cases.report("w", full(&[("p", 3)])).await;
    use_cases
}

/// Beyond the limit the vendor has nothing available, and the quantities are recomputed; within it, and without a limit, all
/// its stock is available. Readers see whether it has expired, and the reported units are unchanged.
pub async fn stock_older_than_max_age_is_not_sold(storage: &StorageUnderTest) {
    let use_cases = with_old_stock(storage).await;
    assert!(!use_cases.enforce_max_age("v", Some(3 * HOUR)).await);
    assert_eq!(storage.sellable("p").await, 8);
    assert!(!is_shown_as_expired(storage, "v").await);

    assert!(use_cases.enforce_max_age("v", Some(HOUR)).await);
    assert_eq!(storage.sellable("p").await, 3);
    assert_eq!(storage.sellable("q").await, 0);
    assert_eq!(storage.numbers("p", "v").await, (5, 0, 0));
    assert_eq!(storage.numbers("p", "w").await, (3, 0, 3));
    assert!(is_shown_as_expired(storage, "v").await);
    assert!(!is_shown_as_expired(storage, "w").await);
    storage.assert_sound().await;
    let order = use_cases.sell(storage, "q", 1).await;
    let rejected = OrderState::Rejected(RejectReason::InsufficientStock);
    assert_eq!(order.state, rejected);

    assert!(!use_cases.enforce_max_age("v", None).await);
    assert_eq!(storage.sellable("p").await, 8);
    assert_eq!(storage.sellable("q").await, 2);
    assert!(!is_shown_as_expired(storage, "v").await);
    storage.assert_sound().await;
}

/// Units that were sold before stay in flight, and a cancelled order makes none of them available.
pub async fn units_in_flight_stay_when_stock_expires(storage: &StorageUnderTest) {
    let use_cases = with_old_stock(storage).await;
    let order = use_cases.sell(storage, "q", 2).await;
    assert_eq!(order.state.status(), OrderStatus::Confirmed);
    use_cases.enforce_max_age("v", Some(HOUR)).await;
    assert_eq!(storage.numbers("q", "v").await, (2, 2, 0));
    storage.assert_sound().await;
    use_cases.cancel(order.id).await;
    assert_eq!(storage.numbers("q", "v").await, (2, 0, 0));
    assert_eq!(storage.sellable("q").await, 0);
    storage.assert_sound().await;
}

/// The next applied report ends the expiry of all products, also of those whose number it repeats or, as a delta, does not
/// name. A report that is itself too old, and one that is not applied, do not.
pub async fn an_applied_report_ends_the_expiry(storage: &StorageUnderTest) {
    let use_cases = with_old_stock(storage).await;
    use_cases.enforce_max_age("v", Some(HOUR)).await;

    let older = full_as_of(ago(storage, 3 * HOUR).await, &[("p", 9), ("q", 9)]);
    let stale = use_cases.report_with_max_age("v", older, HOUR).await;
    assert_eq!(stale.outcome, SyncOutcome::Stale);
    let empty = full_as_of(ago(storage, HOUR / 2).await, &[]);
    let quarantined = use_cases.report_with_max_age("v", empty, HOUR).await;
    assert_eq!(quarantined.outcome, SyncOutcome::Quarantined);
    let too_old = full_as_of(ago(storage, HOUR + HOUR / 2).await, &[("p", 6), ("n", 1)]);
    let applied = use_cases.report_with_max_age("v", too_old, HOUR).await;
    assert_eq!(applied.outcome, SyncOutcome::Applied);
    for (product_id, quantity) in [("p", 3), ("q", 0), ("n", 0)] {
        assert_eq!(storage.sellable(product_id).await, quantity, "{product_id}");
    }
    assert_eq!(storage.numbers("p", "v").await, (6, 0, 0));
    storage.assert_sound().await;

    use_cases
        .report_with_max_age("v", full(&[("p", 6), ("n", 1)]), HOUR)
        .await;
    assert_eq!(storage.sellable("p").await, 9);
    assert_eq!(storage.sellable("n").await, 1);
    assert!(!is_shown_as_expired(storage, "v").await);
    storage.assert_sound().await;

    assert!(use_cases.enforce_max_age("v", Some(Duration::ZERO)).await);
    assert_eq!(storage.sellable("n").await, 0);
    use_cases
        .report_with_max_age("v", delta(&[("q", 7)]), HOUR)
        .await;
    assert_eq!(storage.sellable("n").await, 1);
    assert_eq!(storage.sellable("q").await, 7);
    storage.assert_sound().await;
}

/// Vendor stock is found by its mark, per vendor and in pages by product id.
pub async fn vendor_stock_is_found_by_its_expiry_mark(storage: &StorageUnderTest) {
    let use_cases = with_old_stock(storage).await;
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
    use_cases.enforce_max_age("v", Some(HOUR)).await;
    assert_eq!(find("v", true, None, 9).await, ["p", "q"]);
    assert_eq!(find("v", true, Some("p"), 9).await, ["q"]);
    assert_eq!(find("v", false, None, 9).await, Vec::<String>::new());
    assert_eq!(find("unknown", true, None, 9).await, Vec::<String>::new());
}

/// A vendor that is not configured, and one that never sent a report, have no stock data that could expire.
pub async fn vendors_without_reports_do_not_expire(storage: &StorageUnderTest) {
    let use_cases = with_old_stock(storage).await;
    use_cases.configure(&["w", "new"]).await;
    assert!(!use_cases.enforce_max_age("v", Some(HOUR)).await);
    assert!(!use_cases.enforce_max_age("new", Some(Duration::ZERO)).await);
    assert!(
        !use_cases
            .enforce_max_age("unknown", Some(Duration::ZERO))
            .await
    );
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// A product that another transaction has locked delays no other product, and is marked by the next call.
pub async fn stock_expires_while_a_product_is_locked(storage: &StorageUnderTest) {
    let use_cases = with_old_stock(storage).await;
    if storage.pool_size > 1 {
        let mut holder = storage.begin().await;
        holder.lock_stock(&[product("p")]).await.unwrap();
        let enforcing = use_cases.try_enforce_max_age("v", Some(HOUR));
        let enforced = timeout(Duration::from_secs(10), enforcing).await.unwrap();
        assert!(enforced.is_expired && !enforced.is_complete);
        drop(holder);
        assert_eq!(storage.sellable("q").await, 0);
        assert_eq!(storage.sellable("p").await, 8);
        storage.assert_sound().await;
    }
    assert!(use_cases.enforce_max_age("v", Some(HOUR)).await);
    assert_eq!(storage.sellable("p").await, 3);
    storage.assert_sound().await;
}

/// A report that is applied only in part does not end the expiry, whether or not it is the vendor's first.
pub async fn an_interrupted_report_does_not_end_the_expiry(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let interrupt = async |requested_at: Timestamp| {
        let mut work = storage.begin().await;
        let locked = work.lock_vendor(&vendor("v")).await.unwrap().unwrap();
        let mut history = locked.history;
        let order = ReportOrder {
            as_of: requested_at,
            requested_at,
        };
        history.begin(ReportKind::Full, order, false);
        work.save_history(&vendor("v"), &history).await.unwrap();
        work.commit().await.unwrap();
    };
    interrupt(ago(storage, 2 * HOUR).await).await;
    interrupt(ago(storage, Duration::ZERO).await).await;
    assert!(use_cases.enforce_max_age("v", Some(HOUR)).await);
    use_cases.report("v", full(&[("p", 1)])).await;
    assert!(!use_cases.enforce_max_age("v", Some(HOUR)).await);
}

/// A report that became too old in quarantine is applied when an operator accepts it, and not sold from.
pub async fn an_accepted_report_that_is_too_old_is_not_sold_from(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v"]).await;
    let old = full_as_of(ago(storage, 3 * HOUR).await, &[("p", 10), ("q", 1)]);
    use_cases.report("v", old).await;
    let guard = Guard {
        max_drop: Share::parse(0.5).ok(),
        ..Guard::default()
    };
    let held = full_as_of(ago(storage, 2 * HOUR).await, &[("p", 4), ("q", 1)]);
    let done = use_cases.report_guarded("v", held, guard).await.unwrap();
    assert_eq!(done.outcome, SyncOutcome::Quarantined);
    let accept = QuarantineDecision::Accept;
    let done = use_cases
        .resolve_with_max_age("v", accept, Some(HOUR))
        .await;
    assert_eq!(done.unwrap().unwrap().outcome, SyncOutcome::Applied);
    assert_eq!(storage.numbers("p", "v").await, (4, 0, 0));
    assert_eq!(storage.numbers("q", "v").await, (1, 0, 0));
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;
}
