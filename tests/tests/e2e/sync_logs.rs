//! Each class of misbehaviour of a vendor as an operator sees it: the log line of the process, the last sync of the API, and
//! the stock of another vendor. docs/contribute/feed-faults.md lists the classes.

use client::{SyncResult, SyncStatus};
use mock_vendor::{Fault, MockVendor};
use serde_json::Value;
use tests::{Standalone, admin, assert_contains, eventually, vendor_settings};

const FAILED: &str = "sync failed; the rest of the vendor's stock is unchanged";

/// A process with JSON logs, a vendor `faulty` with 10 units each of the products p and q, a vendor `filed` with a file, and
/// a vendor `steady` with 5 units of r. They are synced once at the start, and on demand.
struct Fixture {
    standalone: Standalone,
    faulty: MockVendor,
    _steady: MockVendor,
    directory: tempfile::TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("stock.csv"), "SKU,Qty\ns,7\n").unwrap();
        let faulty = MockVendor::start_local([("p", 10), ("q", 10)]).unwrap();
        faulty.set_as_of(Some("2020-01-02T00:00:00Z"));
        let steady = MockVendor::start_local([("r", 5)]).unwrap();
        let as_of = "retries = 0\n[vendors.format]\nitems = \"/items\"\nas_of = \"/as_of\"\n\
                     [vendors.guard]\nmax_drop = 0.5\n";
        let file = format!(
            "\n[[vendors]]\nid = \"filed\"\nsync_interval = \"24h\"\n\
             source = {{ type = \"file\", url = \"file://{}/stock.csv\" }}\nformat = {{ type = \"csv\" }}\n\
             fields = {{ product_id = \"SKU\", quantity = \"Qty\" }}\n",
            directory.path().display()
        );
        let settings = [
            "[telemetry]\nformat = \"json\"\n",
            &vendor_settings("faulty", &faulty.url(), "24h", as_of),
            &vendor_settings("steady", &steady.url(), "24h", ""),
            &file,
        ];
        Self {
            standalone: Standalone::start_with(&settings.concat()).await,
            faulty,
            _steady: steady,
            directory,
        }
    }

    /// Syncs a vendor. Returns its last sync, and the log line with this message: its level and its fields.
    async fn sync(&self, vendor_id: &str, message: &str) -> (SyncResult, Value) {
        let client = self.standalone.client();
        let before = self.lines(vendor_id, message).len();
        // A sync that fails is an error response.
        let _ = client.api.sync_vendor(vendor_id).await;
        let line = eventually("the sync is logged", async || {
            let lines = self.lines(vendor_id, message);
            lines.into_iter().nth(before)
        })
        .await;
        for (product, units) in [("p", 10), ("q", 10), ("r", 5), ("s", 7)] {
            assert_eq!(client.quantity(product).await, units, "{product}");
        }
        let vendors = client.api.vendors().collect().await.unwrap();
        let mut vendors = vendors.into_iter();
        let vendor = vendors.find(|it| it.vendor_id == vendor_id).unwrap();
        (vendor.last_sync, line)
    }

    fn lines(&self, vendor_id: &str, message: &str) -> Vec<Value> {
        lines(&self.standalone, vendor_id, message)
    }

    /// Syncs `faulty`, which fails with this error.
    async fn assert_failed(&self, error: &str) {
        let (last, line) = self.sync("faulty", FAILED).await;
        assert_eq!(last.status, SyncStatus::Failed);
        assert_eq!(last.error.as_deref(), Some(error));
        assert_eq!(last.changed, Some(0));
        assert_eq!(
            (&line["level"], &line["error"]),
            (&"WARN".into(), &error.into())
        );
        assert_eq!(line["changed"], 0);
    }
}

/// The log lines about a vendor with this message.
fn lines(standalone: &Standalone, vendor_id: &str, message: &str) -> Vec<Value> {
    let log = standalone.process.log();
    // The banner is among them, and the last line may be incomplete.
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["vendor.id"] == vendor_id && line["message"] == message)
        .collect()
}

