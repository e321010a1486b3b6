//! The lifecycle of the process, from start to shutdown.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::{ApiPorts, ServerOptions, Shutdown};
use domain::identifiers::VendorId;
use domain::ports::{
    StockQueries as _, StoreProbe as _, VendorQueries as _, VendorSetQueries as _, VendorStatus,
};
use domain::vendor_set::VendorSet;
use metrics::{Metrics, MetricsPage};
use readiness::{ReadinessProbe, TaskHealth};
use settings::Settings;
use signal_in_process::ProcessNotifier;
use storage_sqlite::SqliteStore;
use tracing::{error, info, warn};
use wiring::traces::{TracedSystems, Traces};
use wiring::trial::RunningApi;
use wiring::{build, service_manager};
use worker::supervisor::Supervisor;
use worker::tasks::{self, WorkerPorts};

use crate::{adapters, banner, mock_vendors};

const SYSTEMS: TracedSystems = TracedSystems {
    database: "sqlite",
    broker: None,
};

/// Interval of the readiness checks before the banner is printed.
const READINESS_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs until a stop signal or a fatal error. Returns whether the shutdown was requested and completed in time.
///
/// Serves on `listener` if there is one, and otherwise on the address of the settings.
pub(crate) async fn run(
    settings: &Settings,
    listener: Option<TcpListener>,
    with_mock_vendors: bool,
) -> anyhow::Result<bool> {
    let stop = wiring::stop_signal()?;
    wiring::ignore_file_size_signal()?;
    let prepared = api::prepare(ServerOptions {
        // SQLite allows one writer at a time; a second batch writer would only wait for the first.
        batch_writers: 1,
        ..ServerOptions::from(settings)
    })?
    .with_listener(listener)?;
    let store = Arc::new(adapters::open_store(&settings.embedded).await?);
    let metrics = Arc::new(Metrics::new()?);
    let notifier = ProcessNotifier::new();
    let traces = Traces::start(&settings.telemetry.traces, crate::PROGRAM, SYSTEMS)?;
    let ports = adapters::worker_ports(settings, &store, &metrics, &notifier, traces.tracer())?;
    tasks::check_vendor_sources(&ports)
        .await
        .context("the vendors of the settings cannot be used")?;
    requeue(&ports, settings).await?;

    let mocks = if with_mock_vendors {
        mock_vendors::start(&settings.vendors)
    } else {
        Vec::new()
    };
    let supervisor = Supervisor::default();
    let mut health = tasks::start(&ports, &settings.worker, &supervisor).with_queue_in_process();
    let write_health = TaskHealth::new("batch_writer");
    health.watch(write_health.clone());
    let readiness: Arc<dyn ReadinessProbe> = Arc::new(health);

    let api_ports = ApiPorts {
        store: store.clone(),
        notifier: Arc::clone(&ports.notifier),
        listeners: Arc::new(move |topic| Box::new(notifier.listener(topic))),
        clock: Arc::clone(&ports.clock),
        // On-demand syncs use the same feeds as scheduled syncs.
        sync: tasks::vendor_sync(&ports),
        feeds: ports.vendors.clone(),
        push_feeds: ports.push_vendors.clone(),
        manual_vendors: ports.vendor_set.manual_vendors(),
        observer: Arc::clone(&ports.observer),
        tracer: traces.tracer(),
        metrics: MetricsPage::new(metrics, Arc::clone(&ports.probe))
            .with_in_flight(store.clone())
            .with_vendors(store.clone(), ports.reporting_vendor_ids())
            .with_readiness(Arc::clone(&readiness))
            .with_build(build::INFO),
        write_health,
        writer_runtime: ports.writer_runtime.clone(),
        readiness: Arc::clone(&readiness),
    };
    let shutdown = Shutdown::new();
    let until_stopped = async move {
        let signal = stop.await;
        info!(
            signal,
            "shutting down: accepting no new orders, completing work in progress"
        );
    };
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    let running =
        api::start(prepared, api_ports, shutdown.clone(), until_stopped).with_context(|| {
            format!("cannot listen on {address} (--port, or the settings api.address and PORT)")
        })?;
    info!(
        address = %running.address,
        data = %store.path().display(),
        version = build::VERSION_AND_COMMIT,
        "listening"
    );
    service_manager::report(Arc::clone(&readiness));

    let feed_vendors = ports.feed_vendor_ids();
    let api = RunningApi::new(settings, running.address);
    let banner = tokio::spawn(print_banner(api, store.clone(), readiness, feed_vendors));
    let served = running.run().await;
    banner.abort();

    let is_requested = shutdown.is_announced();
    if !is_requested {
        let reason = served.err().map(|error| error.to_string());
        error!(reason, "shutting down: the HTTP server has stopped");
    }
    let in_time = supervisor.stop(settings.worker.shutdown_timeout).await;
    for mock in mocks {
        mock.stop().await;
    }
    traces.shutdown().await;
    close(&store).await;
    Ok(is_requested && in_time)
}

/// Requeues the orders that were in the queue of an earlier process, which was in memory.
async fn requeue(ports: &WorkerPorts, settings: &Settings) -> anyhow::Result<()> {
    let sweeper = tasks::sweeper(ports, &settings.worker);
    let requeued = sweeper.requeue_all().await;
    let requeued = requeued.context("PENDING orders cannot be requeued")?;
    if requeued > 0 {
        info!(
            requeued,
            "requeued orders that an earlier process left PENDING"
        );
    }
    Ok(())
}

/// Prints the banner once the process is ready and each vendor has been tried.
async fn print_banner(
    api: RunningApi,
    store: Arc<SqliteStore>,
    readiness: Arc<dyn ReadinessProbe>,
    feed_vendors: Vec<VendorId>,
) {
    let vendors = loop {
        if let Some(vendors) = tried_vendors(&store, &feed_vendors).await
            && readiness.readiness().await.is_ready()
        {
            break vendors;
        }
        tokio::time::sleep(READINESS_POLL_INTERVAL).await;
    };
    let in_stock = store.list_stock(None, true, 1).await.unwrap_or_default();
    let product = in_stock.first().map(|level| level.product_id.as_str());
    let text = banner::text(&api, store.path(), &vendors, product);
    // The process serves even if standard output is closed.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// The vendors with a feed that are configured in the store, once each has been tried. Superseded settings may contain other
/// vendors.
async fn tried_vendors(
    store: &SqliteStore,
    feed_vendors: &[VendorId],
) -> Option<Vec<VendorStatus>> {
    let digest = VendorSet::default().digest();
    let stored = store.find_vendor_set(&digest).await.ok()?;
    let configured = stored.configured.into_iter();
    let configured = configured.map(|member| member.vendor.vendor_id);
    let ids: Vec<VendorId> = configured.filter(|id| feed_vendors.contains(id)).collect();
    if !store.were_tried(&ids).await.ok()? {
        return None;
    }
    store.find_vendors(&ids).await.ok()
}

/// Checkpoints the store, so that the data file is complete. If this fails, no data is lost: the write-ahead log is read at
/// the next start.
async fn close(store: &SqliteStore) {
    match store.checkpoint().await {
        Ok(()) => info!("ended"),
        Err(error) => {
            warn!(%error, "ended; the checkpoint failed, so some data stays in the write-ahead log");
        }
    }
}
