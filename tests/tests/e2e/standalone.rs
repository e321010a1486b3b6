//! The embedded deployment: one process with one data file.

use std::net::TcpListener;
use std::time::Duration;

use client::{OrderStatus, RejectReason};
use reqwest::StatusCode;
use tests::{Process, Standalone, allocated, assert_contains, eventually, vendor_settings};

/// Returns the settings of the default vendors, on free ports. The process starts the mock vendors itself.
fn original_vendors() -> String {
    let listeners = ["A", "B"].map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()));
    let settings = listeners.map(|(name, listener)| {
        let address = listener.local_addr().unwrap();
        let id = format!("vendor-{}", name.to_lowercase());
        let url = format!("http://{address}/vendor{name}/stock");
        vendor_settings(&id, &url, "1s", "")
    });
    settings.concat()
}

#[tokio::test]
async fn first_orders_are_confirmed_rejected_and_cancelled() {
    let standalone = Standalone::start_with(&original_vendors()).await;
    let client = standalone.client();
    let log = standalone.process.log();
    let url = standalone.url();
    for part in [
        &format!("API   {url}\n"),
        &format!("docs  {url}/docs\n"),
        &format!("data  {}\n", standalone.data().display()),
        &format!("curl -sS {url}/api/v1/stock\n"),
    ] {
        assert_contains(&log, part);
    }
    for (product, units) in [("1", 50), ("2", 100), ("3", 60), ("4", 40)] {
        assert_eq!(client.quantity(product).await, units);
    }
    let docs = client.try_get("/docs").await.unwrap();
    assert_eq!(docs.status(), StatusCode::OK);
    let readiness = client.get("/readyz").await;
    assert_eq!(readiness["dependencies"]["broker"]["state"], "in_process");
    for task in ["consumer-1", "relay", "scheduler", "sweeper"] {
        assert_eq!(readiness["tasks"][task]["state"], "running", "{readiness}");
    }

    let order = client.place("1", 30).await;
    assert_eq!(order.status, OrderStatus::Pending);
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    assert_eq!(allocated(&order), [("vendor-a", 30)]);
    assert_eq!(client.quantity("1").await, 20);
    let too_large = client.place_settled("1", 21).await;
    assert_eq!(too_large.reason, Some(RejectReason::InsufficientStock));

    for _ in 0..3 {
        client
            .change(order.id, OrderStatus::Cancelled)
            .await
            .unwrap();
        assert_eq!(client.quantity("1").await, 50);
    }
    standalone.audit().await;
}

/// Asserts that the process fails, with one error line that contains all these parts.
pub(crate) async fn assert_refused(mut process: Process, parts: &[&str]) {
    let succeeded = process.wait().await;
    let log = process.log();
    assert!(!succeeded, "{log}");
    let error_lines: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("order-aggregator: "))
        .collect();
    assert_eq!(error_lines.len(), 1, "{log}");
    for part in parts {
        assert!(error_lines[0].contains(part), "{log}");
    }
}

#[tokio::test]
async fn second_process_on_the_same_data_file_is_refused() {
    let standalone = Standalone::start(&[("vendor-a", &[("1", 50)])], "").await;
    let data = standalone.data();
    let data = data.to_str().unwrap();
    let first = standalone.process.pid().as_raw_nonzero().to_string();
    let second = standalone.start_another("second", &["--data", data, "--port", "0"], &[]);
    assert_refused(second, &[data, "in use", &first]).await;

    standalone.client().place_confirmed("1", 1).await;
}

#[tokio::test]
async fn startup_errors_are_reported_in_one_line() {
    let standalone = Standalone::start(&[], "").await;
    let dir = standalone.data().parent().unwrap().to_owned();
    let other = dir.join("other.db");
    let other = other.to_str().unwrap();
    let port = standalone.port().to_string();
    let taken = standalone.start_another("port", &["--data", other, "--port", &port], &[]);
    assert_refused(taken, &["cannot listen", &port, "--port"]).await;

    // A file in place of a directory: root cannot write there either.
    let no_dir = dir.join("shop.db").join("data.db");
    let no_dir = no_dir.to_str().unwrap();
    let unwritable = standalone.start_another("dir", &["--data", no_dir], &[]);
    assert_refused(unwritable, &["data file", dir.to_str().unwrap()]).await;

    let wrong = [("PORT", "http".to_owned())];
    let wrong = standalone.start_another("setting", &["--data", other], &wrong);
    assert_refused(wrong, &["PORT"]).await;
}

#[tokio::test]
async fn mock_vendor_port_in_use_does_not_fail_the_start() {
    let other = mock_vendor::MockVendor::start(
        "/vendorA/stock",
        [("9", 9)],
        "127.0.0.1:0".parse().unwrap(),
    )
    .unwrap();
    let settings = vendor_settings("vendor-a", &other.url(), "1s", "");
    let standalone = Standalone::start_with(&settings).await;
    assert_eq!(standalone.client().quantity("9").await, 9);
    let log = standalone.process.log();
    assert_eq!(log.matches("mock vendor not started").count(), 1, "{log}");
}

#[tokio::test]
async fn sigterm_exits_with_success_and_a_restart_settles_pending_orders() {
    let mut standalone = Standalone::start(&[("vendor-a", &[("1", 1_000)])], "").await;
    let client = standalone.client();
    let mut placed = Vec::new();
    for _ in 0..50 {
        placed.push(client.place("1", 1).await.id);
    }
    assert!(
        standalone.process.terminate().await,
        "{}",
        standalone.process.log()
    );
    // The data file contains everything: the write-ahead log is empty.
    let mut log_file = standalone.data().into_os_string();
    log_file.push("-wal");
    let left = std::fs::metadata(&log_file).map_or(0, |log| log.len());
    assert_eq!(left, 0, "{log_file:?}");
    standalone.audit().await;

    // The sweeper would requeue PENDING orders only after a time longer than this test.
    standalone.restart().await;
    for id in placed {
        let order = client.settled(id).await;
        assert_eq!(order.status, OrderStatus::Confirmed);
    }
    assert_eq!(client.quantity("1").await, 950);
    standalone.audit().await;
}

/// Orders stay PENDING because of a vendor that does not respond, and the process is killed: a restart requeues them at once.
#[tokio::test]
async fn orders_pending_after_a_crash_are_settled_at_once() {
    let settings = "[worker]\npending_timeout = \"24h\"\nsweep_interval = \"1h\"\n";
    let mut standalone = Standalone::start(&[("vendor-a", &[("1", 100)])], settings).await;
    // An additional vendor that was never tried: no order for its product is rejected until its first sync.
    let slow = mock_vendor::MockVendor::start_local([("2", 100)]).unwrap();
    slow.set_fault(mock_vendor::Fault::Hang);
    standalone.process.kill().await;
    standalone.add_vendor("slow", &slow, "10m");
    standalone.restart().await;
    let client = standalone.client();
    let mut placed = Vec::new();
    for _ in 0..20 {
        placed.push(client.place("2", 1).await.id);
    }
    // Settlement was attempted once and is postponed.
    eventually("the outbox is empty", async || {
        (client.readiness().await.1["outbox"]["lag_ms"] == 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let order = client.order(placed[0]).await;
    assert_eq!(order.status, OrderStatus::Pending);
    standalone.process.kill().await;
    slow.set_fault(mock_vendor::Fault::None);
    standalone.restart().await;
    for id in placed {
        let order = client.settled(id).await;
        assert_eq!(order.status, OrderStatus::Confirmed);
    }
    assert_eq!(client.quantity("2").await, 80);
    standalone.audit().await;
}
