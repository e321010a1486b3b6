//! The process from its start to its end.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::{AppState, Live, LivePorts, LiveSettings, ServerOptions, Shutdown, Vendors, Watcher};
use domain::identifiers::VendorId;
use domain::ports::{Listener, StockQueries as _, StoreProbe as _, Topic, VendorSetQueries as _};
use domain::services::{BatchWriter, ChangeStatus, OrderBatcher};
use domain::vendor_set::VendorSet;
use metrics::{Metrics, MetricsPage};
use readiness::{ReadinessProbe, TaskHealth};
use settings::{ApiSettings, Settings};
use signal_in_process::ProcessNotifier;
use storage_sqlite::SqliteStore;
use tracing::{error, info, warn};
use wiring::trial::RunningApi;
use worker::supervisor::Supervisor;
use worker::tasks::{self, WorkerPorts};

use crate::{adapters, greeting, mock_vendors};

/// How often to look whether everything is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A product to order, as long as none is known.
const SOME_PRODUCT: &str = "1";

/// Runs until it is told to end, or cannot go on. Returns whether it ended as it should.
pub(crate) async fn run(settings: &Settings, with_mock_vendors: bool) -> anyhow::Result<bool> {
    let stop = wiring::stop_signal()?;
    wiring::survive_file_size_limit()?;
    let prepared = api::prepare(ServerOptions::from(settings))?;
    let store = Arc::new(adapters::open_store(&settings.embedded).await?);
    let metrics = Arc::new(Metrics::new()?);
    let notifier = ProcessNotifier::new();
    let ports = adapters::worker_ports(settings, &store, &metrics, &notifier)?;
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

    let (batcher, writer) = batcher(&ports, &settings.api);
    let writer = writer.with_write_observer(Arc::new(write_health.clone()));
    let probing = tokio::spawn(readiness::probe_writes(store.clone(), write_health));
    // The file has one writer at a time; a second task would only wait for the first.
    let writers = api::spawn_writers(&writer, 1);
    drop(writer);
    let (live, watcher) = live(&store, notifier, &settings.api);
    let watching = tokio::spawn(watcher.run());
    let metrics = MetricsPage::new(metrics, Arc::clone(&ports.probe)).with_in_flight(store.clone());
    let vendors = vendors(&ports, &store, settings);
    let shutdown = Shutdown::new();
    let state = AppState {
        batcher,
        change_status: change_status(&ports),
        orders: store.clone(),
        stock: store.clone(),
        vendors,
        readiness: Arc::clone(&readiness),
        metrics,
        live,
        shutdown: shutdown.clone(),
    };
    let told = shutdown.clone();
    let until_told = async move {
        let signal = stop.await;
        told.announce();
        info!(
            signal,
            "ending: taking no new orders, ending what is under way"
        );
    };
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    let bound = prepared.bind(state, until_told).with_context(|| {
        format!("cannot listen on {address} (--port, or the settings api.address and PORT)")
    })?;
    info!(address = %bound.address, data = %store.path().display(), "listening");

    let with_feeds = ports.with_feeds();
    let api = RunningApi::new(settings, bound.address);
    let greet = tokio::spawn(greet(api, store.clone(), readiness, with_feeds));
    let served = bound.server.await;
    greet.abort();
    watching.abort();
    probing.abort();

    let told_to = shutdown.is_announced();
    if !told_to {
        let reason = served.err().map(|error| error.to_string());
        error!(reason, "ending: the HTTP server is gone");
    }
    // Nobody waits for an answer any more; what is still being written may end as well as it can.
    let _ = tokio::time::timeout(settings.api.shutdown_timeout, writers.join_all()).await;
    let in_time = supervisor.stop(settings.worker.shutdown_timeout).await;
    for mock in mocks {
        mock.stop().await;
    }
    close(&store).await;
    Ok(told_to && in_time)
}

/// Puts back what was on its way when an earlier process ended: its queue ended with it.
async fn requeue(ports: &WorkerPorts, settings: &Settings) -> anyhow::Result<()> {
    let sweeper = tasks::sweeper(ports, &settings.worker);
    let requeued = sweeper.requeue_all().await;
    let requeued = requeued.context("orders that are not settled yet cannot be queued again")?;
    if requeued > 0 {
        info!(
            requeued,
            "orders that an earlier run left PENDING are queued again"
        );
    }
    Ok(())
}

/// What takes orders, and what writes them.
fn batcher(ports: &WorkerPorts, settings: &ApiSettings) -> (OrderBatcher, BatchWriter) {
    let (batcher, writer) = OrderBatcher::open(
        Arc::clone(&ports.store),
        Arc::clone(&ports.notifier),
        Arc::clone(&ports.clock),
        wiring::batcher(settings),
    );
    (batcher, writer.with_observer(Arc::clone(&ports.observer)))
}

/// The vendors, which are synced on demand with the same feeds as at intervals.
fn vendors(ports: &WorkerPorts, store: &Arc<SqliteStore>, settings: &Settings) -> Vendors {
    let feeds = ports.vendors.iter().map(|vendor| Arc::clone(&vendor.feed));
    let with_feeds = feeds.zip(wiring::shown_urls(&settings.vendors));
    let manual = ports.vendor_set.manual_vendors();
    let sync = tasks::vendor_sync(ports);
    Vendors::new(store.clone(), store.clone(), sync, with_feeds, manual)
}

fn change_status(ports: &WorkerPorts) -> ChangeStatus {
    ChangeStatus::new(Arc::clone(&ports.store), Arc::clone(&ports.clock))
        .with_notifier(Arc::clone(&ports.notifier))
}

/// Where requests wait for changes, and what tells them of those.
fn live(
    store: &Arc<SqliteStore>,
    notifier: ProcessNotifier,
    settings: &ApiSettings,
) -> (Live, Watcher) {
    let ports = LivePorts {
        orders: store.clone(),
        stock: store.clone(),
        changes: store.clone(),
        listeners: Arc::new(move || -> Box<dyn Listener> {
            Box::new(notifier.listener(Topic::Changes))
        }),
    };
    Live::open(ports, LiveSettings::from(settings))
}

/// Says where everything is, once it is ready and each vendor was tried.
async fn greet(
    api: RunningApi,
    store: Arc<SqliteStore>,
    readiness: Arc<dyn ReadinessProbe>,
    with_feeds: Vec<VendorId>,
) {
    while !were_tried(&store, &with_feeds).await || !readiness.readiness().await.is_ready() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let in_stock = store.list_stock(None, true, 1).await.unwrap_or_default();
    let product = in_stock
        .first()
        .map_or(SOME_PRODUCT, |level| level.product_id.as_str());
    let text = greeting::text(&api, store.path(), product);
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Whether each vendor that is configured in the store was tried; settings that were replaced may name others.
async fn were_tried(store: &SqliteStore, with_feeds: &[VendorId]) -> bool {
    let digest = VendorSet::default().digest();
    let Ok(stored) = store.find_vendor_set(&digest).await else {
        return false;
    };
    let configured = stored.configured.into_iter();
    let configured = configured.map(|member| member.vendor.vendor_id);
    let ids: Vec<VendorId> = configured.filter(|id| with_feeds.contains(id)).collect();
    matches!(store.were_tried(&ids).await, Ok(true))
}

/// Leaves one file that holds everything. Without it nothing is lost either: the log beside it is read at the next start.
async fn close(store: &SqliteStore) {
    match store.checkpoint().await {
        Ok(()) => info!("ended"),
        Err(error) => warn!(%error, "ended; some data stays in the log beside the data file"),
    }
}