#[tokio::test]
async fn each_misbehaviour_has_its_log_line_and_last_sync_and_affects_no_other_vendor() {
    let fixture = Fixture::start().await;
    let faulty = &fixture.faulty;

    faulty.set_fault(Fault::Status { status: 500 });
    let error = "vendor faulty: the vendor responded with 500 Internal Server Error";
    fixture.assert_failed(error).await;

    faulty.set_fault(Fault::Body {
        body: r#"{"as_of": "2020-01-02T00:00:00Z", "items": [{"productId": "p", "quantity": -1}]}"#
            .to_owned(),
    });
    let error = "vendor faulty: the report is malformed: item 1: /quantity is -1, below 0 \
                 (rules.negative = \"zero\" would read it as 0)";
    fixture.assert_failed(error).await;

    faulty.set_fault(Fault::None);
    faulty.set_as_of(Some("2020-01-01T00:00:00Z"));
    let message = "the report was not applied, or to some of its products only";
    let (last, line) = fixture.sync("faulty", message).await;
    assert_eq!(last.status, SyncStatus::Stale);
    assert_eq!(
        (&line["level"], &line["outcome"]),
        (&"WARN".into(), &"STALE".into())
    );
    assert_eq!(line["reason"].as_str(), last.error.as_deref());
    assert!(
        last.error
            .unwrap()
            .contains("older than the applied report")
    );

    faulty.set_as_of(Some("2020-01-03T00:00:00Z"));
    faulty.set_stock([("p", 1), ("q", 1)]);
    let message = "the report is in quarantine and changed nothing: a later report that agrees with it is applied, or an \
                   operator decides (POST /api/v1/vendors/faulty/quarantine/accept or …/discard)";
    let (last, line) = fixture.sync("faulty", message).await;
    let verdict =
        "the report would take away 18 of 20 units (90 %), more than guard.max_drop = 0.5";
    assert_eq!(last.status, SyncStatus::Quarantined);
    assert_eq!(last.error.as_deref(), Some(verdict));
    assert_eq!(
        (&line["level"], &line["reason"]),
        (&"WARN".into(), &verdict.into())
    );

    std::fs::write(fixture.directory.path().join("stock.csv"), "").unwrap();
    let message = "the vendor has not finished its report; the next sync requests it again";
    let (last, line) = fixture.sync("filed", message).await;
    assert_eq!(last.status, SyncStatus::NotReady);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["reason"].as_str(), last.error.as_deref());
    assert!(last.error.unwrap().contains("stock.csv is empty"));

    faulty.set_fault(Fault::RetryAfter {
        status: 503,
        value: "60".to_owned(),
    });
    let error =
        "vendor faulty: the vendor responded with 503 Service Unavailable (Retry-After: 60 s)";
    fixture.assert_failed(error).await;
    let delayed = "the vendor sent Retry-After; no request is sent before then";
    let delayed = &fixture.lines("faulty", delayed)[0];
    assert_eq!(
        (&delayed["level"], &delayed["failures"]),
        (&"WARN".into(), &1.into())
    );
    assert!(delayed["until"].is_string(), "{delayed}");
    fixture.standalone.audit().await;
}

/// Waits for a log line about the vendor `acme` with this message.
async fn logged(standalone: &Standalone, message: &str) -> Value {
    eventually("the line is logged", async || {
        lines(standalone, "acme", message).pop()
    })
    .await
}

#[tokio::test]
async fn pause_of_an_operator_and_delay_after_failures_have_lines_of_their_own() {
    let vendor = MockVendor::start_local([("p", 10)]).unwrap();
    vendor.set_fault(Fault::Status { status: 500 });
    let vendor_settings = vendor_settings("acme", &vendor.url(), "1s", "retries = 0\n");
    let settings = format!("[telemetry]\nformat = \"json\"\n{vendor_settings}");
    let mut standalone = Standalone::start_with(&settings).await;
    let delayed = "the vendor's syncs failed, so its next scheduled sync is delayed; a sync that succeeds ends the delay";
    let line = logged(&standalone, delayed).await;
    assert_eq!(line["level"], "INFO");
    assert!(line["failures"].is_u64() && line["next_attempt_at"].is_string());

    assert!(standalone.process.terminate().await);
    let data = standalone.data();
    let data = data.to_str().unwrap();
    for reason in [&["--reason", "moving"][..], &[]] {
        let command = [&["vendor", "pause", "acme", "--data", data], reason].concat();
        let printed = admin::succeed(&command, &[]).await;
        assert_contains(
            &printed,
            "vendor acme: an operator paused its scheduled syncs at ",
        );
        assert_contains(&printed, " (moving); `vendor resume` ends the pause\n");
    }
    standalone.restart().await;
    let paused = "an operator paused the scheduled syncs of the vendor; POST /api/v1/vendors/acme/resume ends the pause";
    let line = logged(&standalone, paused).await;
    assert_eq!(
        (&line["level"], &line["reason"]),
        (&"INFO".into(), &"moving".into())
    );
    let runs = ["vendor", "runs", "--vendor", "acme", "--data", data];
    let printed = admin::succeed(&runs, &[]).await;
    assert_contains(
        &printed,
        "vendor acme: an operator paused its scheduled syncs at ",
    );
    assert_contains(&printed, " failed; the next scheduled sync is ");
}
