//! The set of configured vendors: changes to it, and vendors that are removed and return.

use std::time::{Duration, Instant};

use client::{OrderStatus, RejectReason};
use mock_vendor::{Fault, MockVendor};
use tests::{
    Deployment, Standalone, admin, allocated, assert_contains, database_environment, eventually,
    vendor_settings,
};

const SUPERSEDED: &str = "the vendor set of these settings is superseded";

/// Runs `vendor apply` with the settings of the standalone program. Returns its output.
async fn apply_vendors(standalone: &Standalone) -> String {
    let (config, data) = (standalone.config(), standalone.data());
    let (config, data) = (config.to_str().unwrap(), data.to_str().unwrap());
    let apply = ["--config", config, "vendor", "apply", "--data", data];
    admin::succeed(&apply, &[]).await
}

/// A tool with other vendors in its settings adds its own vendor and removes none.
#[tokio::test]
async fn seed_removes_no_vendor_of_a_running_deployment() {
    let deployment = Deployment::builder()
        .vendor("north-warehouse", &[("widget", 100)])
        .start()
        .await;
    let client = deployment.client(0);
    assert_eq!(client.quantity("widget").await, 100);
    let environment = database_environment(&deployment.database);
    admin::succeed(&["seed", "--products", "1"], &environment).await;

    assert_eq!(client.quantity("widget").await, 100);
    let order = client.place_settled("widget", 1).await;
    assert_eq!(allocated(&order), [("north-warehouse", 1)]);
    client.place_confirmed("SKU-1", 1).await;
    deployment.wait_for_syncs(2).await;
    assert_eq!(client.quantity("widget").await, 99);
    deployment.audit().await;
}

/// Programs of an earlier version may mark a vendor as not configured in the database; the worker reverts that.
#[tokio::test]
async fn vendor_disabled_in_the_database_is_configured_and_synced_again() {
    let deployment = Deployment::start(&[("1", 50)]).await;
    let client = deployment.client(0);
    let off = "UPDATE vendor_syncs SET configured = false; UPDATE stock SET quantity = 0;";
    deployment.execute(off).await;
    client.wait_for_quantity("1", 50).await;
    client.place_confirmed("1", 1).await;
    deployment.audit().await;
}

/// A worker that is started with an additional vendor applies a newer set. After it dies, the older worker syncs the vendors
/// in its settings, and stock of the newer vendor is still sold.
#[tokio::test]
async fn older_worker_does_not_disable_a_newer_vendor() {
    let mut deployment = Deployment::start(&[("1", 50)]).await;
    let client = deployment.client(0);
    let newer = MockVendor::start_local([("2", 7)]).unwrap();
    let settings = vendor_settings("vendor-b", &newer.url(), "1s", "");
    deployment.edit_settings(|older| older + &settings);
    deployment.add_worker().await;
    client.wait_for_quantity("2", 7).await;
    // Orders for both vendors are settled, whichever worker consumes their queue.
    for product_id in ["1", "2"] {
        client.place_confirmed(product_id, 1).await;
    }

    deployment.workers[1].kill().await;
    deployment.vendors[0].set_stock([("1", 40)]);
    client.wait_for_quantity("1", 39).await;
    assert_eq!(client.quantity("2").await, 6);
    let order = client.place_settled("2", 6).await;
    assert_eq!(allocated(&order), [("vendor-b", 6)]);
    let log = deployment.workers[0].log();
    assert_eq!(log.matches(SUPERSEDED).count(), 1, "{log}");
    deployment.audit().await;
}

/// A restart does not restore a superseded vendor set; `vendor apply` does.
#[tokio::test]
async fn superseded_vendor_set_is_restored_only_by_vendor_apply() {
    let mut standalone = Standalone::start(&[("v", &[("1", 5)]), ("w", &[("2", 7)])], "").await;
    let client = standalone.client();
    let only_v = vendor_settings("v", &standalone.vendors[0].url(), "1s", "");
    let both = only_v.clone() + &vendor_settings("w", &standalone.vendors[1].url(), "1s", "");

    standalone.restart_with(&only_v).await;
    client.wait_for_quantity("2", 0).await;
    assert_eq!(client.quantity("1").await, 5);

    standalone.restart_with(&both).await;
    eventually("the process logs that its set is superseded", async || {
        let log = standalone.process.log();
        log.contains(SUPERSEDED).then_some(())
    })
    .await;
    assert_eq!(client.quantity("2").await, 0);

    assert!(standalone.process.terminate().await);
    let printed = apply_vendors(&standalone).await;
    assert_contains(&printed, "configured vendors: seed, v, w");
    standalone.restart().await;
    client.wait_for_quantity("2", 7).await;
    standalone.audit().await;
}

