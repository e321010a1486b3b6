//! The log lines of a sync for each class of misbehaviour, with the result that the API shows, and the stock of another vendor.
//! docs/contribute/feed-faults.md lists them.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::guard::{Guard, Share};
use domain::identifiers::ProductId;
use domain::pacing::RetryAfter;
use domain::ports::{FeedError, StockQueries as _, VendorQueries as _};
use domain::report::{Report, ReportKind};
use domain::timestamp::Timestamp;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::builders::{full, vendor};
use crate::expected::Expected;
use crate::faults::{Failure, Injection};
use crate::fixture::Fixture;
use crate::use_cases::{UseCase, guarded_sync};

/// Keeps the lines of the domain from the level `info` on: the level, the message and the fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("domain::")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        let line = format!("{} {message}:{fields}", event.metadata().level());
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

/// The status of the last sync of `v` and its error, as the API shows them.
async fn last_sync(fixture: &Fixture) -> (&'static str, Option<String>) {
    let vendors = fixture.store.memory.find_vendors(&[vendor("v")]).await;
    let last = vendors.unwrap().remove(0).last_sync.unwrap();
    (last.outcome.status(), last.error)
}

/// The reported units of `p` of the vendors `v` and `w`.
async fn reported(fixture: &Fixture) -> [u32; 2] {
    let found = fixture
        .store
        .memory
        .find_stock(&ProductId::parse("p").unwrap())
        .await;
    let vendors = found.unwrap().unwrap().vendors;
    ["v", "w"].map(|id| {
        let of_vendor = vendors.iter().find(|it| it.vendor_id == vendor(id));
        of_vendor.unwrap().reported
    })
}

/// Runs a sync of `v`, which has 10 units of p, and returns its lines, without those about weak evidence.
async fn logged(fixture: &Fixture, sync: impl Future<Output = Expected>) -> Vec<String> {
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    sync.await;
    drop(guard);
    assert_eq!(reported(fixture).await[1], 3, "the stock of another vendor");
    let mut lines = std::mem::take(&mut *lines.0.lock().unwrap());
    lines.retain(|line| !line.contains("only evidence of the time"));
    lines
}

/// Syncs `v` with this result, which does not change its stock. Returns the lines, and the last sync.
async fn refused(
    result: Result<Report, FeedError>,
) -> (Vec<String>, (&'static str, Option<String>)) {
    let fixture = Fixture::open(100, 10).await;
    fixture.clock.advance(Duration::from_secs(1));
    let guard = Guard {
        max_drop: Some(Share::ZERO),
        ..Guard::default()
    };
    let sync = guarded_sync(&fixture, "v", result, guard);
    let lines = logged(&fixture, sync).await;
    assert_eq!(reported(&fixture).await[0], 10);
    (lines, last_sync(&fixture).await)
}

fn failed(error: &str) -> (&'static str, Option<String>) {
    ("FAILED", Some(error.to_owned()))
}

#[tokio::test]
async fn source_error_is_a_warning_with_the_error() {
    let error = FeedError::Unavailable("the vendor responded with 500".to_owned());
    let (lines, last) = refused(Err(error)).await;
    assert_eq!(
        lines,
        [
            "WARN sync failed; the rest of the vendor's stock is unchanged: vendor.id=v \
             error=vendor v: the vendor responded with 500 changed=0"
        ]
    );
    assert_eq!(last, failed("vendor v: the vendor responded with 500"));
}

#[tokio::test]
async fn malformed_report_is_a_warning_with_the_error() {
    let error = FeedError::Malformed("the document is empty".to_owned().into());
    let (lines, last) = refused(Err(error)).await;
    assert_eq!(
        lines,
        [
            "WARN sync failed; the rest of the vendor's stock is unchanged: vendor.id=v \
             error=vendor v: the report is malformed: the document is empty changed=0"
        ]
    );
    let error = "vendor v: the report is malformed: the document is empty";
    assert_eq!(last, failed(error));
}

#[tokio::test]
async fn retry_later_is_a_warning_with_the_end_of_the_delay_and_one_with_the_error() {
    let error = FeedError::RetryLater {
        reason: "the vendor responded with 503".to_owned(),
        retry_after: RetryAfter::new(Duration::from_mins(1)).unwrap(),
    };
    let (lines, last) = refused(Err(error)).await;
    let [delayed, failure] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let delay = "WARN the vendor sent Retry-After; no request is sent before then: vendor.id=v failures=1 \
                 until=2026-11-23T12:01:01.";
    assert!(delayed.starts_with(delay), "{delayed}");
    assert_eq!(
        failure,
        "WARN sync failed; the rest of the vendor's stock is unchanged: vendor.id=v \
         error=vendor v: the vendor responded with 503 (Retry-After: 60 s) changed=0"
    );
    let error = "vendor v: the vendor responded with 503 (Retry-After: 60 s)";
    assert_eq!(last, failed(error));
}

#[tokio::test]
async fn report_that_is_not_ready_is_an_info_with_the_reason() {
    let reason = "the file stock.csv is empty";
    let (lines, last) = refused(Err(FeedError::NotReady(reason.to_owned()))).await;
    assert_eq!(
        lines,
        [
            "INFO the vendor has not finished its report; the next sync requests it again: vendor.id=v \
             reason=\"the file stock.csv is empty\""
        ]
    );
    assert_eq!(last, ("NOT_READY", Some(reason.to_owned())));
}

#[tokio::test]
async fn stale_report_is_a_warning_with_the_outcome_and_the_reason() {
    let long_ago = Some(Timestamp::from_micros(0));
    let report = Report::parse(ReportKind::Full, long_ago, []).unwrap();
    let (lines, (status, reason)) = refused(Ok(report)).await;
    let reason = reason.unwrap();
    assert_eq!(
        lines,
        [format!(
            "WARN the report was not applied, or to some of its products only: vendor.id=v received=0 outcome=STALE \
             reason={reason:?} changed=0"
        )]
    );
    assert_eq!(status, "STALE");
    assert!(reason.contains("older than the applied report"), "{reason}");
}

#[tokio::test]
async fn quarantined_report_is_a_warning_with_the_verdict() {
    let (lines, last) = refused(Ok(full(&[("p", 9), ("q", 4)]))).await;
    let verdict = "the report would take away 1 of 14 units (7.2 %), more than guard.max_drop = 0";
    assert_eq!(
        lines,
        [format!(
            "WARN the report is in quarantine and changed nothing: a later report that agrees with it is applied, or an \
             operator decides (POST /api/v1/vendors/v/quarantine/accept or …/discard): vendor.id=v \
             received=2 reason=\"{verdict}\""
        )]
    );
    assert_eq!(last, ("QUARANTINED", Some(verdict.to_owned())));
}

/// The report is applied, and the confirmation of the commit is lost.
#[tokio::test]
async fn unknown_outcome_is_a_warning_and_is_not_recorded_as_a_failure() {
    let use_case = UseCase::Sync;
    let fixture = use_case.prepare().await;
    fixture.faults.arm(Some(Injection {
        at: use_case.calls().split(',').count(),
        failure: Failure::ReplyLost,
        lasts: false,
    }));
    let lines = logged(&fixture, use_case.run(&fixture)).await;
    assert_eq!(fixture.faults.disarm().failures, 1);
    assert_eq!(
        lines,
        [
            "WARN the outcome of a sync is unknown; the next sync determines it: vendor.id=v \
             error=the outcome of a commit is unknown: injected"
        ]
    );
    assert_eq!(last_sync(&fixture).await, ("OK", None));
    assert_eq!(reported(&fixture).await, [8, 3]);
}
