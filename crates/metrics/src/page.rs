//! `GET /metrics`: the metrics of the process, and gauges that are read from the store and the system.

mod vendors;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use domain::identifiers::VendorId;
use domain::ports::{
    ChangeFeedLag, InFlight, InFlightQueries, StoreError, StoreProbe, VendorQueries, VendorStatus,
};
use prometheus::{Counter, Gauge, IntCounter, Registry, TextEncoder};
use readiness::{Cached, ReadinessProbe};
use tracing::{error, warn};

use crate::{BuildInfo, InvalidMetric, Metrics, process};
use vendors::VendorReader;

/// The media type of the Prometheus text format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Timeout of the store's queries; after it the response omits the gauges of the store.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of outbox entries and dead letters that are counted, which bounds the cost of the queries.
const MAX_COUNTED_ENTRIES: u32 = 100_000;

/// Minimum interval between two reads of the store's gauges: the queries load the store, and without API keys every client
/// may request them.
const STORE_GAUGES_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval between two reads of the units in flight, which scan every vendor stock row.
const IN_FLIGHT_INTERVAL: Duration = Duration::from_secs(15);

/// The metrics endpoint of one process. Clones share the cached gauges.
#[derive(Clone)]
pub struct MetricsPage {
    metrics: Arc<Metrics>,
    probe: Arc<dyn StoreProbe>,
    store_gauges: Arc<Cached<Option<StoreGauges>>>,
    in_flight: Option<Arc<InFlightReader>>,
    vendors: Option<Arc<VendorReader>>,
    readiness: Option<Arc<dyn ReadinessProbe>>,
    build: BuildInfo,
}

/// Values that are read for one response.
struct Readings {
    store: Option<StoreGauges>,
    in_flight: Option<InFlight>,
    vendors: Option<Vec<VendorStatus>>,
    is_ready: Option<bool>,
}

/// Reads the units in flight, and caches them for [`IN_FLIGHT_INTERVAL`].
struct InFlightReader {
    queries: Arc<dyn InFlightQueries>,
    last: Cached<Option<InFlight>>,
}

impl InFlightReader {
    /// Returns the units in flight; `None` if the last read failed.
    async fn read(&self) -> Option<InFlight> {
        let read = read_store("the units in flight", self.queries.in_flight());
        self.last.get(read).await
    }
}

/// Waits for a read of the store, but not longer than its timeout. Returns `None` if it fails.
async fn read_store<T>(
    values: &str,
    read: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    let timeout_ms = STORE_TIMEOUT.as_millis();
    match tokio::time::timeout(STORE_TIMEOUT, read).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            warn!(values, %error, "cannot read the store; its metrics are omitted");
            None
        }
        Err(_) => {
            warn!(
                values,
                timeout_ms, "reading the store timed out; its metrics are omitted"
            );
            None
        }
    }
}

/// Gauges that are read from the store.
#[derive(Clone, Copy)]
struct StoreGauges {
    outbox_entries: u64,
    outbox_oldest_age: Duration,
    dead_letters: u64,
    change_feed: ChangeFeedLag,
}

