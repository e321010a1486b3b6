//! Tests of checks with mocks; crates/admin tests them with a real store.

use std::time::Duration;

use super::*;
use crate::evidence::{NoEvidence, ResponseTimes};
use crate::identifiers::OrderId;
use crate::order::OrderState;
use crate::pacing::VendorPause;
use crate::ports::{
    GivenFeed, MockOrderQueries, MockStockQueries, MockStoreProbe, MockSyncQueries, ProductDetail,
    StockLevel,
};
use crate::quantity::Quantity;
use crate::report::{Report, ReportKind};
use crate::run::ReportSize;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn vendor() -> VendorId {
    VendorId::parse("v").unwrap()
}

fn product() -> ProductId {
    ProductId::parse("p").unwrap()
}

fn check_with(probe: MockStoreProbe, orders: MockOrderQueries) -> VendorCheck {
    let mut sync = MockSyncQueries::new();
    sync.expect_find_sync_state().returning(|_| Ok(None));
    sync.expect_list_reported_stock()
        .returning(|_, _, _| Ok(Vec::new()));
    let mut stock = MockStockQueries::new();
    stock.expect_find_stock().returning(|product_id| {
        Ok(Some(ProductDetail {
            level: StockLevel {
                product_id: product_id.clone(),
                quantity: 3,
                updated_at: NOW,
            },
            vendors: Vec::new(),
        }))
    });
    VendorCheck::new(
        Arc::new(sync),
        Arc::new(probe),
        Arc::new(stock),
        Arc::new(orders),
    )
}

/// Checks a report with 2 units of the product.
async fn checked(orders: MockOrderQueries) -> CheckedReport {
    let mut probe = MockStoreProbe::new();
    probe.expect_store_time().returning(|| Ok(NOW));
    let report = Report::parse(ReportKind::Full, None, [(product(), 2)]).unwrap();
    let fetched = FetchedReport {
        report: report.clone(),
        times: ResponseTimes::default(),
        size: ReportSize::default(),
        file: None,
        read_file: None,
    };
    let feed = GivenFeed {
        vendor_id: vendor(),
        report,
    };
    let check = check_with(probe, orders);
    check.check(&feed, &fetched, NOW).await.unwrap()
}

fn pending(id: i64, units: i64) -> Order {
    Order {
        id: OrderId(id),
        product_id: product(),
        quantity: Quantity::parse(units).unwrap(),
        state: OrderState::Pending,
        created_at: NOW,
        updated_at: NOW,
    }
}

#[tokio::test]
async fn vendor_is_not_requested_before_the_end_of_its_retry_after() {
    let until = NOW.plus(Duration::from_secs(9));
    let mut probe = MockStoreProbe::new();
    probe.expect_find_pauses().returning(move |vendor_ids| {
        Ok(vec![StoredPause {
            vendor_id: vendor_ids[0].clone(),
            pause: VendorPause {
                failures: 1,
                not_before: Some(until),
                backoff_until: None,
            },
            now: NOW,
            operator: None,
        }])
    });
    let check = check_with(probe, MockOrderQueries::new());
    let error = check.request_time(&vendor()).await.unwrap_err();
    assert!(
        matches!(error, SyncError::Paused { until: end, .. } if end == until),
        "{error}"
    );
}

#[tokio::test]
async fn stock_of_other_vendors_and_of_the_report_covers_the_oldest_orders_first() {
    let mut orders = MockOrderQueries::new();
    orders.expect_list_orders().returning(|filter, _, _| {
        let is_pending = filter.status == Some(OrderStatus::Pending);
        let newest_first = vec![pending(3, 1), pending(2, 2), pending(1, 2)];
        Ok(if is_pending { newest_first } else { Vec::new() })
    });
    let checked = checked(orders).await;
    assert_eq!(
        checked.pending,
        PendingOrders {
            orders: 3,
            covered_now: 2,
            covered_after: 3,
        }
    );
    assert!(checked.are_orders_complete && !checked.is_configured);
    assert_eq!(checked.outcome, SyncOutcome::Applied);
    assert_eq!(checked.proof, Err(NoEvidence::NoTime));
}

#[tokio::test]
async fn reading_of_open_orders_is_bounded() {
    let mut orders = MockOrderQueries::new();
    orders.expect_list_orders().returning(|_, before, limit| {
        let first = before.map_or(i64::MAX, |id| id.0);
        let ids = (1..=i64::from(limit)).map(|index| first - index);
        Ok(ids.map(|id| pending(id, 1)).collect())
    });
    let checked = checked(orders).await;
    assert!(!checked.are_orders_complete);
    assert_eq!(checked.pending.orders, MAX_PENDING as u64);
    assert_eq!(checked.pending.covered_after, 5);
}
