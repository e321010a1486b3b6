//! `POST /api/v1/vendors/{vendor_id}/quarantine/accept` and `…/discard`.

use std::time::Duration;

use domain::comparison::ReportedStock;
use domain::identifiers::ProductId;
use domain::ports::FeedError;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::fake_feed::LAG;
use crate::fake_store::Failure;
use crate::fake_unit_of_work::LAST_AS_OF;
use crate::fixture::TestServer;

/// Starts a server whose vendor-a is registered.
fn with_vendor() -> TestServer {
    let server = TestServer::start();
    server.store.register_vendor("vendor-a", 7);
    server
}

/// Returns `quarantine` of vendor-a in the list of vendors.
async fn quarantine(server: &TestServer) -> Value {
    let page = server.get("/api/v1/vendors").await.json();
    page["items"][1]["quarantine"].clone()
}

async fn sync(server: &TestServer) -> Reply {
    let target = "/api/v1/vendors/vendor-a/sync";
    server.send("POST", target, "", b"").await
}

#[tokio::test]
async fn empty_report_is_quarantined_until_an_operator_decides() {
    let server = with_vendor();
    server.store.0.lock().unwrap().has_stock = true;
    let decide = async |decision: &str| {
        let target = format!("/api/v1/vendors/vendor-a/quarantine/{decision}");
        server.send("POST", &target, "", b"").await
    };
    for decision in ["accept", "discard"] {
        decide(decision).await.problem(404, "not-found");
        let as_of = LAST_AS_OF.plus(Duration::from_secs(5));
        server.feed.report(Some(as_of), &[]);
        let result = sync(&server).await.json();
        assert_eq!(result["status"], "QUARANTINED", "{result}");
        assert_eq!(result["received"], 0);
        assert!(result["error"].as_str().unwrap().contains("empty"));
        assert_eq!(quarantine(&server).await["reason"], result["error"]);
        // The same report again does not count as a second empty report.
        assert_eq!(sync(&server).await.json()["status"], "QUARANTINED");

        let result = decide(decision).await;
        assert_eq!(result.status, 200, "{}", result.json());
        let status = if decision == "accept" {
            "OK"
        } else {
            "QUARANTINED"
        };
        assert_eq!(result.json()["status"], status);
        assert_eq!(result.json()["vendor_id"], "vendor-a");
        if decision == "discard" {
            let reason = "the quarantined report was discarded by an operator";
            assert_eq!(result.json()["error"], reason);
        }
        assert_eq!(quarantine(&server).await, Value::Null);
        decide(decision).await.problem(404, "not-found");
    }
    for target in ["unknown/quarantine/accept", "seed/quarantine/discard"] {
        let target = format!("/api/v1/vendors/{target}");
        let reply = server.send("POST", &target, "", b"").await;
        reply.problem(404, "not-found");
    }
}

#[tokio::test]
async fn acceptance_that_is_applied_in_part_is_a_504() {
    let server = with_vendor();
    {
        let mut rows = server.store.0.lock().unwrap();
        rows.has_stock = true;
        // More products than one transaction changes.
        rows.reported = (0..1_025).map(reported).collect();
    }
    let as_of = LAST_AS_OF.plus(Duration::from_secs(5));
    server.feed.report(Some(as_of), &[]);
    assert_eq!(sync(&server).await.json()["status"], "QUARANTINED");
    // The state that names the report, the state that is compared, the rows and the first transaction.
    server.store.fail_after(4, Failure::Unavailable);
    let target = "/api/v1/vendors/vendor-a/quarantine/accept";
    let reply = server.send("POST", target, "", b"").await;
    let problem = reply.problem(504, "outcome-unknown");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("some of its products only"), "{detail}");
    let document = server.get("/openapi.json").await.json();
    let path = "/api/v1/vendors/{vendor_id}/quarantine/accept";
    let responses = &document["paths"][path]["post"]["responses"];
    assert!(responses["504"].is_object(), "{responses}");
}

fn reported(number: u32) -> ReportedStock {
    ReportedStock {
        product_id: ProductId::parse(format!("SKU-{number:04}")).unwrap(),
        reported: 1,
        as_of: LAST_AS_OF,
        requested_at: None,
        oldest_shipment: None,
    }
}

#[tokio::test]
async fn held_report_is_a_200_with_the_verdict_and_can_be_accepted() {
    let server = with_vendor();
    server.feed.hold_below(2);
    let as_of = LAST_AS_OF.plus(Duration::from_secs(5));
    server.feed.report(Some(as_of), &["SKU-1"]);
    let verdict = "the report has 1 of at least 2 rows (guard.min_rows)";
    let reply = sync(&server).await;
    assert_eq!(reply.status, 200);
    let result = reply.json();
    let last = server.get("/api/v1/vendors").await.json()["items"][1]["last_sync"].clone();
    for shown in [&result, &last] {
        assert_eq!(shown["status"], "QUARANTINED", "{shown}");
        assert_eq!(shown["received"], 1);
        assert_eq!(shown["changed"], 0);
        assert_eq!(shown["error"], verdict);
    }
    // The quarantine is shown whatever the result of a later sync.
    let shown = quarantine(&server).await;
    assert_eq!(
        shown,
        json!({
            "requested_at": shown["requested_at"], "as_of": as_of.minus(LAG).to_string(), "evidence": "document",
            "kind": "full", "received": 1, "reason": verdict,
        })
    );
    assert!(shown["requested_at"].as_str().unwrap().ends_with('Z'));
    server
        .feed
        .fail(FeedError::Unavailable("refused".to_owned()));
    sync(&server).await.problem(502, "vendor-unavailable");
    assert_eq!(quarantine(&server).await, shown);

    let target = "/api/v1/vendors/vendor-a/quarantine/accept";
    let result = server.send("POST", target, "", b"").await.json();
    assert_eq!(result["status"], "OK", "{result}");
    assert_eq!(result["received"], 1);
    assert_eq!(result["changed"], 1);
    assert_eq!(quarantine(&server).await, Value::Null);
}