impl MetricsPage {
    /// Creates the endpoint for the metrics of the process and the gauges of the store.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, probe: Arc<dyn StoreProbe>) -> Self {
        Self {
            metrics,
            probe,
            store_gauges: Arc::new(Cached::new(STORE_GAUGES_INTERVAL)),
            in_flight: None,
            vendors: None,
            readiness: None,
            build: BuildInfo::default(),
        }
    }

    /// Sets the build of the program.
    #[must_use]
    pub fn with_build(mut self, build: BuildInfo) -> Self {
        self.build = build;
        self
    }

    /// The build of the program.
    #[must_use]
    pub fn build(&self) -> BuildInfo {
        self.build
    }

    /// Sets the minimum interval between two reads of the store's gauges, which is 5 s by default.
    #[must_use]
    pub fn with_store_gauges_interval(mut self, interval: Duration) -> Self {
        self.store_gauges = Arc::new(Cached::new(interval));
        self
    }

    /// Adds the units in flight.
    #[must_use]
    pub fn with_in_flight(mut self, queries: Arc<dyn InFlightQueries>) -> Self {
        self.in_flight = Some(Arc::new(InFlightReader {
            queries,
            last: Cached::new(IN_FLIGHT_INTERVAL),
        }));
        self
    }

    /// Adds the age of the vendors' stock, and their reports in quarantine.
    #[must_use]
    pub fn with_vendors(
        mut self,
        queries: Arc<dyn VendorQueries>,
        vendor_ids: Vec<VendorId>,
    ) -> Self {
        self.vendors = Some(Arc::new(VendorReader::new(queries, vendor_ids)));
        self
    }

    /// Adds the readiness of the process, as `/readyz` reports it.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Arc<dyn ReadinessProbe>) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// The metrics of the process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The response to `GET /metrics`. If the store is unavailable, its gauges are omitted.
    pub async fn response(&self) -> HttpResponse {
        match self.render(self.read().await) {
            Ok(text) => HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, MEDIA_TYPE))
                .body(text),
            Err(error) => {
                error!(%error, "cannot render the metrics");
                HttpResponse::ServiceUnavailable().finish()
            }
        }
    }

    /// Reads everything concurrently: each read may take until its timeout, and scrapes have deadlines.
    async fn read(&self) -> Readings {
        let in_flight = async {
            match &self.in_flight {
                Some(reader) => reader.read().await,
                None => None,
            }
        };
        let vendors = async {
            match &self.vendors {
                Some(reader) => reader.read().await,
                None => None,
            }
        };
        let is_ready = async {
            match &self.readiness {
                Some(probe) => Some(probe.readiness().await.is_ready()),
                None => None,
            }
        };
        let store = self.store_gauges.get(self.read_store_gauges());
        let (store, in_flight, vendors, is_ready) =
            tokio::join!(store, in_flight, vendors, is_ready);
        Readings {
            store,
            in_flight,
            vendors,
            is_ready,
        }
    }

    async fn read_store_gauges(&self) -> Option<StoreGauges> {
        read_store("the gauges of the store", self.query_store()).await
    }

    async fn query_store(&self) -> Result<StoreGauges, StoreError> {
        let outbox_entries = self.probe.count_outbox(MAX_COUNTED_ENTRIES).await?;
        let lag = self.probe.outbox_lag().await?;
        Ok(StoreGauges {
            outbox_entries,
            outbox_oldest_age: lag.oldest.unwrap_or_default(),
            dead_letters: self.probe.count_dead_letters(MAX_COUNTED_ENTRIES).await?,
            change_feed: self.probe.change_feed_lag().await?,
        })
    }

    fn render(&self, readings: Readings) -> Result<String, InvalidMetric> {
        let current = Registry::new();
        if let Some(store) = readings.store {
            let entries = u32::try_from(store.outbox_entries).unwrap_or(u32::MAX);
            let dead_letters = u32::try_from(store.dead_letters).unwrap_or(u32::MAX);
            let seconds = |age: Option<Duration>| age.unwrap_or_default().as_secs_f64();
            for (name, help, value) in [
                (
                    "aggregator_outbox_entries",
                    "Entries in the outbox, one per transaction that accepted orders, counted up to 100000; the same for all processes of a deployment.",
                    f64::from(entries),
                ),
                (
                    "aggregator_outbox_oldest_age_seconds",
                    "Age of the oldest entry in the outbox, 0 if it is empty; the same for all processes of a deployment.",
                    store.outbox_oldest_age.as_secs_f64(),
                ),
                (
                    "aggregator_change_feed_held_back_seconds",
                    "Age of the oldest committed change that is not in the change feed yet because an earlier transaction is still open; 0 if there is none.",
                    seconds(store.change_feed.held_back),
                ),
                (
                    "aggregator_oldest_transaction_age_seconds",
                    "Age of the oldest open transaction with a write, in any database of the server; 0 if there is none or the role may not see it.",
                    seconds(store.change_feed.oldest_transaction),
                ),
                (
                    "aggregator_dead_letters",
                    "Dead-lettered orders that are still PENDING, counted up to 100000; the same for all processes of a deployment.",
                    f64::from(dead_letters),
                ),
            ] {
                register_gauge(&current, name, help, value)?;
            }
        }
        if let Some(in_flight) = readings.in_flight {
            register_in_flight(&current, in_flight)?;
        }
        if let Some(vendors) = readings.vendors {
            vendors::register(&current, &vendors)?;
        }
        if let Some(is_ready) = readings.is_ready {
            register_gauge(
                &current,
                "aggregator_ready",
                "1 if dependencies and tasks of this process are ready, otherwise 0; /readyz also returns 503 during a shutdown.",
                f64::from(u8::from(is_ready)),
            )?;
        }
        let waited = Counter::new(
            "aggregator_database_wait_seconds_total",
            "Total time that tasks of this process waited for a database connection, including the time to open one.",
        )?;
        waited.inc_by(self.probe.connection_wait().as_secs_f64());
        current.register(Box::new(waited))?;
        let unreadable = IntCounter::new(
            "aggregator_unreadable_rows_total",
            "Reads of store rows that this process skipped because they cannot be decoded.",
        )?;
        unreadable.inc_by(self.probe.unreadable_rows());
        current.register(Box::new(unreadable))?;
        self.build.register(&current)?;
        process::read_into(&current)?;
        let mut families = self.metrics.gather();
        families.extend(current.gather());
        TextEncoder::new().encode_to_string(&families)
    }
}

fn register_gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), InvalidMetric> {
    let gauge = Gauge::new(name, help)?;
    gauge.set(value);
    registry.register(Box::new(gauge))
}

fn register_in_flight(registry: &Registry, in_flight: InFlight) -> Result<(), InvalidMetric> {
    let seconds = |age: Option<Duration>| age.unwrap_or_default().as_secs_f64();
    // A gauge is an f64, which is exact up to 2^53.
    #[allow(clippy::cast_precision_loss)]
    let units = in_flight.units as f64;
    for (name, help, value) in [
        (
            "aggregator_units_in_flight",
            "Units sold that no vendor report is proven to include, read at most every 15 seconds; the same for all processes of a deployment.",
            units,
        ),
        (
            "aggregator_oldest_confirmed_order_age_seconds",
            "Age of the oldest CONFIRMED order, 0 if there is none; the same for all processes of a deployment.",
            seconds(in_flight.oldest_confirmed),
        ),
        (
            "aggregator_oldest_shipment_in_flight_age_seconds",
            "Age of the oldest shipment that no vendor report is proven to include, 0 if there is none; the same for all processes of a deployment.",
            seconds(in_flight.oldest_shipped),
        ),
    ] {
        register_gauge(registry, name, help, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
