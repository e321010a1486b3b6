//! `POST /api/v1/vendors/{vendor_id}/reports`: reports and their results.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{ConfiguredPushFeed, MockDocumentUpload, MockPushFeed};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use vendor_feeds::{CsvOptions, FormatOptions, Header, XmlOptions};

use crate::fake_feed::FakeFeed;
use crate::fake_store::Failure;
use crate::fixture::{self, JSON, TestServer};
use crate::push_vendor::{REPORT, REPORTS, fields, gzip, json as json_format, listed, server};

const CSV: &[u8] = b"SKU,Qty\na,3\n0012,4\n";

fn csv() -> FormatOptions {
    FormatOptions::Csv(CsvOptions {
        delimiter: b',',
        quote: b'"',
        header: Header::Row(NonZeroU32::MIN),
        skip_rows: None,
    })
}

fn csv_server() -> TestServer {
    server(|options| {
        options.format = csv();
        options.fields = fields("SKU", "Qty");
    })
}

#[tokio::test]
async fn report_in_each_format_is_applied() {
    let xml = br#"<s><i sku="a"><q>3</q></i><i sku="0012"><q>4</q></i></s>"#;
    let xml_format = FormatOptions::Xml(XmlOptions {
        items: "/s/i".to_owned(),
        as_of: None,
    });
    let json_options = json_format(None);
    let (sku, qty) = ("SKU", "Qty");
    for (format, (id, units), head, body) in [
        (
            json_options.clone(),
            ("/id", "/units"),
            JSON,
            REPORT.to_vec(),
        ),
        (json_options, ("/id", "/units"), "", REPORT.to_vec()),
        (
            csv(),
            (sku, qty),
            "Content-Type: text/csv\r\n",
            CSV.to_vec(),
        ),
        (csv(), (sku, qty), "Content-Encoding: gzip\r\n", gzip(CSV)),
        (
            csv(),
            (sku, qty),
            "Content-Encoding: X-GZip\r\n",
            gzip(&gzip(CSV)),
        ),
        (
            csv(),
            (sku, qty),
            "Content-Type: application/gzip\r\n",
            gzip(CSV),
        ),
        (
            xml_format,
            ("@sku", "q"),
            "Content-Type: text/plain\r\n",
            xml.to_vec(),
        ),
    ] {
        let server = server(|options| {
            options.format = format.clone();
            options.fields = fields(id, units);
        });
        let reply = server.push(head, &body).await;
        assert_eq!(reply.status, 200, "{format:?} {head}");
        let result = reply.json();
        let expected = json!({
            "vendor_id": "acme", "status": "OK", "finished_at": result["finished_at"],
            "duration_ms": result["duration_ms"], "received": 2, "changed": 2, "error": null,
        });
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(result[member], *value, "{format:?} {head}");
        }
        let vendor = listed(&server).await;
        assert_eq!(vendor["url"], "push:acme");
        assert_eq!(vendor["last_sync"]["status"], "OK");
    }
}

#[tokio::test]
async fn refused_records_are_listed_and_change_nothing() {
    let server = csv_server();
    let rows: Vec<String> = (1..=25).map(|row| format!("sku-{row},x\n")).collect();
    let body = format!("SKU,Qty\nok,1\n{}", rows.concat());
    let problem = server.push("", body.as_bytes()).await;
    let problem = problem.problem(422, "validation-failed");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 20);
    let first = errors[0]["detail"].as_str().unwrap();
    for part in ["3", "Qty", "x"] {
        assert!(first.contains(part), "{first}");
    }
    assert_eq!(errors[0]["pointer"], "");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains(first) && detail.contains("24 more"),
        "{detail}"
    );
    assert!(detail.contains("the stock was not changed"), "{detail}");
    let vendor = listed(&server).await;
    assert_eq!(vendor["last_sync"]["status"], "FAILED");
    assert_eq!(vendor["last_sync"]["changed"], 0);
    assert_eq!(vendor["next_attempt_at"], Value::Null);

    // The next report is accepted at once.
    assert_eq!(server.push("", CSV).await.status, 200);
    assert_eq!(listed(&server).await["consecutive_failures"], 0);
}

