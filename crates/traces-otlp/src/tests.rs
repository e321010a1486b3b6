//! Sampling, attributes, and a collector that does not respond.

use domain::timestamp::Timestamp;

use super::*;

/// A collector that cannot be reached; the reserved port 9 of the loopback interface is closed.
fn options(sample_ratio: f64) -> TracerOptions {
    TracerOptions {
        endpoint: Url::parse("http://127.0.0.1:9").unwrap(),
        sample_ratio,
        program: "test",
        version: "1",
        database: "postgresql",
        broker: Some("rabbitmq"),
    }
}

fn tracer(sample_ratio: f64) -> OtlpTracer {
    OtlpTracer::start(&options(sample_ratio)).unwrap()
}

fn span(tracer: &OtlpTracer, kind: SpanKind) -> Span {
    Span {
        context: tracer.new_trace().unwrap(),
        parent: None,
        links: Vec::new(),
        name: "test".into(),
        kind,
        started: Timestamp::EPOCH,
        ended: Timestamp::EPOCH,
        attributes: vec![("order.id", 7_i64.into())],
        is_error: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_of_the_caller_precedes_the_ratio() {
    let caller = |is_sampled| Traceparent {
        parent: random_trace(),
        is_sampled,
    };
    let (never, always) = (tracer(0.0), tracer(1.0));
    let sampled = caller(true);
    let context = never.begin_request(Some(sampled)).unwrap();
    assert_eq!(context.trace_id, sampled.parent.trace_id);
    assert_ne!(context.span_id, sampled.parent.span_id);
    assert_eq!(always.begin_request(Some(caller(false))), None);
    assert_eq!(never.begin_request(None), None);
    assert!(always.begin_request(None).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn ratio_is_the_share_of_recorded_traces() {
    let tracer = tracer(0.25);
    let recorded = (0..10_000).filter(|_| tracer.begin_request(None).is_some());
    let recorded = recorded.count();
    assert!((2_200..2_800).contains(&recorded), "{recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_name_the_database_and_the_broker() {
    let tracer = tracer(1.0);
    let names = |kind| {
        let attributes = tracer.attributes(&span(&tracer, kind));
        let text = |it: &KeyValue| format!("{}={}", it.key, it.value);
        attributes.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(SpanKind::Internal), "order.id=7");
    assert_eq!(
        names(SpanKind::Store),
        "order.id=7 db.system.name=postgresql"
    );
    assert_eq!(
        names(SpanKind::Consumer),
        "order.id=7 messaging.system=rabbitmq messaging.operation.type=process messaging.destination.name=orders"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_discarded_without_waiting_while_no_collector_responds() {
    let tracer = tracer(1.0);
    for _ in 0..3 * MAX_WAITING_SPANS {
        tracer.record(span(&tracer, SpanKind::Internal));
    }
    tokio::task::spawn_blocking(move || tracer.shutdown())
        .await
        .unwrap();
}
