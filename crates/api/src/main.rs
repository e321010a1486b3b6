//! The program `order-aggregator-api`: wires the REST API to PostgreSQL and the system clock, and runs it until a stop signal.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use api::{ApiPorts, ServerOptions, Shutdown, StoreReadiness};
use clap::Parser;
use clock_tokio::SystemClock;
use domain::ports::{Clock, ConfiguredFeed, Notifier, Tracer};
use domain::services::VendorSync;
use metrics::{Metrics, MetricsPage};
use readiness::{ReadinessProbe, TaskHealth};
use settings::Settings;
use storage_postgres::{PgListener, PgNotifier, PgOptions, PgStore};
use tracing::info;
use wiring::health::HealthArgs;
use wiring::program::{self, ConfigArgs};
use wiring::traces::{TracedSystems, Traces};
use wiring::{build, health, service_manager, sockets};

/// Serves the REST API for orders and stock.
///
/// SIGTERM and Ctrl-C shut the API down after the requests in progress are finished.
#[derive(Parser)]
#[command(name = PROGRAM, version = wiring::build::VERSION_AND_COMMIT, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    health: HealthArgs,
}

/// Name of this program, also on the database server.
const PROGRAM: &str = env!("CARGO_BIN_NAME");

const SYSTEMS: TracedSystems = TracedSystems {
    database: "postgresql",
    broker: None,
};

fn main() -> ExitCode {
    // Before the runtime starts its threads.
    let listener = sockets::take_listener();
    program::run_async(|arguments| run(arguments, listener))
}

async fn run(
    arguments: Arguments,
    listener: anyhow::Result<Option<TcpListener>>,
) -> anyhow::Result<()> {
    let settings = arguments.config.load()?;
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    if arguments.health.health {
        return health::check(address, settings.api.tls.is_some()).await;
    }
    wiring::prepare_process(&settings.telemetry)?;
    let server = api::prepare(ServerOptions::from(&settings))?.with_listener(listener?)?;
    let pg_options = wiring::postgres(&settings.database, PROGRAM);
    wiring::check_database(&pg_options).await?;

    let shutdown = Shutdown::new();
    let stop = shutdown_signal()?;
    let traces = Traces::start(&settings.telemetry.traces, PROGRAM, SYSTEMS)?;
    let ports = ports(&settings, &pg_options, traces.tracer())?;
    let readiness = Arc::clone(&ports.readiness);
    let running = api::start(server, ports, shutdown, stop)
        .with_context(|| format!("cannot listen on {address} (settings api.address, PORT)"))?;
    info!(address = %running.address, version = build::VERSION_AND_COMMIT, "listening");
    service_manager::report(readiness);
    let result = running.run().await;
    traces.shutdown().await;
    result.context("the HTTP server failed")?;
    info!("stopped");
    Ok(())
}

/// The ports of the API on PostgreSQL.
fn ports(
    settings: &Settings,
    pg_options: &PgOptions,
    tracer: Arc<dyn Tracer>,
) -> anyhow::Result<ApiPorts> {
    let store = PgStore::new(pg_options).context("the database settings are invalid")?;
    let notifier: Arc<dyn Notifier> = Arc::new(PgNotifier::start(store.clone()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(store);
    let metrics = Arc::new(Metrics::new()?);
    let write_health = TaskHealth::new("batch_writer");
    let readiness: Arc<dyn ReadinessProbe> =
        Arc::new(StoreReadiness::new(store.clone(), write_health.clone()));
    let feeds = wiring::configured_feeds(&settings.vendors)?;
    let sync = VendorSync::new(
        store.clone(),
        store.clone(),
        store.clone(),
        Arc::clone(&clock),
    )
    .with_observer(metrics.clone())
    .with_notifier(Arc::clone(&notifier))
    .with_intervals(feeds.iter().map(ConfiguredFeed::interval));
    let listen_to = pg_options.clone();
    Ok(ApiPorts {
        store: store.clone(),
        notifier,
        listeners: Arc::new(move |topic| Box::new(PgListener::start(listen_to.clone(), topic))),
        clock,
        sync,
        feeds,
        push_feeds: wiring::push_feeds(&settings.vendors)?,
        manual_vendors: settings.manual_vendors.clone(),
        observer: metrics.clone(),
        tracer,
        metrics: MetricsPage::new(metrics, store)
            .with_build(build::INFO)
            .with_readiness(Arc::clone(&readiness)),
        readiness,
        write_health,
        writer_runtime: None,
    })
}

/// Completes on `SIGTERM` or Ctrl-C.
fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let stop = wiring::stop_signal()?;
    Ok(async move {
        let signal = stop.await;
        info!(
            signal,
            "shutting down: draining connections, finishing requests in progress"
        );
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_recorded() {
        insta::assert_snapshot!(wiring::program::help::<super::Arguments>());
    }
}
