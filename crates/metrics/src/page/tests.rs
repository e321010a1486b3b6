//! The metrics endpoint with stores that respond and stores that fail.

use actix_web::body::to_bytes;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::RejectReason;
use domain::ports::{
    Backlog, MockInFlightQueries, MockStoreProbe, MockVendorQueries, Observer as _, OutboxLag,
    SyncOutcome,
};
use domain::settlement::{Outcome, SettledBatch, SettledOrder};
use readiness::{
    DeadLetters, Dependencies, Dependency, DependencyState, Readiness, ReadinessProbe,
};

use super::*;
use crate::NO_ROUTE;

fn probe(entries: u64, oldest: Option<Duration>) -> MockStoreProbe {
    let mut probe = MockStoreProbe::new();
    probe.expect_unreadable_rows().return_const(3_u64);
    probe
        .expect_count_outbox()
        .withf(|at_most| *at_most == MAX_COUNTED_ENTRIES)
        .returning(move |_| Ok(entries));
    probe
        .expect_outbox_lag()
        .returning(move || Ok(OutboxLag { oldest }));
    probe.expect_change_feed_lag().returning(|| {
        Ok(ChangeFeedLag {
            held_back: Some(Duration::from_millis(2_500)),
            oldest_transaction: None,
        })
    });
    probe.expect_count_dead_letters().returning(|_| Ok(3));
    let waited = Duration::from_millis(2_750);
    probe.expect_connection_wait().return_const(waited);
    probe
}

