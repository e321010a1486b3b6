//! Rules of vendor reports and of idempotency keys, end to end.

use client::{OrderStatus, ProblemKind, RejectReason};
use tests::{Deployment, Standalone, assert_contains, eventually, serve, vendor_settings};

#[tokio::test]
async fn report_with_an_invalid_line_changes_nothing() {
    let stock: &[(&str, i64)] = &[("1", 50), ("2", 7)];
    let standalone = Standalone::start(&[("vendor-a", stock)], "").await;
    let client = standalone.client();
    standalone.vendors[0].set_stock([("1", 40), ("2", -1), ("3", 9)]);
    let failed = client.api.sync_vendor("vendor-a").await.unwrap_err();
    assert_eq!(failed.kind(), Some(&ProblemKind::VendorUnavailable));
    for (product, units) in [("1", 50), ("2", 7), ("3", 0)] {
        assert_eq!(client.quantity(product).await, units, "{product}");
    }
    standalone.audit().await;
}

#[tokio::test]
async fn stock_of_a_vendor_that_is_no_longer_configured_is_not_sold() {
    let stocks: [(&str, &[(&str, i64)]); 2] = [
        ("vendor-a", &[("1", 50)]),
        ("vendor-b", &[("1", 7), ("2", 5)]),
    ];
    let mut standalone = Standalone::start(&stocks, "").await;
    assert_eq!(standalone.client().quantity("1").await, 57);
    let vendor_a = vendor_settings("vendor-a", &standalone.vendors[0].url(), "1s", "");
    standalone.restart_with(&vendor_a).await;
    let client = standalone.client();
    client.wait_for_quantity("1", 50).await;
    let order = client.place_settled("2", 1).await;
    assert_eq!(order.reason, Some(RejectReason::InsufficientStock));
    // Its last report is kept.
    let known = client.api.stock("2").await.unwrap();
    assert_eq!(known.vendors[0].reported, 5);
    standalone.audit().await;
}

/// Vendor a ships its part and reports 0; vendor b has not shipped its unit, which must not be sold again.
#[tokio::test]
async fn unit_of_a_vendor_that_has_not_shipped_is_not_sold_again() {
    let stocks: [(&str, &[(&str, i64)]); 2] =
        [("vendor-a", &[("p", 2)]), ("vendor-b", &[("p", 1)])];
    let standalone = Standalone::start(&stocks, "").await;
    let client = standalone.client();
    let order = client.place_confirmed("p", 3).await;
    assert_eq!(order.allocations.len(), 2);

    standalone.vendors[0].set_stock([("p", 0)]);
    let partly = client.api.ship_part(order.id, "vendor-a", None).await;
    let partly = partly.unwrap();
    assert_eq!(partly.order.status, OrderStatus::Confirmed);
    let cancelled = client.change(order.id, OrderStatus::Cancelled).await;
    let cancelled = cancelled.unwrap_err();
    assert_eq!(cancelled.kind(), Some(&ProblemKind::IllegalTransition));
    assert_contains(&cancelled.to_string(), "vendor-a");
    // Sync each vendor again, more than once.
    eventually("vendor-a's report includes the shipment", async || {
        let known = client.api.stock("p").await.unwrap();
        (known.vendors[0].in_flight == 0).then_some(())
    })
    .await;
    for _ in 0..2 {
        client.api.sync_vendor("vendor-a").await.unwrap();
        client.api.sync_vendor("vendor-b").await.unwrap();
    }
    assert_eq!(client.quantity("p").await, 0);
    let more = client.place_settled("p", 1).await;
    assert_eq!(more.reason, Some(RejectReason::InsufficientStock));
    standalone.audit().await;

    standalone.vendors[1].set_stock([("p", 4)]);
    let last = client.api.ship_part(order.id, "vendor-b", None).await;
    assert_eq!(last.unwrap().order.status, OrderStatus::Shipped);
    client.wait_for_quantity("p", 4).await;
    standalone.audit().await;
}

#[tokio::test]
async fn integer_product_id_is_read_as_its_digits() {
    let body =
        r#"[{"productId": 7, "quantity": 5}, {"productId": 18446744073709551615, "quantity": 6}]"#;
    let url = serve(body.to_owned(), String::new).await;
    let settings = vendor_settings("vendor-a", &url, "1s", "");
    let standalone = Standalone::start_with(&settings).await;
    let client = standalone.client();
    client.api.sync_vendor("vendor-a").await.unwrap();
    assert_eq!(client.quantity("7").await, 5);
    assert_eq!(client.quantity("18446744073709551615").await, 6);
}

#[tokio::test]
async fn idempotency_key_is_kept_for_a_day() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .settings("[worker]\nsweep_interval = \"100ms\"\n")
        .start()
        .await;
    let client = deployment.client(0);
    let [kept, pruned] = ["kept", "pruned"];
    let mut ids = Vec::new();
    for key in [kept, pruned] {
        let placed = client.try_place("1", 1, Some(key)).await.unwrap();
        assert!(!placed.replayed);
        let order = client.settled(placed.order.id).await;
        assert_eq!(order.status, OrderStatus::Confirmed);
        ids.push(order.id);
    }
    let age = "UPDATE idempotency_keys SET created_at = now() - \
               CASE key WHEN 'kept' THEN interval '23 hours 50 minutes' ELSE interval '24 hours 10 minutes' END";
    deployment.execute(age).await;
    let again = eventually("the old key is pruned", async || {
        let placed = client.try_place("1", 1, Some(pruned)).await.unwrap();
        (!placed.replayed).then_some(placed.order.id)
    })
    .await;
    assert!(!ids.contains(&again));
    let replayed = client.try_place("1", 1, Some(kept)).await.unwrap();
    assert!(replayed.replayed && replayed.order.id == ids[0]);
    client.settled(again).await;
    deployment.audit().await;
}
