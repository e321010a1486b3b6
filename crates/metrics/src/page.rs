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
mod tests;
