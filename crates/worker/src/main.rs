//! The worker: settles orders from the queue, relays the outbox, sweeps, and syncs vendors.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use clock_tokio::SystemClock;
use domain::ports::Topic;
use metrics::{Metrics, MetricsPage};
use queue_rabbitmq::{RabbitOptions, RabbitOrderConsumer, RabbitOrderQueue};
use settings::Settings;
use storage_postgres::{PgLeases, PgListener, PgNotifier, PgOptions, PgStore};
use tracing::info;
use worker::pages::PagesOptions;
use worker::scheduler::ScheduledVendor;
use worker::supervisor::Supervisor;
use worker::tasks::{self, WorkerPorts};
use worker::{lifecycle, pages};

/// Settles orders, hands accepted orders to the queue, and syncs vendors.
///
/// Settings come from config/default.toml (built in), the file given here, a .env file and the environment; the last one
/// wins. SIGTERM and Ctrl-C end the worker after it has settled what it holds; the exit code tells whether it could.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// File with settings that differ from the default ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        // The log says why.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the worker ended as it should.
async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let settings = Settings::load(arguments.config.as_deref())?;
    wiring::start_telemetry(&settings.telemetry)?;
    wiring::raise_open_files_limit();

    let stop = wiring::stop_signal()?;
    let postgres = wiring::postgres(&settings.database, "order-aggregator-worker");
    wiring::check_database(&postgres).await?;
    let rabbitmq = wiring::rabbitmq(&settings.rabbitmq, "order-aggregator-worker")?;
    let pages_options = PagesOptions {
        address: SocketAddr::new(settings.worker.address, settings.worker.port),
        keys: settings.api_keys.clone(),
        allowed_hosts: settings.api.allowed_hosts.clone(),
    };
    let socket = pages::bind(&pages_options)?;

    let supervisor = Supervisor::default();
    let metrics = Arc::new(Metrics::new()?);
    let store = PgStore::new(&postgres)?;
    let ports = ports(&settings, &postgres, &rabbitmq, &metrics, &store)?;
    let page = MetricsPage::new(metrics, Arc::clone(&ports.probe)).with_in_flight(Arc::new(store));
    tasks::check_vendor_sources(&ports)
        .await
        .context("the vendors of the settings cannot be used")?;
    let health = tasks::start(&ports, &settings.worker, &supervisor);
    let server = pages::serve(socket, health, page, &pages_options)
        .context("cannot serve the health pages")?;
    let handle = server.handle();
    // In a task of their own, so that they answer until the tasks have ended.
    let pages = tokio::spawn(server);
    info!(address = %pages_options.address, "worker runs");

    let gone = async { pages.await.unwrap_or_else(|died| Err(died.into())) };
    let deadline = settings.worker.shutdown_timeout;
    let ended_well = lifecycle::run(&supervisor, stop, gone, deadline).await;
    handle.stop(false).await;
    Ok(ended_well)
}

fn ports(
    settings: &Settings,
    postgres: &PgOptions,
    rabbitmq: &RabbitOptions,
    metrics: &Arc<Metrics>,
    pg: &PgStore,
) -> anyhow::Result<WorkerPorts> {
    let feeds = wiring::vendor_feeds(&settings.vendors)?;
    let (rabbitmq, listen_to) = (rabbitmq.clone(), postgres.clone());
    Ok(WorkerPorts {
        store: Arc::new(pg.clone()),
        probe: Arc::new(pg.clone()),
        sync_queries: Arc::new(pg.clone()),
        vendor_sets: Arc::new(pg.clone()),
        registry: Some(Arc::new(pg.clone())),
        leases: Arc::new(PgLeases::new(postgres.clone())),
        queue: Arc::new(RabbitOrderQueue::start(rabbitmq.clone())),
        consumers: Arc::new(move || Box::new(RabbitOrderConsumer::start(rabbitmq.clone()))),
        notifier: Arc::new(PgNotifier::start(pg.clone())),
        listeners: Arc::new(move || Box::new(PgListener::start(listen_to.clone(), Topic::Outbox))),
        clock: Arc::new(SystemClock),
        vendors: feeds.into_iter().map(ScheduledVendor::from).collect(),
        observer: metrics.clone(),
        vendor_set: wiring::vendor_set(settings)?,
    })
}
