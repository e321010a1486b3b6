//! The program `order-aggregator-worker`: settles orders from the queue, relays the outbox, requeues lost orders, and syncs vendors.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use clock_tokio::SystemClock;
use domain::ports::{NoopTracer, Topic};
use metrics::{Metrics, MetricsPage};
use queue_rabbitmq::{RabbitOptions, RabbitOrderConsumer, RabbitOrderQueue};
use settings::Settings;
use storage_postgres::{PgLeases, PgListener, PgNotifier, PgOptions, PgStore};
use tracing::info;
use wiring::health::HealthArgs;
use wiring::program::{self, ConfigArgs};
use wiring::traces::{TracedSystems, Traces};
use wiring::{build, health, service_manager};
use worker::pages::PagesOptions;
use worker::supervisor::Supervisor;
use worker::tasks::{self, WorkerPorts};
use worker::{lifecycle, pages};

/// Settles orders, publishes accepted orders to the queue, and syncs vendors.
///
/// SIGTERM and Ctrl-C stop the worker after it has settled the batches in progress; the exit code is 0 if it completed in
/// time.
#[derive(Parser)]
#[command(name = PROGRAM, version = wiring::build::VERSION_AND_COMMIT, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    health: HealthArgs,
}

/// Name of this program, also on the servers.
const PROGRAM: &str = env!("CARGO_BIN_NAME");

const SYSTEMS: TracedSystems = TracedSystems {
    database: "postgresql",
    broker: Some("rabbitmq"),
};

fn main() -> ExitCode {
    program::run_async(run)
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.load()?;
    let address = SocketAddr::new(settings.worker.address, settings.worker.port);
    if arguments.health.health {
        health::check(address, false).await?;
        return Ok(ExitCode::SUCCESS);
    }
    wiring::prepare_process(&settings.telemetry)?;

    let stop = wiring::stop_signal()?;
    let postgres = wiring::postgres(&settings.database, PROGRAM);
    wiring::check_database(&postgres).await?;
    let rabbitmq = wiring::rabbitmq(&settings.rabbitmq, PROGRAM)?;
    let pages_options = PagesOptions {
        address,
        keys: settings.api_keys.clone(),
        allowed_hosts: settings.api.allowed_hosts.clone(),
    };
    let socket = pages::bind(&pages_options)?;

    let supervisor = Supervisor::default();
    let metrics = Arc::new(Metrics::new()?);
    let store = PgStore::new(&postgres)?;
    let traces = Traces::start(&settings.telemetry.traces, PROGRAM, SYSTEMS)?;
    let mut ports = ports(&settings, &postgres, &rabbitmq, &metrics, &store)?;
    ports.tracer = traces.tracer();
    let store = Arc::new(store);
    let page = MetricsPage::new(metrics, Arc::clone(&ports.probe))
        .with_in_flight(store.clone())
        .with_vendors(store, ports.reporting_vendor_ids())
        .with_build(build::INFO);
    tasks::check_vendor_sources(&ports)
        .await
        .context("the vendors of the settings cannot be used")?;
    let health = tasks::start(&ports, &settings.worker, &supervisor);
    let page = page.with_readiness(Arc::new(health.clone()));
    let server = pages::serve(socket, health.clone(), page, &pages_options)
        .context("cannot start the health server")?;
    let handle = server.handle();
    // In a separate task, so that the server responds until the worker's tasks have ended.
    let pages = tokio::spawn(server);
    info!(%address, version = build::VERSION_AND_COMMIT, "worker started");
    service_manager::report(Arc::new(health));

    let stopped = async { pages.await.unwrap_or_else(|panicked| Err(panicked.into())) };
    let deadline = settings.worker.shutdown_timeout;
    let succeeded = lifecycle::run(&supervisor, stop, stopped, deadline).await;
    handle.stop(false).await;
    traces.shutdown().await;
    Ok(program::exit_code(succeeded))
}

fn ports(
    settings: &Settings,
    postgres: &PgOptions,
    rabbitmq: &RabbitOptions,
    metrics: &Arc<Metrics>,
    pg: &PgStore,
) -> anyhow::Result<WorkerPorts> {
    let (rabbitmq, listener_options) = (rabbitmq.clone(), postgres.clone());
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
        listeners: Arc::new(move || {
            Box::new(PgListener::start(listener_options.clone(), Topic::Outbox))
        }),
        clock: Arc::new(SystemClock),
        vendors: wiring::configured_feeds(&settings.vendors)?,
        push_vendors: wiring::push_feeds(&settings.vendors)?,
        observer: metrics.clone(),
        tracer: Arc::new(NoopTracer),
        vendor_set: wiring::vendor_set(settings)?,
        writer_runtime: None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_recorded() {
        insta::assert_snapshot!(wiring::program::help::<super::Arguments>());
    }
}
