//! `GET /metrics`: everything that is counted, and what is read at the moment of asking.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use domain::ports::{ChangeFeedLag, InFlight, InFlightQueries, StoreError, StoreProbe};
use prometheus::{Gauge, IntCounter, Registry, TextEncoder};
use readiness::Cached;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::{InvalidMetric, Metrics, process};

/// The text format of Prometheus.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Longest wait for the store: a page without the outbox is worth more than none.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The outbox's entries are counted up to here, so that an outbox that grows does not make the counting slow.
const MOST_ENTRIES: u32 = 100_000;

/// The store's gauges are read at most this often: counting the outbox is work for the store, and where there are no keys
/// everyone may request the page.
const STORE_GAUGES_INTERVAL: Duration = Duration::from_secs(5);

/// The units in flight are read at most this often, however often the page is: every position is read for it.
const IN_FLIGHT_INTERVAL: Duration = Duration::from_secs(15);

/// The page of one process.
#[derive(Clone)]
pub struct MetricsPage {
    metrics: Arc<Metrics>,
    probe: Arc<dyn StoreProbe>,
    store_gauges: Arc<Cached<Option<StoreGauges>>>,
    in_flight: Option<Arc<InFlightReader>>,
}

/// Reads the units in flight, and keeps them for [`IN_FLIGHT_INTERVAL`].
struct InFlightReader {
    queries: Arc<dyn InFlightQueries>,
    last: Mutex<Option<(Instant, Option<InFlight>)>>,
}

impl InFlightReader {
    /// None if the last attempt to read them failed.
    async fn read(&self) -> Option<InFlight> {
        let mut last = self.last.lock().await;
        if let Some((at, value)) = *last
            && at.elapsed() < IN_FLIGHT_INTERVAL
        {
            return value;
        }
        let read = tokio::time::timeout(STORE_TIMEOUT, self.queries.in_flight()).await;
        let value = match read {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                warn!(%error, "the units in flight cannot be read; the metrics lack them");
                None
            }
            Err(_) => {
                let timeout_ms = STORE_TIMEOUT.as_millis();
                warn!(
                    timeout_ms,
                    "the units in flight cannot be read in time; the metrics lack them"
                );
                None
            }
        };
        *last = Some((Instant::now(), value));
        value
    }
}

/// What is read of the store.
#[derive(Clone, Copy)]
struct StoreGauges {
    outbox_entries: u64,
    outbox_oldest_age: Duration,
    dead_letters: u64,
    change_feed: ChangeFeedLag,
}

impl MetricsPage {
    /// What the process counts, and the store whose outbox is shown beside it.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, probe: Arc<dyn StoreProbe>) -> Self {
        Self {
            metrics,
            probe,
            store_gauges: Arc::new(Cached::new(STORE_GAUGES_INTERVAL)),
            in_flight: None,
        }
    }

    /// Reads the store's gauges at other intervals than 5 s.
    #[must_use]
    pub fn with_store_gauges_interval(mut self, interval: Duration) -> Self {
        self.store_gauges = Arc::new(Cached::new(interval));
        self
    }

    /// Shows the units in flight too.
    #[must_use]
    pub fn with_in_flight(mut self, queries: Arc<dyn InFlightQueries>) -> Self {
        self.in_flight = Some(Arc::new(InFlightReader {
            queries,
            last: Mutex::default(),
        }));
        self
    }

    /// What the process counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The answer to `GET /metrics`. Without the store, its gauges are left out.
    pub async fn response(&self) -> HttpResponse {
        let gauges = self.store_gauges.get(self.read_store_gauges()).await;
        let in_flight = match &self.in_flight {
            Some(reader) => reader.read().await,
            None => None,
        };
        match self.render(gauges, in_flight) {
            Ok(text) => HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, MEDIA_TYPE))
                .body(text),
            Err(error) => {
                error!(%error, "the metrics cannot be rendered");
                HttpResponse::ServiceUnavailable().finish()
            }
        }
    }

    async fn read_store_gauges(&self) -> Option<StoreGauges> {
        match tokio::time::timeout(STORE_TIMEOUT, self.count()).await {
            Ok(Ok(gauges)) => Some(gauges),
            Ok(Err(error)) => {
                warn!(%error, "the metrics lack the store's gauges: the store failed");
                None
            }
            Err(_) => {
                let timeout_ms = STORE_TIMEOUT.as_millis();
                warn!(
                    timeout_ms,
                    "the metrics lack the store's gauges: the store did not respond in time"
                );
                None
            }
        }
    }

    async fn count(&self) -> Result<StoreGauges, StoreError> {
        let outbox_entries = self.probe.count_outbox(MOST_ENTRIES).await?;
        let lag = self.probe.outbox_lag().await?;
        Ok(StoreGauges {
            outbox_entries,
            outbox_oldest_age: lag.oldest.unwrap_or_default(),
            dead_letters: self.probe.count_dead_letters(MOST_ENTRIES).await?,
            change_feed: self.probe.change_feed_lag().await?,
        })
    }

    fn render(
        &self,
        store: Option<StoreGauges>,
        in_flight: Option<InFlight>,
    ) -> Result<String, InvalidMetric> {
        let now = Registry::new();
        if let Some(store) = store {
            let entries = u32::try_from(store.outbox_entries).unwrap_or(u32::MAX);
            let dead_letters = u32::try_from(store.dead_letters).unwrap_or(u32::MAX);
            let seconds = |age: Option<Duration>| age.unwrap_or_default().as_secs_f64();
            for (name, help, value) in [
                (
                    "aggregator_outbox_entries",
                    "Entries in the outbox, one for the orders of a transaction, counted up to 100000; the same for all processes of a deployment.",
                    f64::from(entries),
                ),
                (
                    "aggregator_outbox_oldest_age_seconds",
                    "Age of the oldest entry in the outbox, 0 if it is empty; the same for all processes of a deployment.",
                    store.outbox_oldest_age.as_secs_f64(),
                ),
                (
                    "aggregator_change_feed_held_back_seconds",
                    "Age of the oldest committed change that events cannot show yet, because a transaction that began before it is still open; 0 if there is none.",
                    seconds(store.change_feed.held_back),
                ),
                (
                    "aggregator_oldest_transaction_age_seconds",
                    "Age of the oldest open transaction with a write, in any database of the server; 0 if there is none, or this role may not see it.",
                    seconds(store.change_feed.oldest_transaction),
                ),
                (
                    "aggregator_dead_letters",
                    "Orders that settlement gave up and that are still PENDING, counted up to 100000; the same for all processes of a deployment.",
                    f64::from(dead_letters),
                ),
            ] {
                let gauge = Gauge::new(name, help)?;
                gauge.set(value);
                now.register(Box::new(gauge))?;
            }
        }
        if let Some(in_flight) = in_flight {
            register_in_flight(&now, in_flight)?;
        }
        let unreadable = IntCounter::new(
            "aggregator_unreadable_rows_total",
            "Rows of the store that this process left out because they cannot be read, each time that it met them.",
        )?;
        unreadable.inc_by(self.probe.unreadable_rows());
        now.register(Box::new(unreadable))?;
        process::read_into(&now)?;
        let mut families = self.metrics.gather();
        families.extend(now.gather());
        TextEncoder::new().encode_to_string(&families)
    }
}

