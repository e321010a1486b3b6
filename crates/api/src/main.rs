//! The program `api`: wires the REST API to PostgreSQL and the system's clock, and runs it until it is told to end.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use api::{AppState, ServerOptions, StoreReadiness, Vendors};
use clap::Parser;
use clock_tokio::SystemClock;
use domain::ports::{Clock, Store, StoreProbe};
use domain::services::{ChangeStatus, Intake, IntakeWriter, VendorSync};
use metrics::{Metrics, MetricsPage};
use settings::Settings;
use storage_postgres::{PgOptions, PgOutboxNotifier, PgStore};
use tracing::info;

/// Takes orders and answers questions about them and about stock, over HTTP.
///
/// Settings come from config/default.toml (built in), the file given here, a .env file and the environment; the last one
/// wins. SIGTERM and Ctrl-C end the API after the requests that are under way.
#[derive(Parser)]
#[command(name = "api", version)]
struct Arguments {
    /// File with settings that differ from the default ones.
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
    let server = api::prepare(ServerOptions::from(&settings))?;
    let pg_options = wiring::postgres(&settings.database, "order-aggregator-api");
    wiring::check_migrations(&pg_options).await?;

    let shutting_down = Arc::new(AtomicBool::new(false));
    let (state, writer) = state(&settings, &pg_options, Arc::clone(&shutting_down))?;
    let writers = api::spawn_writers(&writer, settings.api.intake_writers);
    drop(writer);
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    let bound = server
        .bind(state, shutdown(shutting_down)?)
        .with_context(|| format!("cannot listen on {address} (settings api.address, PORT)"))?;
    info!(address = %bound.address, "listening");
    bound.server.await.context("the HTTP server failed")?;
    // Nobody waits for an answer any more; what is still being written may end as well as it can.
    let _ = tokio::time::timeout(settings.api.shutdown_timeout, writers.join_all()).await;
    info!("ended");
    Ok(())
}

/// Wires the use cases to their adapters.
fn state(
    settings: &Settings,
    pg_options: &PgOptions,
    shutting_down: Arc<AtomicBool>,
) -> anyhow::Result<(AppState, IntakeWriter)> {
    let pg_store = PgStore::new(pg_options).context("the database's settings are not usable")?;
    let notifier = Arc::new(PgOutboxNotifier::start(pg_store.clone()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pg_store = Arc::new(pg_store);
    let store: Arc<dyn Store> = pg_store.clone();
    let (intake, writer) = Intake::open(
        Arc::clone(&store),
        notifier,
        Arc::clone(&clock),
        wiring::intake(&settings.api),
    );
    let metrics = Arc::new(Metrics::new()?);
    let writer = writer.observed_by(metrics.clone());
    let probe: Arc<dyn StoreProbe> = pg_store.clone();
    let sync = VendorSync::new(Arc::clone(&store), Arc::clone(&probe), Arc::clone(&clock))
        .observed_by(metrics.clone());
    let feeds = wiring::vendor_feeds(&settings.vendors)?.into_iter();
    let with_feeds = feeds.map(|(feed, _)| feed);
    let state = AppState {
        intake,
        change_status: ChangeStatus::new(store, clock),
        vendors: Vendors::new(
            pg_store.clone(),
            sync,
            with_feeds.zip(wiring::shown_urls(&settings.vendors)),
            settings.manual_vendors.clone(),
        ),
        orders: pg_store.clone(),
        stock: pg_store.clone(),
        readiness: Arc::new(StoreReadiness(Arc::clone(&probe))),
        metrics: MetricsPage::new(metrics, probe),
        shutting_down,
    };
    Ok((state, writer))
}

/// Ends on `SIGTERM` or Ctrl-C, after new orders are refused.
fn shutdown(
    shutting_down: Arc<AtomicBool>,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let stop = wiring::stop_signal()?;
    Ok(async move {
        let signal = stop.await;
        shutting_down.store(true, Ordering::Relaxed);
        info!(
            signal,
            "shutting down: taking no new orders, ending what is under way"
        );
    })
}
