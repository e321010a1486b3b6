//! Traces: one order across all processes, as a collector receives it.

use reqwest::header::HeaderMap;
use tests::{CollectedSpan, Collector, Deployment, Standalone, assert_contains, eventually};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER_ID: &str = "b7ad6b7169203331";

const PICTURE_WIDTH: u64 = 64;

/// The names of the spans of an order, in the order in which they begin, each below the parent that is named before it.
const EXPECTED: [(&str, &str); 11] = [
    ("POST /api/v1/orders", ""),
    ("accept orders", "POST /api/v1/orders"),
    ("insert orders", "accept orders"),
    ("commit orders", "accept orders"),
    ("publish orders", "POST /api/v1/orders"),
    ("claim outbox entries", "publish orders"),
    ("publish and confirm", "publish orders"),
    ("settle orders", "publish orders"),
    ("lock orders and stock", "settle orders"),
    ("save settlement", "settle orders"),
    ("commit settlement", "settle orders"),
];

/// Places an order and waits for its settlement. Returns its id.
async fn place(url: &str, traceparent: Option<&str>) -> i64 {
    // Fails if a provider is installed already, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    headers.insert("prefer", "wait=20".parse().unwrap());
    if let Some(traceparent) = traceparent {
        headers.insert("traceparent", traceparent.parse().unwrap());
    }
    let request = reqwest::Client::new().post(format!("{url}/api/v1/orders"));
    let body = r#"{"product_id":"product-1","quantity":1}"#;
    let request = request.headers(headers).body(body);
    let response = request.header("content-type", "application/json").send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 201);
    let order: serde_json::Value = response.json().await.unwrap();
    order["id"].as_i64().unwrap()
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE_ID}-{CALLER_ID}-{flags}")
}

/// Waits for the spans of the trace until those of [`EXPECTED`] are there.
async fn trace(collector: &Collector) -> Vec<CollectedSpan> {
    let mut spans = eventually("the trace is complete", async || {
        let mut spans = collector.spans();
        spans.retain(|span| span.trace_id == TRACE_ID);
        let is_there = |(name, _): &(&str, &str)| spans.iter().any(|span| span.name == *name);
        EXPECTED.iter().all(is_there).then_some(spans)
    })
    .await;
    spans.sort_by_key(|span| (span.started_ns, u64::MAX - span.ended_ns));
    print_picture(&spans);
    spans
}

/// Prints the spans as bars below a scale; the first span has [`PICTURE_WIDTH`] characters.
fn print_picture(spans: &[CollectedSpan]) {
    let (first, last) = (spans[0].started_ns, spans[0].ended_ns);
    let column = |ns: u64| {
        let share = ns.saturating_sub(first) * PICTURE_WIDTH / (last - first);
        usize::try_from(share).unwrap()
    };
    println!("{:>30}0 to {} µs", "", (last - first) / 1_000);
    for span in spans {
        let (start, end) = (column(span.started_ns), column(span.ended_ns));
        println!(
            "{:<7}{:<23}{}{}",
            span.service
                .trim_start_matches("order-aggregator")
                .trim_start_matches('-'),
            span.name,
            " ".repeat(start),
            "█".repeat(end.saturating_sub(start).max(1))
        );
    }
}

