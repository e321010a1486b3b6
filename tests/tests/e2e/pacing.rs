//! How often a vendor that fails is asked. Only upper bounds are asserted, so that a slow machine cannot fail these tests.

use std::time::Duration;

use client::{ProblemKind, SyncStatus, Vendor};
use mock_vendor::{Fault, MockVendor};
use tests::{Consumer, Deployment, eventually};
use tokio::time::Instant;

async fn vendor(client: &Consumer) -> Vendor {
    let vendors = client.api.vendors().collect().await.unwrap();
    let mut vendors = vendors.into_iter();
    vendors.find(|it| it.vendor_id == "vendor-a").unwrap()
}

/// Waits until the vendor's last sync failed, and returns the vendor.
async fn failed(client: &Consumer) -> Vendor {
    eventually("a sync has failed", async || {
        let vendor = vendor(client).await;
        (vendor.last_sync.status == SyncStatus::Failed).then_some(vendor)
    })
    .await
}

fn ask_for_a_minute(vendor: &MockVendor, status: u16) {
    vendor.set_fault(Fault::RetryAfter {
        status,
        value: "60".to_owned(),
    });
}

#[tokio::test]
async fn a_vendor_with_retry_after_is_left_alone_by_every_process_until_then() {
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .start()
        .await;
    let client = deployment.client(0);
    ask_for_a_minute(&deployment.vendors[0], 429);
    let paused = failed(&client).await;
    let started = Instant::now();
    let before = deployment.vendors[0].requests();
    assert_eq!(paused.consecutive_failures, 1);
    assert!(paused.next_attempt_at.is_some(), "{paused:?}");

    // Also by a worker that is started later, and on demand.
    deployment.workers[0].kill().await;
    deployment.restart_worker(0).await;
    let refused = client.api.sync_vendor("vendor-a").await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::VendorUnavailable));
    let wait = refused.retry_after().unwrap();
    assert!(wait <= Duration::from_mins(1), "{wait:?}");
    eventually("six intervals are over", async || {
        (started.elapsed() > Duration::from_secs(6)).then_some(())
    })
    .await;
    let requests = deployment.vendors[0].requests() - before;
    // On a machine on which all of this takes a minute, the vendor may be asked again.
    let allowed = started.elapsed().as_secs() / 50;
    assert!(requests <= allowed, "{requests} requests");
    assert_eq!(client.quantity("1").await, 50);
    deployment.audit().await;
}

#[tokio::test]
async fn a_failing_vendor_is_asked_less_and_less_and_at_its_interval_once_it_works() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .start()
        .await;
    let client = deployment.client(0);
    deployment.vendors[0].set_fault(Fault::Status { status: 500 });
    failed(&client).await;
    let (started, before) = (Instant::now(), deployment.vendors[0].requests());
    let last = eventually("three more syncs have failed", async || {
        let vendor = vendor(&client).await;
        (vendor.consecutive_failures >= 4).then_some(vendor)
    })
    .await;
    // The shortest pauses after 1, 2 and 3 failures.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(6_500), "{took:?}");
    // Each sync asks three times; at every tick it would be about three for each second.
    let (requests, seconds) = (deployment.vendors[0].requests() - before, took.as_secs());
    assert!(
        requests <= 9 && requests < seconds * 3,
        "{requests} requests in {took:?}"
    );
    assert!(last.next_attempt_at.is_some(), "{last:?}");

    // An operator need not wait, and the success ends the pause.
    deployment.vendors[0].set_fault(Fault::None);
    deployment.vendors[0].set_stock([("1", 49)]);
    client.api.sync_vendor("vendor-a").await.unwrap();
    assert_eq!(client.quantity("1").await, 49);
    let works = vendor(&client).await;
    assert_eq!(works.consecutive_failures, 0);
    assert_eq!(works.next_attempt_at, None);
    deployment.syncs(2).await;
    deployment.audit().await;
}
