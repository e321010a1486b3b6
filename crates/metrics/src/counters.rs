//! Metrics of orders, queues, event streams and vendor syncs.

use std::time::Duration;

use domain::identifiers::VendorId;
use domain::order::RejectReason;
use domain::ports::{Backlog, Observer, SyncOutcome};
use domain::settlement::{Outcome, SettledBatch};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, exponential_buckets,
};

use crate::http::HttpMetrics;

/// The error of an invalid or duplicate metric, which is a bug in this crate.
pub use prometheus::Error as InvalidMetric;

/// The value of the label `outcome` of a confirmed order.
const CONFIRMED: &str = "CONFIRMED";

/// Metrics of event streams. Clones share the counters.
#[derive(Clone)]
pub struct EventMetrics {
    /// Connected streams.
    pub streams: IntGauge,
    /// Streams closed because the client was too slow.
    pub dropped: IntCounter,
}

/// The metrics of a process.
pub struct Metrics {
    registry: Registry,
    http: HttpMetrics,
    events: EventMetrics,
    accepted: IntCounter,
    settled: IntCounterVec,
    settlement_orders: Histogram,
    settlement_duration: Histogram,
    dead_lettered: IntCounter,
    queue_messages: IntGaugeVec,
    postponed: IntCounter,
    published: IntCounter,
    unconfirmed: IntCounter,
    unreadable_vendors: IntGauge,
    syncs: IntCounterVec,
    sync_duration: HistogramVec,
    repaired_as_of: IntCounterVec,
}

impl Metrics {
    /// Creates the metrics, with every counter at zero.
    ///
    /// # Errors
    /// [`InvalidMetric`].
    pub fn new() -> Result<Self, InvalidMetric> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| register(&registry, IntCounter::new(name, help));
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(name, help));
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let options = HistogramOpts::new(name, help).buckets(buckets);
            register(&registry, Histogram::with_opts(options))
        };
        let metrics = Self {
            http: HttpMetrics::register(&registry)?,
            events: EventMetrics {
                streams: gauge("aggregator_event_streams", "Connected event streams.")?,
                dropped: counter(
                    "aggregator_event_streams_dropped_total",
                    "Event streams closed because the client was too slow or nothing could be sent to it.",
                )?,
            },
            accepted: counter("aggregator_orders_accepted_total", "Orders accepted.")?,
            settled: counters(
                "aggregator_orders_settled_total",
                "Orders settled, by outcome: CONFIRMED or the reject reason.",
                &["outcome"],
            )?,
            settlement_orders: histogram(
                "aggregator_settlement_batch_orders",
                "Orders settled per transaction.",
                exponential_buckets(1.0, 2.0, 13)?,
            )?,
            settlement_duration: histogram(
                "aggregator_settlement_duration_seconds",
                "Time to settle a batch, from the first attempt to the commit.",
                exponential_buckets(0.001, 2.0, 15)?,
            )?,
            dead_lettered: counter(
                "aggregator_orders_dead_lettered_total",
                "Orders dead-lettered for the first time because they cannot be settled.",
            )?,
            queue_messages: {
                let options = Opts::new(
                    "aggregator_queue_messages",
                    "Messages in the queues, by state: ready in all queues (waiting), ready in queues beyond the configured number (surplus), and dead-lettered (dead).",
                );
                register(&registry, IntGaugeVec::new(options, &["state"]))?
            },
            postponed: counter(
                "aggregator_orders_postponed_total",
                "Orders returned to the outbox because another transaction holds locks on their rows, or a vendor has never been tried.",
            )?,
            published: counter(
                "aggregator_orders_published_total",
                "Orders published and confirmed by the queue.",
            )?,
            unconfirmed: counter(
                "aggregator_orders_unconfirmed_total",
                "Orders published but not confirmed by the queue; they are published again.",
            )?,
            unreadable_vendors: gauge(
                "aggregator_vendors_unreadable",
                "Vendors of the current set that this process should sync but has no settings for.",
            )?,
            syncs: counters(
                "aggregator_vendor_syncs_total",
                "Vendor syncs, by outcome.",
                &["vendor_id", "outcome"],
            )?,
            repaired_as_of: counters(
                "aggregator_vendor_as_of_repaired_total",
                "Vendor syncs that repaired a stored as-of in the future of the store's clock.",
                &["vendor_id"],
            )?,
            sync_duration: {
                let options = HistogramOpts::new(
                    "aggregator_vendor_sync_duration_seconds",
                    "Time to sync a vendor, from the request to the end of the sync.",
                );
                let buckets = exponential_buckets(0.005, 2.5, 12)?;
                let durations = HistogramVec::new(options.buckets(buckets), &["vendor_id"]);
                register(&registry, durations)?
            },
            registry,
        };
        metrics.create_outcome_counters();
        Ok(metrics)
    }

    /// Creates the counters of the outcomes at zero, so that the first event is an increase.
    fn create_outcome_counters(&self) {
        let rejected = [
            RejectReason::InsufficientStock,
            RejectReason::UnknownProduct,
        ];
        self.settled.with_label_values(&[CONFIRMED]);
        for reason in rejected {
            self.settled.with_label_values(&[reason.as_str()]);
        }
    }

    /// Metrics of HTTP requests.
    #[must_use]
    pub fn http(&self) -> &HttpMetrics {
        &self.http
    }

    /// Metrics of event streams.
    #[must_use]
    pub fn events(&self) -> &EventMetrics {
        &self.events
    }

    pub(crate) fn gather(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.registry.gather()
    }
}

