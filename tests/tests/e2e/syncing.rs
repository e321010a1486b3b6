//! Guarantee P3: reports and units in flight.

use std::time::Duration;

use client::{OrderStatus, RejectReason};
use mock_vendor::Fault;
use tests::{Consumer, Deployment, allocated, eventually};
use time::format_description::well_known::Rfc3339;

#[tokio::test]
async fn sync_after_sales_does_not_change_the_available_quantity() {
    let deployment = Deployment::start(&[("1", 50)]).await;
    let client = deployment.client(0);
    client.place_confirmed("1", 30).await;
    deployment.wait_for_syncs(3).await;
    assert_eq!(client.quantity("1").await, 20);
    deployment.audit().await;
}

#[tokio::test]
async fn quantities_of_two_vendors_add_up_and_a_failing_vendor_does_not_affect_the_other() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .vendor("vendor-b", &[("1", 7), ("2", 5)])
        .start()
        .await;
    let client = deployment.client(0);
    assert_eq!(client.quantity("1").await, 57);
    let order = client.place_settled("1", 55).await;
    assert_eq!(allocated(&order), [("vendor-a", 50), ("vendor-b", 5)]);

    deployment.vendors[0].set_fault(Fault::Garbage);
    deployment.vendors[1].set_stock([("1", 9), ("2", 6)]);
    client.wait_for_quantity("2", 6).await;
    assert_eq!(client.quantity("1").await, 4);
    deployment.audit().await;
}

#[tokio::test]
async fn product_missing_from_the_report_is_not_sold() {
    let deployment = Deployment::start(&[("1", 50), ("2", 5)]).await;
    let client = deployment.client(0);
    deployment.vendors[0].set_stock([("2", 5)]);
    client.wait_for_quantity("1", 0).await;
    let order = client.place_settled("1", 1).await;
    assert_eq!(order.reason, Some(RejectReason::InsufficientStock));
}

async fn stock_row(client: &Consumer) -> (u32, u32, u32) {
    let stock = client.api.stock("1").await.unwrap();
    let vendor = &stock.vendors[0];
    (vendor.reported, vendor.in_flight, vendor.available)
}

#[tokio::test]
async fn report_includes_a_shipment_only_if_it_is_later() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .with_as_of()
        .start()
        .await;
    let client = deployment.client(0);
    let vendor = &deployment.vendors[0];
    let order = client.place_settled("1", 30).await;
    let shipped = client.change(order.id, OrderStatus::Shipped).await.unwrap();
    let second = shipped.updated_at.replace_nanosecond(0).unwrap();
    let later = (second + Duration::from_secs(2)).format(&Rfc3339).unwrap();
    let second = second.format(&Rfc3339).unwrap();

    // The as-of is before the shipment, in the same second: the units stay in flight.
    vendor.set_as_of(Some(&second));
    deployment.wait_for_syncs(2).await;
    assert_eq!(stock_row(&client).await, (50, 30, 20));

    // The as-of is later: the vendor's count no longer contains the units.
    tokio::time::sleep(Duration::from_secs(3)).await;
    vendor.set_stock([("1", 20)]);
    vendor.set_as_of(Some(&later));
    eventually("the shipment is included", async || {
        (stock_row(&client).await == (20, 0, 20)).then_some(())
    })
    .await;

    // An older report that arrives late does not return the units.
    vendor.set_stock([("1", 50)]);
    vendor.set_as_of(Some(&second));
    deployment.wait_for_syncs(2).await;
    assert_eq!(stock_row(&client).await, (20, 0, 20));
    deployment.audit().await;
}

#[tokio::test]
async fn another_worker_takes_over_syncing() {
    let mut deployment = Deployment::builder()
        .workers(2)
        .vendor("vendor-a", &[("1", 50)])
        .start()
        .await;
    let client = deployment.client(0);
    deployment.workers[0].kill().await;
    deployment.vendors[0].set_stock([("1", 49)]);
    client.wait_for_quantity("1", 49).await;
    deployment.restart_worker(0).await;
    deployment.workers[1].kill().await;
    deployment.vendors[0].set_stock([("1", 48)]);
    client.wait_for_quantity("1", 48).await;
}
