//! One source under two vendor ids: the same units must not be sold twice.

use client::OrderStatus;
use tests::{Standalone, admin, assert_contains, vendor_settings};

/// Changes the id of a vendor with sold units in the settings: the program does not start, and names the command. After the
/// command, it starts, and sold units stay sold.
#[tokio::test]
async fn renamed_vendor_is_refused_until_it_is_renamed_in_the_store() {
    let mut standalone = Standalone::start(&[("v", &[("p", 50)])], "").await;
    let client = standalone.client();
    let order = client.place_confirmed("p", 30).await;
    assert!(standalone.process.terminate().await);

    let url = standalone.vendors[0].url();
    standalone.set_settings(&vendor_settings("w", &url, "1s", ""));
    standalone.start_again();
    assert!(!standalone.process.wait().await);
    let log = standalone.process.log();
    assert_contains(&log, "`order-aggregator-admin vendor rename v w`");

    let data = standalone.data();
    let data = data.to_str().unwrap();
    let rename = ["vendor", "rename", "v", "w", "--data", data];
    let printed = admin::succeed(&rename, &[]).await;
    assert_contains(&printed, "renamed vendor v to w");
    standalone.restart().await;
    let client = standalone.client();
    client.api.sync_vendor("w").await.unwrap();
    assert_eq!(client.quantity("p").await, 20);
    let order = client.order(order.id).await;
    assert_eq!(order.allocations[0].vendor_id, "w");
    let too_many = client.place_settled("p", 50).await;
    assert_eq!(too_many.status, OrderStatus::Rejected);
    standalone.audit().await;
}

/// Two entries with one source, spelled differently: the program does not start, and names the setting.
#[tokio::test]
async fn two_vendors_with_one_source_are_refused() {
    let mut standalone = Standalone::start(&[("v", &[("p", 50)])], "").await;
    assert!(standalone.process.terminate().await);
    let url = standalone.vendors[0].url();
    let same = format!("{}#again", url.replacen("http", "HTTP", 1));
    let vendors = [("v", &url), ("w", &same)].map(|(id, url)| vendor_settings(id, url, "1s", ""));
    standalone.set_settings(&vendors.concat());
    standalone.start_again();
    assert!(!standalone.process.wait().await);
    let log = standalone.process.log();
    let named = "vendors[1].url";
    assert!(log.contains(named) && log.contains("\"v\""), "{log}");
}
