//! Poll rate of a failing vendor. Only upper bounds are asserted, so that a slow machine does not fail these tests.

use std::time::Duration;

use client::{ProblemKind, SyncStatus, Vendor};
use mock_vendor::{Fault, MockVendor};
use tests::{Consumer, Deployment, eventually};
use tokio::time::{Instant, sleep_until};

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

fn set_retry_after_one_minute(vendor: &MockVendor, status: u16) {
    vendor.set_fault(Fault::RetryAfter {
        status,
        value: "60".to_owned(),
    });
}

#[tokio::test]
async fn retry_after_of_a_vendor_is_respected_by_every_process() {
    let mut deployment = Deployment::start(&[("1", 50)]).await;
    let client = deployment.client(0);
    set_retry_after_one_minute(&deployment.vendors[0], 429);
    let paused = failed(&client).await;
    let started = Instant::now();
    let before = deployment.vendors[0].requests();
    assert_eq!(paused.consecutive_failures, 1);
    assert!(paused.next_attempt_at.is_some(), "{paused:?}");

    // A worker started later and a sync on demand respect the pause, too.
    deployment.workers[0].kill().await;
    deployment.restart_worker(0).await;
    let refused = client.api.sync_vendor("vendor-a").await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::VendorUnavailable));
    let wait = refused.retry_after().unwrap();
    assert!(wait <= Duration::from_mins(1), "{wait:?}");
    // Six intervals.
    sleep_until(started + Duration::from_secs(6)).await;
    let requests = deployment.vendors[0].requests() - before;
    // On a machine that takes a minute for this test, the vendor may be polled again.
    let allowed = started.elapsed().as_secs() / 50;
    assert!(requests <= allowed, "{requests} requests");
    assert_eq!(client.quantity("1").await, 50);
    deployment.audit().await;
}

#[tokio::test]
async fn vendor_paused_through_the_api_gets_no_scheduled_request_until_it_is_resumed() {
    let deployment = Deployment::start(&[("1", 50)]).await;
    let client = deployment.client(0);
    let reason = Some("stocktaking");
    let paused = client.api.pause_vendor("vendor-a", reason).await.unwrap();
    assert_eq!(vendor(&client).await.paused, paused.paused);
    let before = deployment.vendors[0].requests();
    // Six intervals.
    sleep_until(Instant::now() + Duration::from_secs(6)).await;
    let requests = deployment.vendors[0].requests() - before;
    // A sync that began before the pause.
    assert!(requests <= 1, "{requests} requests");

    client.api.resume_vendor("vendor-a").await.unwrap();
    eventually("the vendor is requested again", async || {
        (deployment.vendors[0].requests() > before + 1).then_some(())
    })
    .await;
    assert_eq!(vendor(&client).await.paused, None);
}

#[tokio::test]
async fn failing_vendor_is_polled_with_backoff_and_at_its_interval_after_recovery() {
    let deployment = Deployment::start(&[("1", 50)]).await;
    let client = deployment.client(0);
    deployment.vendors[0].set_fault(Fault::Status { status: 500 });
    failed(&client).await;
    let (started, before) = (Instant::now(), deployment.vendors[0].requests());
    let last = eventually("three more syncs have failed", async || {
        let vendor = vendor(&client).await;
        (vendor.consecutive_failures >= 4).then_some(vendor)
    })
    .await;
    // The sum of the minimum pauses after 1, 2 and 3 failures.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(6_500), "{took:?}");
    // Each sync makes three attempts; without backoff it would be about three requests per second.
    let (requests, seconds) = (deployment.vendors[0].requests() - before, took.as_secs());
    assert!(
        requests <= 9 && requests < seconds * 3,
        "{requests} requests in {took:?}"
    );
    assert!(last.next_attempt_at.is_some(), "{last:?}");

    // A sync on demand ignores the backoff, and its success ends it.
    deployment.vendors[0].set_fault(Fault::None);
    deployment.vendors[0].set_stock([("1", 49)]);
    client.api.sync_vendor("vendor-a").await.unwrap();
    assert_eq!(client.quantity("1").await, 49);
    let recovered = vendor(&client).await;
    assert_eq!(recovered.consecutive_failures, 0);
    assert_eq!(recovered.next_attempt_at, None);
    deployment.wait_for_syncs(2).await;
    deployment.audit().await;
}
