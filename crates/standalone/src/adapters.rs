//! The adapters of the embedded deployment.

use std::sync::Arc;

use anyhow::Context as _;
use clock_tokio::SystemClock;
use domain::ports::{Clock, Topic, Tracer};
use metrics::Metrics;
use queue_in_process::InProcessQueue;
use settings::{EmbeddedSettings, Settings};
use signal_in_process::{ProcessLeases, ProcessNotifier};
use storage_sqlite::SqliteStore;
use worker::tasks::WorkerPorts;

/// Capacity of the queue, in messages; further orders stay in the outbox.
const QUEUE_CAPACITY: usize = 10_000;

/// Opens the data file exclusively.
pub(crate) async fn open_store(settings: &EmbeddedSettings) -> anyhow::Result<SqliteStore> {
    let path = std::path::absolute(&settings.path)
        .with_context(|| format!("the data file {} cannot be used", settings.path.display()))?;
    let options = wiring::sqlite(settings, path);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = tokio::task::spawn_blocking(move || SqliteStore::open(&options, clock));
    let store = open.await.context("opening the data file panicked")??;
    Ok(store)
}

/// The ports of the worker's tasks.
pub(crate) fn worker_ports(
    settings: &Settings,
    store: &Arc<SqliteStore>,
    metrics: &Arc<Metrics>,
    notifier: &ProcessNotifier,
    tracer: Arc<dyn Tracer>,
) -> anyhow::Result<WorkerPorts> {
    let queue = InProcessQueue::new(QUEUE_CAPACITY);
    let (consumer_queue, outbox_notifier) = (queue.clone(), notifier.clone());
    Ok(WorkerPorts {
        store: store.clone(),
        probe: store.clone(),
        sync_queries: store.clone(),
        vendor_sets: store.clone(),
        registry: None,
        leases: Arc::new(ProcessLeases::new()),
        queue: Arc::new(queue),
        consumers: Arc::new(move || Box::new(consumer_queue.consumer())),
        notifier: Arc::new(notifier.clone()),
        listeners: Arc::new(move || Box::new(outbox_notifier.listener(Topic::Outbox))),
        clock: Arc::new(SystemClock),
        vendors: wiring::configured_feeds(&settings.vendors)?,
        push_vendors: wiring::push_feeds(&settings.vendors)?,
        observer: metrics.clone(),
        tracer,
        vendor_set: wiring::vendor_set(settings)?,
        writer_runtime: store.writer_runtime(),
    })
}
