//! The program `api`: wires the REST API to PostgreSQL and the system clock, and runs it until a stop signal.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use api::{
    AppState, ChangeFeedHandle, ChangeFeedPorts, ChangeFeedSettings, ServerOptions, Shutdown,
    StoreReadiness, Vendors, Watcher,
};
use clap::Parser;
use clock_tokio::SystemClock;
use domain::ports::{Clock, Listener, Notifier, Store, StoreProbe, Topic};
use domain::services::{BatchWriter, ChangeStatus, OrderBatcher, VendorSync};
use metrics::{Metrics, MetricsPage};
use readiness::TaskHealth;
use settings::Settings;
use storage_postgres::{PgListener, PgNotifier, PgOptions, PgStore};
use tokio::task::JoinHandle;
use tracing::info;

/// Serves the REST API for orders and stock.
///
/// Settings are read from config/default.toml (built in), the file given here, a .env file and the environment, in
/// increasing precedence. SIGTERM and Ctrl-C shut the API down after the requests in progress are finished.
#[derive(Parser)]
#[command(name = "api", version)]
struct Arguments {
    /// File with settings that override the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.config.as_deref())?;
    wiring::start_telemetry(&settings.telemetry)?;
    wiring::raise_open_files_limit();
    let server = api::prepare(ServerOptions::from(&settings))?;
    let pg_options = wiring::postgres(&settings.database, "order-aggregator-api");
    wiring::check_database(&pg_options).await?;

    let shutdown = Shutdown::new();
    let (state, writer, watcher, write_probe) = state(&settings, &pg_options, shutdown.clone())?;
    let watcher = tokio::spawn(watcher.run());
    let writers = api::spawn_writers(&writer, settings.api.batch_writers);
    drop(writer);
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    let bound = server
        .bind(state, shutdown_signal(shutdown)?)
        .with_context(|| format!("cannot listen on {address} (settings api.address, PORT)"))?;
    info!(address = %bound.address, "listening");
    bound.server.await.context("the HTTP server failed")?;
    watcher.abort();
    write_probe.abort();
    // No client waits for a response any more; give pending writes time to finish.
    let _ = tokio::time::timeout(settings.api.shutdown_timeout, writers.join_all()).await;
    info!("stopped");
    Ok(())
}

/// Wires the use cases to their adapters.
fn state(
    settings: &Settings,
    pg_options: &PgOptions,
    shutdown: Shutdown,
) -> anyhow::Result<(AppState, BatchWriter, Watcher, JoinHandle<()>)> {
    let pg_store = PgStore::new(pg_options).context("the database settings are invalid")?;
    let notifier: Arc<dyn Notifier> = Arc::new(PgNotifier::start(pg_store.clone()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pg_store = Arc::new(pg_store);
    let store: Arc<dyn Store> = pg_store.clone();
    let (batcher, writer) = OrderBatcher::open(
        Arc::clone(&store),
        Arc::clone(&notifier),
        Arc::clone(&clock),
        wiring::batcher(&settings.api),
    );
    let metrics = Arc::new(Metrics::new()?);
    let write_health = TaskHealth::new("batch_writer");
    let writer = writer
        .with_observer(metrics.clone())
        .with_write_observer(Arc::new(write_health.clone()));
    let write_probe = tokio::spawn(readiness::probe_writes(
        pg_store.clone(),
        write_health.clone(),
    ));
    let probe: Arc<dyn StoreProbe> = pg_store.clone();
    let feeds = wiring::vendor_feeds(&settings.vendors)?;
    let intervals = feeds.iter();
    let intervals =
        intervals.map(|(feed, sync_interval)| (feed.vendor_id().clone(), *sync_interval));
    let sync = VendorSync::new(
        Arc::clone(&store),
        pg_store.clone(),
        Arc::clone(&probe),
        Arc::clone(&clock),
    )
    .with_observer(metrics.clone())
    .with_notifier(Arc::clone(&notifier))
    .with_intervals(intervals);
    let listen_to = pg_options.clone();
    let change_feed_ports = ChangeFeedPorts {
        orders: pg_store.clone(),
        stock: pg_store.clone(),
        changes: pg_store.clone(),
        listeners: Arc::new(move || -> Box<dyn Listener> {
            Box::new(PgListener::start(listen_to.clone(), Topic::Changes))
        }),
    };
    let (change_feed, watcher) =
        ChangeFeedHandle::open(change_feed_ports, ChangeFeedSettings::from(&settings.api));
    let with_feeds = feeds.into_iter().map(|(feed, _)| feed);
    let state = AppState {
        batcher,
        change_status: ChangeStatus::new(store, clock).with_notifier(notifier),
        vendors: Vendors::new(
            pg_store.clone(),
            pg_store.clone(),
            sync,
            with_feeds.zip(wiring::public_urls(&settings.vendors)),
            settings.manual_vendors.clone(),
        ),
        orders: pg_store.clone(),
        stock: pg_store.clone(),
        readiness: Arc::new(StoreReadiness::new(Arc::clone(&probe), write_health)),
        metrics: MetricsPage::new(metrics, probe),
        change_feed,
        shutdown,
    };
    Ok((state, writer, watcher, write_probe))
}

/// Completes on `SIGTERM` or Ctrl-C, after announcing the shutdown, from when on new orders are rejected.
fn shutdown_signal(
    shutdown: Shutdown,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let stop = wiring::stop_signal()?;
    Ok(async move {
        let signal = stop.await;
        shutdown.announce();
        info!(
            signal,
            "shutting down: rejecting new orders, finishing requests in progress"
        );
    })
}