fn register<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: Result<M, InvalidMetric>,
) -> Result<M, InvalidMetric> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn count(orders: usize) -> u64 {
    u64::try_from(orders).unwrap_or(u64::MAX)
}

impl Observer for Metrics {
    fn accepted(&self, orders: usize) {
        self.accepted.inc_by(count(orders));
    }

    fn settled(&self, batch: &SettledBatch, took: Duration) {
        let confirmed = batch.orders.iter();
        let confirmed = confirmed.filter(|order| matches!(order.outcome, Outcome::Confirmed(_)));
        let confirmed = count(confirmed.count());
        self.settled
            .with_label_values(&[CONFIRMED])
            .inc_by(confirmed);
        for reason in RejectReason::ALL {
            let rejected = batch.orders.iter();
            let rejected = rejected.filter(|order| order.outcome == Outcome::Rejected(*reason));
            match count(rejected.count()) {
                0 => {}
                rejected => self
                    .settled
                    .with_label_values(&[reason.as_str()])
                    .inc_by(rejected),
            }
        }
        let orders = u32::try_from(batch.orders.len()).unwrap_or(u32::MAX);
        self.settlement_orders.observe(orders.into());
        self.settlement_duration.observe(took.as_secs_f64());
    }

    fn dead_lettered(&self, orders: usize) {
        self.dead_lettered.inc_by(count(orders));
    }

    fn backlog(&self, backlog: &Backlog) {
        for (state, messages) in [
            ("waiting", backlog.waiting),
            ("surplus", backlog.surplus),
            ("dead", backlog.dead),
        ] {
            let messages = i64::try_from(messages).unwrap_or(i64::MAX);
            self.queue_messages
                .with_label_values(&[state])
                .set(messages);
        }
    }

    fn postponed(&self, orders: usize) {
        self.postponed.inc_by(count(orders));
    }

    fn relayed(&self, confirmed: usize, unconfirmed: usize) {
        self.published.inc_by(count(confirmed));
        self.unconfirmed.inc_by(count(unconfirmed));
    }

    fn unreadable_vendors(&self, vendors: usize) {
        let vendors = i64::try_from(vendors).unwrap_or(i64::MAX);
        self.unreadable_vendors.set(vendors);
    }

    fn synced(&self, vendor_id: &VendorId, outcome: SyncOutcome, took: Duration) {
        let vendor_id = vendor_id.as_str();
        self.syncs
            .with_label_values(&[vendor_id, outcome.into()])
            .inc();
        self.sync_duration
            .with_label_values(&[vendor_id])
            .observe(took.as_secs_f64());
    }

    fn repaired_as_of(&self, vendor_id: &VendorId) {
        self.repaired_as_of
            .with_label_values(&[vendor_id.as_str()])
            .inc();
    }
}