#[tokio::test]
async fn document_that_is_not_a_report_is_refused_with_its_problem() {
    let server = server(|_| ());
    for (head, body, part) in [
        ("", &b"{"[..], "JSON"),
        ("", b"<html></html>", "expected JSON"),
        ("", b"\xff\xfe\xff", ""),
        ("", br#"{"items": 1}"#, "/items"),
        (JSON, b"{}", "/items"),
        ("Content-Encoding: gzip\r\n", &gzip(REPORT)[..20], ""),
    ] {
        let reply = server.push(head, body).await;
        assert_eq!(reply.pointers(), [""], "{body:?}");
        let detail = reply.json()["errors"][0]["detail"].clone();
        assert!(detail.as_str().unwrap().contains(part), "{detail}");
    }
}

#[tokio::test]
async fn vendor_that_does_not_push_has_no_reports() {
    let server = server(|_| ());
    for (vendor_id, detail) in [
        ("unknown", "vendor not found"),
        ("ACME", "vendor not found"),
        ("vendor-a", "does not push"),
        ("seed", "does not push"),
    ] {
        let target = format!("/api/v1/vendors/{vendor_id}/reports");
        let reply = server.send("POST", &target, "", REPORT).await;
        let problem = reply.problem(404, "not-found");
        assert!(
            problem["detail"].as_str().unwrap().contains(detail),
            "{problem}"
        );
    }
    let sync = server
        .send("POST", "/api/v1/vendors/acme/sync", "", b"")
        .await;
    let problem = sync.problem(404, "not-found");
    assert!(
        problem["detail"].as_str().unwrap().contains("pushes"),
        "{problem}"
    );
    for target in [
        "/api/v1/vendors/%00/reports",
        "/api/v1/vendors/acme/reports?x=1",
    ] {
        let reply = server.send("POST", target, "", REPORT).await;
        reply.problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn evidence_is_that_of_the_document_or_last_modified() {
    let timed = server(|options| options.format = json_format(Some("/at")));
    let lines = r#""items": [{"id": "a", "units": 3}]"#;
    let body = format!(r#"{{"at": "2026-11-23T11:00:00Z", {lines}}}"#);
    assert_eq!(timed.push("", body.as_bytes()).await.status, 200);
    let vendor = listed(&timed).await;
    assert_eq!(vendor["evidence"], "document", "{vendor}");
    assert_eq!(vendor["as_of"], "2026-11-23T11:00:00.000000Z");

    let server = server(|options| options.lag = Duration::from_mins(1));
    let last_modified = "Last-Modified: Mon, 23 Nov 2026 11:30:00 GMT\r\n";
    let with_date = format!("{last_modified}Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n");
    for head in [last_modified, &with_date] {
        assert_eq!(server.push(head, REPORT).await.status, 200);
        let vendor = listed(&server).await;
        assert_eq!(vendor["evidence"], "last_modified", "{vendor}");
        // A second because of servers that round up, and the lag.
        assert_eq!(vendor["as_of"], "2026-11-23T11:28:59.000000Z");
    }
    // The vendor counted before it sent the request, at an unknown time.
    for head in ["", "Date: Mon, 23 Nov 2026 11:45:00 GMT\r\n"] {
        assert_eq!(server.push(head, REPORT).await.status, 200);
        let vendor = listed(&server).await;
        assert_eq!(vendor["evidence"], Value::Null, "{head} {vendor}");
        assert_eq!(vendor["as_of"], Value::Null);
        let reason = vendor["evidence_reason"].as_str().unwrap();
        assert!(reason.contains("no readable as-of"), "{reason}");
    }
}

#[tokio::test]
async fn stale_and_quarantined_reports_are_results() {
    let server = server(|options| options.format = json_format(Some("/at")));
    let stale = br#"{"at": "2020-01-01T00:00:00Z", "items": [{"id": "a", "units": 3}]}"#;
    let result = server.push("", stale).await;
    assert_eq!(
        (result.status, &result.json()["status"]),
        (200, &json!("STALE"))
    );
    server.store.0.lock().unwrap().has_stock = true;
    let empty = br#"{"at": "2026-11-23T11:00:00Z", "items": []}"#;
    let result = server.push("", empty).await;
    assert_eq!(
        (result.status, &result.json()["status"]),
        (200, &json!("QUARANTINED"))
    );
    let accept = "/api/v1/vendors/acme/quarantine/accept";
    assert_eq!(server.send("POST", accept, "", b"").await.status, 200);
}

#[tokio::test]
async fn failures_of_the_store_are_503_and_504() {
    let server = server(|_| ());
    server.store.fail(Some(Failure::Unavailable));
    server.push("", REPORT).await.problem(503, "unavailable");
    server.store.fail(Some(Failure::CommitUnknown));
    server
        .push("", REPORT)
        .await
        .problem(504, "outcome-unknown");
    server.store.fail(None);
    assert_eq!(server.push("", REPORT).await.status, 200);
    server.announce_shutdown();
    server.push("", REPORT).await.problem(503, "unavailable");
}

#[tokio::test]
async fn push_before_a_worker_registers_the_vendor_is_unavailable() {
    let server = server(|_| ());
    server.store.0.lock().unwrap().vendors.clear();
    let problem = server.push("", REPORT).await;
    let problem = problem.problem(503, "unavailable");
    assert!(
        problem["detail"].as_str().unwrap().contains("acme"),
        "{problem}"
    );
}

/// The handler of a client that resets its connection is dropped; its report is not.
#[tokio::test]
async fn report_of_a_client_that_disconnects_is_applied_and_leaves_its_run() {
    let received = FakeFeed::new("acme");
    received.report(None, &["SKU-1"]);
    received.block();
    let mut push_feed = MockPushFeed::new();
    let acme = VendorId::parse("acme").unwrap();
    push_feed.expect_vendor_id().return_const(acme);
    push_feed.expect_lag().return_const(Duration::ZERO);
    push_feed.expect_max_age().return_const(None);
    let timeout = Duration::from_secs(5);
    push_feed.expect_timeout().return_const(timeout);
    let report = received.clone();
    push_feed.expect_receive().returning(move |_| {
        let report = report.clone();
        let mut upload = MockDocumentUpload::new();
        upload.expect_write().returning(|_| Ok(()));
        upload
            .expect_finish()
            .return_once(move || Ok(Box::new(report)));
        Ok(Box::new(upload))
    });
    let feed = ConfiguredPushFeed {
        feed: Arc::new(push_feed),
        url: "push:acme".to_owned(),
    };
    let server = TestServer::start_with_push(|_| (), vec![feed]);
    server.store.register_vendor("acme", 0);

    let mut client = TcpStream::connect(server.address).await.unwrap();
    let request = fixture::bytes("POST", REPORTS, "", REPORT);
    client.write_all(&request).await.unwrap();
    while received.fetches() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.set_zero_linger().unwrap();
    drop(client);
    // The server has one thread, so it has seen the reset when it responds to a later request.
    for _ in 0..3 {
        assert_eq!(listed(&server).await["last_sync"]["status"], "NEVER");
    }
    received.unblock();
    let deadline = tokio::time::Instant::now() + timeout;
    while listed(&server).await["last_sync"]["status"] == "NEVER" {
        assert!(tokio::time::Instant::now() < deadline, "no run is left");
    }
    let runs = server.get("/api/v1/vendors/acme/runs").await.json();
    assert_eq!(runs["items"][0]["status"], "OK", "{runs}");
}
