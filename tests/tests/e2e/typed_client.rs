//! The typed client against the real service: every request it supports.

use client::{ClientError, NewOrder, OrderFilter, OrderStatus, ProblemKind, Retries};
use client::{StockFilter, SyncStatus};
use mock_vendor::Fault;
use tests::Standalone;

#[allow(
    unreachable_pub,
    reason = "it is a separate program in the client crate"
)]
#[path = "../../../crates/client/examples/first_order.rs"]
mod first_order;

async fn shop() -> Standalone {
    let stock: &[(&str, i64)] = &[("1", 50), ("a/b ü?", 7), ("gone", 0)];
    Standalone::start(&[("vendor-a", stock)], "").await
}

#[tokio::test]
async fn documentation_example_places_an_order() {
    let standalone = shop().await;
    let url = standalone.url();
    let order = first_order::order_three(&url).await.unwrap();
    assert_eq!(order.status, OrderStatus::Confirmed);
    let again = first_order::order_three(&url).await.unwrap();
    assert_eq!(again.id, order.id);
    assert_eq!(standalone.client().quantity("1").await, 47);
}

#[tokio::test]
async fn batches_pages_and_lines_return_the_same_orders() {
    let standalone = shop().await;
    let client = standalone.client();
    let api = &client.api;
    let orders: Vec<NewOrder> = (0..600).map(|_| NewOrder::new("a/b ü?", 1)).collect();
    let first = api.place_batch_with_retries(&orders, "b-1", Retries::default());
    let first = first.await.unwrap();
    assert!(!first.replayed);
    let ids: Vec<i64> = first
        .items
        .iter()
        .map(|item| item.as_ref().unwrap().id)
        .collect();
    let again = api.place_batch(&orders, Some("b-1")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.items[599].as_ref().unwrap().id, ids[599]);
    let mixed = [NewOrder::new("1", 1), NewOrder::new(" ", 0)];
    let mixed = api.place_batch(&mixed, None).await.unwrap();
    let refused = mixed.items[1].as_ref().unwrap_err();
    assert_eq!(refused.kind, ProblemKind::ValidationFailed);
    let pointers: Vec<&str> = refused
        .errors
        .iter()
        .map(|error| error.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/orders/1/product_id", "/orders/1/quantity"]);

    client.all_settled().await;
    let all = client.all_orders().await;
    assert_eq!(all.len(), 601);
    let mut lines = api.order_lines(OrderFilter::default()).await.unwrap();
    for order in &all {
        assert_eq!(lines.next().await.unwrap().as_ref(), Some(order));
    }
    assert_eq!(lines.next().await.unwrap(), None);
    let confirmed = OrderFilter {
        status: Some(OrderStatus::Confirmed),
        product_id: Some("a/b ü?".to_owned()),
    };
    let sold = api.orders(confirmed.clone()).collect().await.unwrap();
    assert_eq!(sold.len(), 7, "one order per unit in stock");
    let page = api
        .orders_page(confirmed.clone(), Some(4), None)
        .await
        .unwrap();
    assert_eq!(page.items, sold[..4]);
    let rest = api.orders_page(confirmed, Some(4), page.next_cursor.as_deref());
    let rest = rest.await.unwrap();
    assert_eq!(
        (rest.items.as_slice(), rest.next_cursor),
        (&sold[4..], None)
    );

    let stock = api
        .stock_levels(StockFilter::default())
        .collect()
        .await
        .unwrap();
    let names: Vec<&str> = stock
        .iter()
        .map(|level| level.product_id.as_str())
        .collect();
    assert_eq!(names, ["1", "a/b ü?", "gone"]);
    let mut lines = api
        .stock_lines(StockFilter { in_stock: true })
        .await
        .unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), stock[0]);
    assert_eq!(lines.next().await.unwrap(), None);
    assert_eq!(api.stock("a/b ü?").await.unwrap().level, stock[1]);
}

#[tokio::test]
async fn etags_problems_vendors_and_syncs_are_typed() {
    let standalone = shop().await;
    let client = standalone.client();
    let api = &client.api;
    let placed = client.place_settled("1", 1).await;
    let found = api.order(placed.id).await.unwrap();
    assert_eq!(
        api.order_if_changed(placed.id, &found.etag).await.unwrap(),
        None
    );
    let stale = api.change_status(placed.id, OrderStatus::Cancelled, Some("\"old\""));
    let stale = stale.await.unwrap_err();
    assert_eq!(stale.kind(), Some(&ProblemKind::PreconditionFailed));
    let shipped = api.change_status(placed.id, OrderStatus::Shipped, Some(&found.etag));
    let shipped = shipped.await.unwrap();
    assert_eq!(shipped.order.status, OrderStatus::Shipped);
    assert_ne!(shipped.etag, found.etag);
    let changed = api.order_if_changed(placed.id, &found.etag).await.unwrap();
    assert_eq!(changed.as_ref(), Some(&shipped));
    let illegal = client.change(placed.id, OrderStatus::Cancelled).await;
    let illegal = illegal.unwrap_err();
    assert_eq!(illegal.kind(), Some(&ProblemKind::IllegalTransition));
    let missing = api.order(placed.id + 1).await.unwrap_err();
    assert_eq!(missing.kind(), Some(&ProblemKind::NotFound));
    let invalid = client.try_place("1", 0, None).await.unwrap_err();
    assert_eq!(invalid.problem().unwrap().errors[0].pointer, "/quantity");
    let malformed = client.try_place("1", 1, Some("ü")).await.unwrap_err();
    assert!(
        malformed.kind() == Some(&ProblemKind::MalformedRequest)
            || matches!(malformed, ClientError::InvalidRequest(_)),
        "{malformed:?}"
    );

    standalone.vendors[0].set_stock([("1", 60)]);
    let synced = api.sync_vendor("vendor-a").await.unwrap();
    assert_eq!(synced.result.received, Some(1));
    // The shipped unit stays in flight until a report of a later second.
    client.wait_for_quantity("1", 60).await;
    standalone.vendors[0].set_fault(Fault::Garbage);
    let failed = api.sync_vendor("vendor-a").await.unwrap_err();
    assert_eq!(failed.kind(), Some(&ProblemKind::VendorUnavailable));
    let vendors = api.vendors().collect().await.unwrap();
    let vendor = vendors.iter().find(|it| it.vendor_id == "vendor-a");
    assert_eq!(vendor.unwrap().last_sync.status, SyncStatus::Failed);
    assert_eq!(vendor.unwrap().quarantine, None);

    let paused = api.pause_vendor("vendor-a", Some("stocktaking"));
    let paused = paused.await.unwrap().paused;
    assert!(paused.is_some());
    let vendors = api.vendors().collect().await.unwrap();
    let vendor = vendors.iter().find(|it| it.vendor_id == "vendor-a");
    assert_eq!(vendor.unwrap().paused, paused);
    for _ in 0..2 {
        let resumed = api.resume_vendor("vendor-a").await.unwrap();
        assert_eq!(resumed.paused, None);
    }
    let unknown = api.pause_vendor("unknown", None).await.unwrap_err();
    assert_eq!(unknown.kind(), Some(&ProblemKind::NotFound));
    standalone.audit().await;
}