/// Stock of a vendor that returns is not sold from the report before its removal.
#[tokio::test]
async fn stock_of_a_returning_vendor_is_not_sold_before_its_next_report() {
    let settings = "[worker]\nfirst_sync_grace = \"1s\"\n";
    let mut standalone = Standalone::start(&[("v", &[("z", 50)])], settings).await;
    let client = standalone.client();
    assert_eq!(client.quantity("z").await, 50);
    let more = "timeout = \"500ms\"\nretries = 0\n";
    let with_v = vendor_settings("v", &standalone.vendors[0].url(), "1s", more);
    let with_v = settings.to_owned() + &with_v;

    let without_v = format!("vendors = []\n{settings}");
    standalone.restart_with(&without_v).await;
    client.wait_for_quantity("z", 0).await;

    assert!(standalone.process.terminate().await);
    standalone.vendors[0].set_fault(Fault::Hang);
    standalone.set_settings(&with_v);
    apply_vendors(&standalone).await;
    standalone.restart().await;
    let order = client.place_settled("z", 50).await;
    assert_eq!(order.reason, Some(RejectReason::InsufficientStock));
    assert_eq!(client.quantity("z").await, 0);

    standalone.vendors[0].set_fault(Fault::None);
    client.wait_for_quantity("z", 50).await;
    client.place_confirmed("z", 50).await;

    // An ordinary restart changes nothing.
    assert!(standalone.process.terminate().await);
    standalone.vendors[0].set_fault(Fault::Hang);
    standalone.restart().await;
    let stock_row = client.api.stock("z").await.unwrap().vendors.remove(0);
    assert_eq!((stock_row.reported, stock_row.in_flight), (50, 50));
    standalone.audit().await;
}

/// A vendor that was never tried delays no order that other vendors can supply. An order that would be rejected waits for its
/// first report, and is confirmed from it.
#[tokio::test]
async fn only_a_rejection_waits_for_a_vendor_that_was_never_tried() {
    let mut standalone = Standalone::start(&[("v", &[("1", 100)])], "").await;
    let client = standalone.client();
    let slow = MockVendor::start_local([("2", 7)]).unwrap();
    slow.set_fault(Fault::Delay { ms: 4_000 });
    assert!(standalone.process.terminate().await);
    standalone.add_vendor("slow", &slow, "60s");
    standalone.restart().await;

    let started = Instant::now();
    let of_slow = client.place("2", 7).await;
    let unknown = client.place("3", 1).await;
    for _ in 0..3 {
        let placed = client.place_and_wait("1", 1, 2).await;
        assert_eq!(placed.order.status, OrderStatus::Confirmed);
    }
    assert!(started.elapsed() < Duration::from_secs(3));
    for id in [of_slow.id, unknown.id] {
        assert_eq!(client.order(id).await.status, OrderStatus::Pending);
    }
    let of_slow = client.settled(of_slow.id).await;
    assert_eq!(allocated(&of_slow), [("slow", 7)]);
    let unknown = client.settled(unknown.id).await;
    assert_eq!(unknown.reason, Some(RejectReason::UnknownProduct));
    // Well before the end of the grace period: the first sync ended the wait.
    assert!(started.elapsed() < Duration::from_secs(15));
    standalone.audit().await;
}

/// A vendor that never responds delays a rejection by at most `first_sync_grace`.
#[tokio::test]
async fn rejection_waits_at_most_first_sync_grace() {
    let settings = "[worker]\nfirst_sync_grace = \"3s\"\n";
    let mut standalone = Standalone::start(&[("v", &[("1", 100)])], settings).await;
    let client = standalone.client();
    let hanging = MockVendor::start_local([("2", 7)]).unwrap();
    hanging.set_fault(Fault::Hang);
    assert!(standalone.process.terminate().await);
    standalone.add_vendor("hanging", &hanging, "10m");
    standalone.restart().await;

    let started = Instant::now();
    let order = client.place("2", 1).await;
    let confirmed = client.place_and_wait("1", 1, 2).await;
    assert_eq!(confirmed.order.status, OrderStatus::Confirmed);
    let order = client.settled(order.id).await;
    assert_eq!(order.reason, Some(RejectReason::UnknownProduct));
    assert!(started.elapsed() < Duration::from_secs(15));
    let later = client.place_and_wait("2", 1, 5).await;
    assert_eq!(later.order.status, OrderStatus::Rejected);
    standalone.audit().await;
}
