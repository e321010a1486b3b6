//! `GET /api/v1/vendors/{vendor_id}/runs`.

use std::time::Duration;

use domain::ports::{FeedError, MalformedReport};
use domain::refusal::{Refusal, Refusals};
use domain::run::ReportSize;
use serde_json::{Value, json};

use crate::fake_feed::{LAG, REPORT_BYTES, REPORT_FILE};
use crate::fake_unit_of_work::LAST_AS_OF;
use crate::fixture::TestServer;

const RUNS: &str = "/api/v1/vendors/vendor-a/runs";

fn with_vendor() -> TestServer {
    let server = TestServer::start();
    server.store.register_vendor("vendor-a", 7);
    server
}

async fn sync(server: &TestServer) -> Value {
    let target = "/api/v1/vendors/vendor-a/sync";
    server.send("POST", target, "", b"").await.json()
}

async fn runs(server: &TestServer) -> Vec<Value> {
    let page = server.get(RUNS).await;
    assert_eq!(page.status, 200);
    page.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn run_shows_what_the_sync_read_and_changed() {
    let server = with_vendor();
    assert_eq!(runs(&server).await, [json!(null); 0]);
    let as_of = LAST_AS_OF.plus(Duration::from_hours(1));
    server.feed.report(Some(as_of), &["SKU-1", "SKU-2"]);
    let result = sync(&server).await;
    let shown = runs(&server).await;
    assert_eq!(
        shown,
        [json!({
            "id": 1, "started_at": shown[0]["started_at"], "finished_at": result["finished_at"], "status": "OK",
            "evidence": "document", "as_of": as_of.minus(LAG).to_string(), "bytes": REPORT_BYTES, "rows": 2, "file": REPORT_FILE,
            // Each product has 100 units in the fake store.
            "added": 0, "changed": 2, "unchanged": 0, "zeroed": 0,
            "refused": [], "refused_count": 0, "guard": null, "error": null,
        })]
    );
    let started_at = shown[0]["started_at"].as_str().unwrap();
    assert!(started_at <= result["finished_at"].as_str().unwrap());
}

#[tokio::test]
async fn refused_records_of_a_failed_sync_are_shown() {
    let server = with_vendor();
    let mut refused = Refusals::default();
    for number in 1..=30 {
        refused.add(|| Refusal {
            place: format!("row {number}"),
            column: "Qty".to_owned(),
            value: (number > 1).then(|| "\"many\"".to_owned()),
            rule: "which is not a number".to_owned(),
        });
    }
    server.feed.fail(FeedError::Malformed(MalformedReport {
        size: ReportSize {
            bytes: Some(77),
            rows: Some(40),
        },
        file: Some("stock 8.csv".to_owned()),
        ..refused.into()
    }));
    sync(&server).await;
    let run = runs(&server).await.remove(0);
    assert_eq!(run["status"], "FAILED");
    assert_eq!((&run["bytes"], &run["rows"]), (&json!(77), &json!(40)));
    assert_eq!(run["refused_count"], 30);
    let shown = run["refused"].as_array().unwrap();
    assert_eq!(shown.len(), 20);
    let rule = "which is not a number";
    let first = json!({"place": "row 1", "column": "Qty", "value": null, "rule": rule});
    let second = json!({"place": "row 2", "column": "Qty", "value": "\"many\"", "rule": rule});
    assert_eq!(shown[..2], [first, second]);
    let error = run["error"].as_str().unwrap();
    assert!(
        error.contains("malformed: stock 8.csv: row 1: Qty is missing"),
        "{error}"
    );
    assert_eq!(run["file"], "stock 8.csv");
    for name in ["evidence", "as_of"] {
        assert_eq!(run[name], Value::Null, "{run}");
    }
}

#[tokio::test]
async fn runs_are_paged_newest_first_and_streamed() {
    let server = with_vendor();
    for status in ["OK", "NOT_READY", "FAILED"] {
        match status {
            "OK" => server.feed.report(None, &["SKU-1"]),
            "NOT_READY" => server.feed.fail(FeedError::NotReady("empty".to_owned())),
            _ => server
                .feed
                .fail(FeedError::Unavailable("refused".to_owned())),
        }
        sync(&server).await;
    }
    let first = server.get(&format!("{RUNS}?limit=2")).await;
    let statuses = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|run| run["status"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(statuses(&first.json()), ["FAILED", "NOT_READY"]);
    let link = first.header("link").unwrap();
    let next = link
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let second = server.get(next.unwrap()).await;
    assert_eq!(statuses(&second.json()), ["OK"]);
    assert_eq!(second.json()["next_cursor"], Value::Null);
    assert_eq!(second.header("link"), None);

    let head = "Accept: application/x-ndjson\r\n";
    let lines = server.send("GET", RUNS, head, b"").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.body.split(|byte| *byte == b'\n').count(), 4);

    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    server.store.register_vendor("vendor-b", 1);
    for target in [
        format!("{RUNS}?limit=0"),
        format!("{RUNS}?cursor=x"),
        format!("{RUNS}?status=OK"),
        format!("/api/v1/vendors/vendor-b/runs?cursor={cursor}"),
    ] {
        let reply = server.get(&target).await;
        reply.problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn runs_of_an_unknown_vendor_are_not_found() {
    let server = TestServer::start();
    for (vendor_id, status) in [("vendor-a", 200), ("seed", 200), ("other", 404)] {
        let target = format!("/api/v1/vendors/{vendor_id}/runs");
        assert_eq!(server.get(&target).await.status, status, "{vendor_id}");
    }
    let head = "Accept: application/x-ndjson\r\n";
    let target = "/api/v1/vendors/other/runs";
    let reply = server.send("GET", target, head, b"").await;
    reply.problem(404, "not-found");
    // A vendor that only processes with other settings configure.
    server.store.register_vendor("other", 1);
    assert_eq!(server.get(target).await.status, 200);
    for invalid in ["%20", "%ff"] {
        let target = format!("/api/v1/vendors/{invalid}/runs");
        let reply = server.get(&target).await;
        reply.problem(400, "malformed-request");
    }
}
