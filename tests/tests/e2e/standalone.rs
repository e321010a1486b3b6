//! The embedded deployment: one process with one data file.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use client::{OrderStatus, RejectReason};
use reqwest::StatusCode;
use tests::{Process, Standalone, allocated, count, scale};
use tokio::task::JoinSet;

/// Returns the settings of the default vendors, on free ports. The process starts the mock vendors itself.
fn original_vendors() -> String {
    let listeners = ["A", "B"].map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()));
    let mut settings = String::new();
    for (name, listener) in &listeners {
        let address = listener.local_addr().unwrap();
        let id = name.to_lowercase();
        // Writing to a String cannot fail.
        let _ = write!(
            settings,
            "[[vendors]]\nid = \"vendor-{id}\"\nurl = \"http://{address}/vendor{name}/stock\"\nsync_interval = \"1s\"\n"
        );
    }
    settings
}

#[tokio::test]
async fn first_orders_are_confirmed_rejected_and_cancelled() {
    let standalone = Standalone::start_with(&original_vendors()).await;
    let client = standalone.client();
    let log = standalone.process.log();
    let url = format!("http://127.0.0.1:{}", standalone.port());
    for part in [
        &format!("API   {url}\n"),
        &format!("docs  {url}/docs\n"),
        &format!("data  {}\n", standalone.data().display()),
        &format!("curl -sS {url}/api/v1/stock\n"),
    ] {
        assert!(log.contains(part), "{part} is not in:\n{log}");
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
    let too_large = client.place("1", 21).await;
    let too_large = client.settled(too_large.id).await;
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
    let first = standalone.process.id().unwrap().to_string();
    let second = standalone.start_another("second", &["--data", data, "--port", "0"], &[]);
    assert_refused(second, &[data, "in use", &first]).await;

    let client = standalone.client();
    let order = client.place("1", 1).await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
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
    let settings = format!(
        "[[vendors]]\nid = \"vendor-a\"\nurl = \"{}\"\nsync_interval = \"1s\"\n",
        other.url()
    );
    let standalone = Standalone::start_with(&settings).await;
    assert_eq!(standalone.client().quantity("9").await, 9);
    let log = standalone.process.log();
    let count = log.matches("mock vendor not started").count();
    assert_eq!(count, 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flash_sale_sells_exactly_the_stock() {
    const CLIENTS: usize = 64;
    let stock = scale::pick(200, 2_000);
    let standalone = Standalone::start(&[("vendor-a", &[("hot", stock)])], "").await;
    let attempts = usize::try_from(stock).unwrap() * 5;
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let client = standalone.client();
        tasks.spawn(async move {
            for _ in (number..attempts).step_by(CLIENTS) {
                client.place("hot", 1).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let client = standalone.client();
    client.all_settled().await;
    let orders = client.all_orders().await;
    assert_eq!(orders.len(), attempts);
    assert_eq!(count(&orders, OrderStatus::Confirmed), attempts / 5);
    assert_eq!(count(&orders, OrderStatus::Rejected), attempts / 5 * 4);
    assert_eq!(client.quantity("hot").await, 0);
    standalone.audit().await;
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
    standalone.restart();
    standalone.ready().await;
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
    standalone.add_settings(&format!(
        "\n[[vendors]]\nid = \"slow\"\nurl = \"{}\"\nsync_interval = \"1s\"\ntimeout = \"10m\"\nretries = 0\n",
        slow.url()
    ));
    standalone.restart();
    let client = standalone.client();
    standalone.ready().await;
    let mut placed = Vec::new();
    for _ in 0..20 {
        placed.push(client.place("2", 1).await.id);
    }
    // Settlement was attempted once and is postponed.
    tests::eventually("the outbox is empty", async || {
        let readiness: serde_json::Value =
            client.try_get("/readyz").await.ok()?.json().await.ok()?;
        (readiness["outbox"]["lag_ms"] == 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let order = client.order(placed[0]).await;
    assert_eq!(order.status, OrderStatus::Pending);
    standalone.process.kill().await;
    slow.set_fault(mock_vendor::Fault::None);
    standalone.restart();
    standalone.ready().await;
    for id in placed {
        let order = client.settled(id).await;
        assert_eq!(order.status, OrderStatus::Confirmed);
    }
    assert_eq!(client.quantity("2").await, 80);
    standalone.audit().await;
}