/// Asserts that the spans form one tree below the caller's span, and returns them by name.
fn assert_tree(spans: &[CollectedSpan]) -> impl Fn(&str) -> CollectedSpan + use<'_> {
    let named = move |name: &str| {
        let mut found = spans.iter().filter(|span| span.name == name);
        let first = found.next();
        let first = first.unwrap_or_else(|| panic!("no span {name}: {spans:#?}"));
        assert!(found.next().is_none(), "more than one span {name}");
        first.clone()
    };
    for (name, parent) in EXPECTED {
        let expected = match parent {
            "" => CALLER_ID.to_owned(),
            parent => named(parent).span_id,
        };
        assert_eq!(named(name).parent_id, expected, "{name}");
    }
    named
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_order_is_one_trace_across_api_and_worker() {
    let collector = Collector::start();
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("product-1", 10)])
        .variable(
            "AGGREGATOR__TELEMETRY__TRACES__ENDPOINT",
            &collector.endpoint(),
        )
        .variable("AGGREGATOR__TELEMETRY__TRACES__SAMPLE_RATIO", "0")
        .start()
        .await;
    let client = deployment.client(0);
    let url = client.url();
    place(url, None).await;
    place(url, Some(&traceparent("00"))).await;
    let id = place(url, Some(&traceparent("01"))).await;
    let spans = trace(&collector).await;
    let named = assert_tree(&spans);

    let services = |name: &str| named(name).service;
    assert_eq!(services("accept orders"), "order-aggregator-api");
    assert_eq!(services("settle orders"), "order-aggregator-worker");
    let kinds = [
        ("POST /api/v1/orders", "SPAN_KIND_SERVER"),
        ("accept orders", "SPAN_KIND_INTERNAL"),
        ("publish orders", "SPAN_KIND_PRODUCER"),
        ("settle orders", "SPAN_KIND_CONSUMER"),
        ("commit settlement", "SPAN_KIND_CLIENT"),
    ];
    for (name, kind) in kinds {
        assert_eq!(named(name).kind, kind, "{name}");
    }
    for (name, attribute, expected) in [
        ("POST /api/v1/orders", "http.request.method", "POST"),
        ("POST /api/v1/orders", "http.route", "/api/v1/orders"),
        ("POST /api/v1/orders", "http.response.status_code", "201"),
        ("POST /api/v1/orders", "url.path", "/api/v1/orders"),
        ("insert orders", "db.system.name", "postgresql"),
        ("publish orders", "messaging.system", "rabbitmq"),
        ("publish orders", "messaging.operation.type", "send"),
        ("settle orders", "messaging.operation.type", "process"),
        ("settle orders", "order.id", &id.to_string()),
    ] {
        let value = named(name).attributes.get(attribute).cloned();
        assert_eq!(value.as_deref(), Some(expected), "{name}: {attribute}");
    }
    let request = named("POST /api/v1/orders");
    assert!(named("commit settlement").ended_ns <= request.ended_ns);
    assert!(!request.is_error);

    // Only the sampled request was recorded; each stage has also one span of its batch, with a link.
    let all = collector.spans();
    let requests = all.iter().filter(|span| span.name.starts_with("POST"));
    assert_eq!(requests.count(), 1);
    let settled = named("settle orders").span_id;
    let of_batch = all
        .iter()
        .find(|span| span.linked_ids == [settled.as_str()]);
    assert!(of_batch.unwrap().trace_id != TRACE_ID);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_deployment_records_the_same_trace() {
    let collector = Collector::start();
    let settings = format!(
        "[telemetry.traces]\nendpoint = \"{}/\"\nsample_ratio = 0.0\n",
        collector.endpoint()
    );
    let standalone = Standalone::start(&[("vendor-a", &[("product-1", 10)])], &settings).await;
    let id = place(&standalone.url(), Some(&traceparent("01"))).await;
    let spans = trace(&collector).await;
    let named = assert_tree(&spans);
    let insert = named("insert orders");
    assert_eq!(insert.service, "order-aggregator");
    assert_eq!(insert.attributes["db.system.name"], "sqlite");
    let settle = named("settle orders");
    assert_eq!(settle.attributes["order.id"], id.to_string());
    assert!(!settle.attributes.contains_key("messaging.system"));
}

#[tokio::test]
async fn orders_are_settled_while_the_collector_is_unreachable() {
    let port = tests::free_ports(1)[0];
    let settings =
        format!("[telemetry.traces]\nendpoint = \"http://127.0.0.1:{port}\"\nsample_ratio = 1\n");
    let mut standalone = Standalone::start(&[("vendor-a", &[("product-1", 10)])], &settings).await;
    for _ in 0..3 {
        place(&standalone.url(), None).await;
    }
    eventually("the failure is logged", async || {
        let log = standalone.process.log();
        log.contains("spans cannot be sent").then_some(())
    })
    .await;
    assert!(
        standalone.process.terminate().await,
        "{}",
        standalone.process.log()
    );
    let log = standalone.process.log();
    assert_eq!(log.matches("spans cannot be sent").count(), 1, "{log}");
    assert_contains(&log, "orders are not affected");
}