fn register_in_flight(registry: &Registry, in_flight: InFlight) -> Result<(), InvalidMetric> {
    let seconds = |age: Option<Duration>| age.unwrap_or_default().as_secs_f64();
    // A gauge is a float: beyond 2^53 units the last digits are lost.
    #[allow(clippy::cast_precision_loss)]
    let units = in_flight.units as f64;
    for (name, help, value) in [
        (
            "aggregator_units_in_flight",
            "Units that are sold and that no vendor's report is proven to include, read at most every 15 seconds; the same for all processes of a deployment.",
            units,
        ),
        (
            "aggregator_oldest_confirmed_order_age_seconds",
            "Time since the oldest CONFIRMED order was accepted, 0 without one; the same for all processes of a deployment.",
            seconds(in_flight.oldest_confirmed),
        ),
        (
            "aggregator_oldest_shipment_in_flight_age_seconds",
            "Time since the oldest shipment that no vendor's report is proven to include, 0 without one; the same for all processes of a deployment.",
            seconds(in_flight.oldest_shipped),
        ),
    ] {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        registry.register(Box::new(gauge))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use domain::identifiers::{OrderId, ProductId, VendorId};
    use domain::order::RejectReason;
    use domain::ports::{
        Backlog, MockInFlightQueries, MockStoreProbe, Observer as _, OutboxLag, SyncOutcome,
    };
    use domain::settlement::{Outcome, SettledBatch, SettledOrder};

    use super::*;
    use crate::NO_ROUTE;

    fn probe(entries: u64, oldest: Option<Duration>) -> MockStoreProbe {
        let mut probe = MockStoreProbe::new();
        probe.expect_unreadable_rows().return_const(3_u64);
        probe
            .expect_count_outbox()
            .withf(|at_most| *at_most == MOST_ENTRIES)
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
    async fn what_use_cases_do_is_counted() {
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
            ],
        );
    }

    #[tokio::test]
    async fn requests_are_counted_by_method_route_and_status() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let took = Duration::from_millis(4);
        // As two threads of one server have them.
        for recorder in [metrics.http().recorder(), metrics.http().recorder()] {
            recorder.answered("/orders/{id}", "GET", 200, took);
            recorder.answered("/orders/{id}", "GET", 404, took);
            recorder.answered(NO_ROUTE, "BREW", 418, took);
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
    async fn the_outbox_is_counted_once_in_5_s() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut probe = MockStoreProbe::new();
        probe.expect_count_outbox().times(2).returning(|_| Ok(7));
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
    async fn without_the_store_the_page_lacks_the_outbox_and_nothing_else() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut away = MockStoreProbe::new();
        away.expect_unreadable_rows().return_const(0_u64);
        away.expect_count_outbox()
            .returning(|_| Err(StoreError::Unavailable("away".to_owned())));
        let text = text(&metrics, away).await;
        assert!(!text.contains("aggregator_outbox_entries"), "{text}");
        assert_lines(&text, &["aggregator_orders_accepted_total 0"]);
    }

    #[tokio::test(start_paused = true)]
    async fn units_in_flight_are_read_at_most_every_fifteen_seconds() {
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
    async fn the_page_lacks_units_in_flight_that_cannot_be_read() {
        let mut queries = MockInFlightQueries::new();
        queries
            .expect_in_flight()
            .returning(|| Err(StoreError::Unavailable("away".to_owned())));
        let metrics = Arc::new(Metrics::new().unwrap());
        let page = MetricsPage::new(metrics, Arc::new(probe(0, None)));
        let page = page.with_in_flight(Arc::new(queries));
        let bytes = to_bytes(page.response().await.into_body()).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(!text.contains("aggregator_units_in_flight"), "{text}");
        assert_lines(&text, &["aggregator_outbox_entries 0"]);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_process_is_on_the_page() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let text = text(&metrics, probe(0, None)).await;
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_threads",
            "process_start_time_seconds",
        ] {
            let line = text.lines().find_map(|line| {
                let value = line.strip_prefix(name)?.strip_prefix(' ')?;
                value.parse::<f64>().ok()
            });
            assert!(line.is_some_and(|value| value >= 0.0), "{name}\n{text}");
        }
    }
}
