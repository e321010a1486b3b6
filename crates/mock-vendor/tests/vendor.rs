//! Tests of the vendor through its HTTP interface.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mock_vendor::{Fault, MockVendor};

/// Sends a request and returns the part of the response that arrives within two seconds.
async fn send(address: SocketAddr, request: String) -> String {
    tokio::task::spawn_blocking(move || send_blocking(address, &request))
        .await
        .unwrap()
}

fn send_blocking(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    let _ = stream.take(10_000_000).read_to_end(&mut response);
    String::from_utf8(response).unwrap()
}

async fn get(vendor: &MockVendor) -> String {
    let request = "GET /stock HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    send(vendor.address(), request.to_owned()).await
}

async fn put(vendor: &MockVendor, path: &str, body: &str) -> String {
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(vendor.address(), request).await
}

fn body(response: &str) -> &str {
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    response.split_once("\r\n\r\n").unwrap().1
}

const REPORT: &str = r#"[{"productId":"1","quantity":50},{"productId":"2","quantity":100}]"#;

fn vendor() -> MockVendor {
    MockVendor::start_local([("1", 50), ("2", 100)]).unwrap()
}

#[tokio::test]
async fn vendor_serves_its_stock_and_counts_requests() {
    let vendor = vendor();
    assert_eq!(body(&get(&vendor).await), REPORT);
    vendor.set_stock([("3", -1)]);
    assert_eq!(
        body(&get(&vendor).await),
        r#"[{"productId":"3","quantity":-1}]"#
    );
    vendor.set_as_of(Some("2026-11-23T12:00:00Z"));
    assert_eq!(
        body(&get(&vendor).await),
        r#"{"as_of":"2026-11-23T12:00:00Z","items":[{"productId":"3","quantity":-1}]}"#
    );
    assert_eq!(vendor.requests(), 3);
    let address = vendor.address();
    vendor.stop().await;
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn dropped_vendor_stops_listening() {
    let vendor = vendor();
    let address = vendor.address();
    drop(vendor);
    for _ in 0..100 {
        if TcpStream::connect(address).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the vendor still listens");
}

#[tokio::test]
async fn control_requests_change_the_report_and_the_fault() {
    let vendor = vendor();
    for (path, good, wrong) in [
        ("/control/stock", r#"{"9": 7}"#, r#"{"9": "7"}"#),
        ("/control/as-of", r#""2026-11-23T12:00:00Z""#, "7"),
        (
            "/control/fault",
            r#"{"kind":"status","status":503,"times":1}"#,
            r#"{"kind":"flood"}"#,
        ),
    ] {
        let response = put(&vendor, path, wrong).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        let response = put(&vendor, path, good).await;
        assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    }
    assert!(get(&vendor).await.starts_with("HTTP/1.1 503 "));
    let expected = r#"{"as_of":"2026-11-23T12:00:00Z","items":[{"productId":"9","quantity":7}]}"#;
    assert_eq!(body(&get(&vendor).await), expected);
    put(&vendor, "/control/as-of", "null").await;
    assert_eq!(
        body(&get(&vendor).await),
        r#"[{"productId":"9","quantity":7}]"#
    );
    assert_eq!(vendor.requests(), 3);
}

#[tokio::test]
async fn each_fault_changes_the_response() {
    let vendor = vendor();
    vendor.set_fault(Fault::Truncate);
    let response = get(&vendor).await;
    assert!(
        response.contains(&format!("content-length: {}", REPORT.len())),
        "{response}"
    );
    assert_eq!(body(&response), &REPORT[..REPORT.len() / 2]);

    vendor.set_fault(Fault::Stall);
    assert_eq!(body(&get(&vendor).await), &REPORT[..REPORT.len() / 2]);

    vendor.set_fault(Fault::Garbage);
    assert!(body(&get(&vendor).await).starts_with('<'));

    vendor.set_fault(Fault::Body {
        body: "{}".to_owned(),
    });
    assert_eq!(body(&get(&vendor).await), "{}");

    vendor.set_fault(Fault::Huge);
    assert!(body(&get(&vendor).await).len() > 9_000_000);

    vendor.set_fault(Fault::Delay { ms: 300 });
    let started = std::time::Instant::now();
    assert_eq!(body(&get(&vendor).await), REPORT);
    assert!(started.elapsed() >= Duration::from_millis(300));

    vendor.set_fault_times(Fault::Hang, 1);
    assert_eq!(get(&vendor).await, "");
    assert_eq!(body(&get(&vendor).await), REPORT);
}

struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn program_serves_both_vendors_and_exits_on_sigterm() {
    let child = Command::new(env!("CARGO_BIN_EXE_order-aggregator-mock-vendor"))
        .args(["--port-a", "0", "--port-b", "0", "--products", "3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = ChildGuard(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    for (name, first) in [
        ("A", r#"{"productId":"1","quantity":50}"#),
        ("B", r#"{"productId":"3","quantity":60}"#),
    ] {
        let line = lines.next().unwrap().unwrap();
        let rest = line
            .strip_prefix(&format!("vendor {name} listens on http://"))
            .unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        assert_eq!(path, format!("vendor{name}/stock"));
        let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let response = send_blocking(address.parse().unwrap(), &request);
        assert!(body(&response).contains(first), "{response}");
        assert!(response.contains("SKU-0000003"), "{response}");
    }
    let killed = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(running.0.wait().unwrap().success());
}