async fn text(metrics: &Arc<Metrics>, probe: MockStoreProbe) -> String {
    let page = MetricsPage::new(Arc::clone(metrics), Arc::new(probe));
    let response = page.response().await;
    assert_eq!(response.status(), 200);
    let kind = response.headers().get(header::CONTENT_TYPE).unwrap();
    assert_eq!(kind, MEDIA_TYPE);
    let bytes = to_bytes(response.into_body()).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn events_of_the_use_cases_are_counted() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let order = |id: i64, outcome: Outcome| SettledOrder {
        id: OrderId(id),
        product_id: ProductId::parse("p").unwrap(),
        outcome,
    };
    let rejected = |id, reason| order(id, Outcome::Rejected(reason));
    let batch = SettledBatch {
        orders: vec![
            order(1, Outcome::Confirmed(Vec::new())),
            order(2, Outcome::Confirmed(Vec::new())),
            rejected(3, RejectReason::InsufficientStock),
        ],
        stock: Vec::new(),
    };
    metrics.accepted(5);
    metrics.settled(&batch, Duration::from_millis(3));
    metrics.dead_lettered(1);
    metrics.backlog(&Backlog {
        waiting: 9,
        surplus: 2,
        dead: 1,
    });
    metrics.relayed(4, 2);
    let vendor_id = VendorId::parse("vendor \"a\"").unwrap();
    metrics.synced(&vendor_id, SyncOutcome::Failed, Duration::from_secs(1));
    let text = text(&metrics, probe(7, Some(Duration::from_millis(1_500)))).await;
    assert_lines(
        &text,
        &[
            "# TYPE aggregator_orders_accepted_total counter",
            "aggregator_orders_accepted_total 5",
            "aggregator_orders_settled_total{outcome=\"CONFIRMED\"} 2",
            "aggregator_orders_settled_total{outcome=\"INSUFFICIENT_STOCK\"} 1",
            "aggregator_orders_settled_total{outcome=\"UNKNOWN_PRODUCT\"} 0",
            "aggregator_settlement_batch_orders_sum 3",
            "aggregator_settlement_batch_orders_count 1",
            "aggregator_settlement_duration_seconds_bucket{le=\"0.002\"} 0",
            "aggregator_settlement_duration_seconds_bucket{le=\"0.004\"} 1",
            "aggregator_orders_dead_lettered_total 1",
            "aggregator_orders_published_total 4",
            "aggregator_orders_unconfirmed_total 2",
            "aggregator_vendor_syncs_total{outcome=\"FAILED\",vendor_id=\"vendor \\\"a\\\"\"} 1",
            "aggregator_vendor_sync_duration_seconds_count{vendor_id=\"vendor \\\"a\\\"\"} 1",
            "aggregator_outbox_entries 7",
            "aggregator_dead_letters 3",
            "aggregator_queue_messages{state=\"waiting\"} 9",
            "aggregator_queue_messages{state=\"surplus\"} 2",
            "aggregator_queue_messages{state=\"dead\"} 1",
            "aggregator_outbox_oldest_age_seconds 1.5",
            "aggregator_change_feed_held_back_seconds 2.5",
            "aggregator_oldest_transaction_age_seconds 0",
            "aggregator_database_wait_seconds_total 2.75",
        ],
    );
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let took = Duration::from_millis(4);
    // As on two threads of one server.
    for recorder in [metrics.http().recorder(), metrics.http().recorder()] {
        recorder.record("/orders/{id}", "GET", 200, took);
        recorder.record("/orders/{id}", "GET", 404, took);
        recorder.record(NO_ROUTE, "BREW", 418, took);
    }
    let text = text(&metrics, probe(0, None)).await;
    assert_lines(
        &text,
        &[
            "http_requests_total{method=\"GET\",route=\"/orders/{id}\",status=\"200\"} 2",
            "http_requests_total{method=\"GET\",route=\"/orders/{id}\",status=\"404\"} 2",
            "http_requests_total{method=\"other\",route=\"none\",status=\"418\"} 2",
            "http_request_duration_seconds_bucket{method=\"GET\",route=\"/orders/{id}\",le=\"0.0025\"} 0",
            "http_request_duration_seconds_bucket{method=\"GET\",route=\"/orders/{id}\",le=\"0.005\"} 4",
            "aggregator_outbox_oldest_age_seconds 0",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn store_gauges_are_read_at_most_every_5_s() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut probe = MockStoreProbe::new();
    probe.expect_unreadable_rows().return_const(0_u64);
    probe.expect_connection_wait().return_const(Duration::ZERO);
    probe.expect_count_outbox().times(2).returning(|_| Ok(7));
    probe
        .expect_count_dead_letters()
        .times(2)
        .returning(|_| Ok(0));
    probe
        .expect_outbox_lag()
        .times(2)
        .returning(|| Ok(OutboxLag { oldest: None }));
    probe
        .expect_change_feed_lag()
        .times(2)
        .returning(|| Ok(ChangeFeedLag::default()));
    let page = MetricsPage::new(metrics, Arc::new(probe));
    for _ in 0..10 {
        assert_eq!(page.response().await.status(), 200);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(page.response().await.status(), 200);
}

#[tokio::test]
async fn build_of_the_program_is_a_metric() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let page = MetricsPage::new(Arc::clone(&metrics), Arc::new(probe(0, None)));
    let build = BuildInfo {
        version: "1.2.3",
        commit: Some("0123456789ab"),
    };
    for (page, line) in [
        (
            page.clone().with_build(build),
            r#"aggregator_build_info{commit="0123456789ab",version="1.2.3"} 1"#.to_owned(),
        ),
        (
            page,
            format!(
                r#"aggregator_build_info{{commit="unknown",version="{}"}} 1"#,
                env!("CARGO_PKG_VERSION")
            ),
        ),
    ] {
        let bytes = to_bytes(page.response().await.into_body()).await.unwrap();
        assert_lines(&String::from_utf8_lossy(&bytes), &[line.as_str()]);
    }
}

#[tokio::test]
async fn store_gauges_are_omitted_while_the_store_is_unavailable() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut failing = MockStoreProbe::new();
    failing.expect_unreadable_rows().return_const(0_u64);
    failing
        .expect_connection_wait()
        .return_const(Duration::ZERO);
    failing
        .expect_count_outbox()
        .returning(|_| Err(StoreError::Unavailable("refused".to_owned())));
    let text = text(&metrics, failing).await;
    assert!(!text.contains("aggregator_outbox_entries"), "{text}");
    assert_lines(&text, &["aggregator_orders_accepted_total 0"]);
}

#[tokio::test(start_paused = true)]
async fn units_in_flight_are_read_at_most_every_15_s() {
    let mut queries = MockInFlightQueries::new();
    let mut reads = 0;
    queries.expect_in_flight().returning(move || {
        reads += 1;
        Ok(InFlight {
            units: 40 + reads,
            oldest_confirmed: Some(Duration::from_secs(90)),
            oldest_shipped: None,
        })
    });
    let metrics = Arc::new(Metrics::new().unwrap());
    let page = MetricsPage::new(metrics, Arc::new(probe(0, None)));
    let page = page.with_in_flight(Arc::new(queries));
    let read = async || {
        let bytes = to_bytes(page.response().await.into_body()).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let first = [
        "aggregator_units_in_flight 41",
        "aggregator_oldest_confirmed_order_age_seconds 90",
        "aggregator_oldest_shipment_in_flight_age_seconds 0",
    ];
    assert_lines(&read().await, &first);
    assert_lines(&read().await, &first);
    tokio::time::advance(IN_FLIGHT_INTERVAL).await;
    assert_lines(&read().await, &["aggregator_units_in_flight 42"]);
}

#[tokio::test]
async fn units_in_flight_are_omitted_if_they_cannot_be_read() {
    let mut queries = MockInFlightQueries::new();
    queries
        .expect_in_flight()
        .returning(|| Err(StoreError::Unavailable("refused".to_owned())));
    let metrics = Arc::new(Metrics::new().unwrap());
    let page = MetricsPage::new(metrics, Arc::new(probe(0, None)));
    let page = page.with_in_flight(Arc::new(queries));
    let bytes = to_bytes(page.response().await.into_body()).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(!text.contains("aggregator_units_in_flight"), "{text}");
    assert_lines(&text, &["aggregator_outbox_entries 0"]);
}

fn vendor(id: &str, age: Option<Duration>) -> VendorStatus {
    VendorStatus {
        vendor_id: VendorId::parse(id).unwrap(),
        products: 2,
        last_sync: None,
        proof: None,
        age,
        clock_skew_ms: None,
        is_expired: false,
        quarantined: None,
    }
}

#[tokio::test(start_paused = true)]
async fn vendors_are_read_at_most_every_15_s_and_have_an_age_if_one_is_proven() {
    let mut queries = MockVendorQueries::new();
    let known = vec![
        vendor("a", Some(Duration::from_secs(75))),
        vendor("b", None),
    ];
    queries
        .expect_find_vendors()
        .times(2)
        .returning(move |_| Ok(known.clone()));
    let ids = vec![VendorId::parse("a").unwrap(), VendorId::parse("b").unwrap()];
    let page = MetricsPage::new(Arc::new(Metrics::new().unwrap()), Arc::new(probe(0, None)));
    let page = page.with_vendors(Arc::new(queries), ids);
    let read = async || {
        let bytes = to_bytes(page.response().await.into_body()).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let text = read().await;
    assert_lines(
        &text,
        &[
            "aggregator_vendor_report_age_seconds{vendor_id=\"a\"} 75",
            "aggregator_vendor_quarantined{vendor_id=\"a\"} 0",
            "aggregator_vendor_quarantined{vendor_id=\"b\"} 0",
        ],
    );
    let unproven = "aggregator_vendor_report_age_seconds{vendor_id=\"b\"}";
    assert!(!text.contains(unproven), "{text}");
    read().await;
    tokio::time::advance(IN_FLIGHT_INTERVAL).await;
    read().await;
}

struct FixedReadiness(DependencyState);

#[async_trait::async_trait]
impl ReadinessProbe for FixedReadiness {
    async fn readiness(&self) -> Readiness {
        let broker = Dependency {
            state: self.0,
            detail: None,
        };
        Readiness {
            closed: None,
            dependencies: Dependencies {
                database: Dependency::up(),
                broker,
            },
            outbox_lag: None,
            change_feed: None,
            dead_letters: DeadLetters::default(),
            queues: None,
            tasks: None,
        }
    }
}

#[tokio::test]
async fn readiness_is_that_of_readyz() {
    for (state, line) in [
        (DependencyState::Up, "aggregator_ready 1"),
        (DependencyState::Down, "aggregator_ready 0"),
    ] {
        let metrics = Arc::new(Metrics::new().unwrap());
        let page = MetricsPage::new(metrics, Arc::new(probe(0, None)));
        let page = page.with_readiness(Arc::new(FixedReadiness(state)));
        let bytes = to_bytes(page.response().await.into_body()).await.unwrap();
        assert_lines(std::str::from_utf8(&bytes).unwrap(), &[line]);
    }
}
