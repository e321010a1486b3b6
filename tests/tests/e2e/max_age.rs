//! A vendor whose last report is older than its setting `max_age`, end to end.

use client::{OrderStatus, ProblemKind, RejectReason};
use mock_vendor::MockVendor;
use tests::{Standalone, eventually, vendor_settings};

/// Each report after the first contains an invalid line and is refused.
#[tokio::test]
async fn stock_of_a_failing_vendor_is_not_sold_beyond_max_age() {
    let vendor = MockVendor::start_local([("A", 5), ("B", 1)]).unwrap();
    let settings = vendor_settings("vendor-a", &vendor.url(), "1s", "max_age = \"2s\"\n");
    let standalone = Standalone::start_with(&settings).await;
    let client = standalone.client();
    client.wait_for_quantity("A", 5).await;

    vendor.set_stock([("A", 5), ("B", -1)]);
    client.wait_for_quantity("A", 0).await;
    let failed = client.api.sync_vendor("vendor-a").await.unwrap_err();
    assert_eq!(failed.kind(), Some(&ProblemKind::VendorUnavailable));
    let order = client.place_settled("A", 1).await;
    assert_eq!(order.reason, Some(RejectReason::InsufficientStock));
    let known = client.api.stock("A").await.unwrap();
    assert_eq!(
        (known.vendors[0].reported, known.vendors[0].available),
        (5, 0)
    );
    let page = client.api.vendors_page(None, None).await.unwrap();
    let mut listed = page.items.into_iter();
    let listed = listed.find(|it| it.vendor_id == "vendor-a").unwrap();
    assert_eq!((listed.max_age_ms, listed.expired), (Some(2_000), true));
    standalone.audit().await;

    vendor.set_stock([("A", 5), ("B", 1)]);
    client.api.sync_vendor("vendor-a").await.unwrap();
    eventually("an order is confirmed again", async || {
        let order = client.place_settled("A", 1).await;
        (order.status == OrderStatus::Confirmed).then_some(())
    })
    .await;
    standalone.audit().await;
}
