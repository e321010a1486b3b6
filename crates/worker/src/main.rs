//! The worker: settles orders from the queue, relays the outbox, sweeps, and syncs vendors.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use clock_tokio::SystemClock;
use domain::allocation::most_available_first;
use domain::ports::{Clock, OrderQueue, OutboxNotifier, Store, StoreProbe};
use domain::services::{Relay, RelaySettings, SettleOrders, Sweeper, SweeperSettings, VendorSync};
use queue_rabbitmq::{RabbitOptions, RabbitOrderConsumer, RabbitOrderQueue};
use settings::Settings;
use storage_postgres::{PgLeases, PgOptions, PgOutboxListener, PgOutboxNotifier, PgStore};
use tracing::info;
use worker::consumer_state::ConsumerState;
use worker::health::Health;
use worker::scheduler::{ScheduledVendor, Scheduler};
use worker::supervisor::Supervisor;
use worker::{consumer, lifecycle, pages, relay, sweeper};

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

    let stop = wiring::stop_signal()?;
    let postgres = wiring::postgres(&settings.database, "order-aggregator-worker");
    wiring::check_migrations(&postgres).await?;
    let rabbitmq = wiring::rabbitmq(&settings.rabbitmq, "order-aggregator-worker")?;
    let address = SocketAddr::new(settings.worker.address, settings.worker.port);
    let socket = pages::bind(address).with_context(|| {
        format!("cannot listen on {address} (settings worker.address, WORKER_PORT)")
    })?;

    let supervisor = Supervisor::default();
    let health = start(&settings, &postgres, &rabbitmq, &supervisor)?;
    let server = pages::serve(socket, health).context("cannot serve the health pages")?;
    let handle = server.handle();
    // In a task of their own, so that they answer until the tasks have ended.
    let pages = tokio::spawn(server);
    info!(%address, "worker runs");

    let gone = async { pages.await.unwrap_or_else(|died| Err(died.into())) };
    let deadline = settings.worker.shutdown_timeout;
    let ended_well = lifecycle::run(&supervisor, stop, gone, deadline).await;
    handle.stop(false).await;
    Ok(ended_well)
}

fn start(
    settings: &Settings,
    postgres: &PgOptions,
    rabbitmq: &RabbitOptions,
    supervisor: &Supervisor,
) -> anyhow::Result<Health> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pg = PgStore::new(postgres)?;
    let store: Arc<dyn Store> = Arc::new(pg.clone());
    let probe: Arc<dyn StoreProbe> = Arc::new(pg.clone());
    let notifier: Arc<dyn OutboxNotifier> = Arc::new(PgOutboxNotifier::start(pg));
    let queue: Arc<dyn OrderQueue> = Arc::new(RabbitOrderQueue::start(rabbitmq.clone()));

    let settle = Arc::new(SettleOrders::new(
        Arc::clone(&store),
        Arc::clone(&probe),
        Arc::clone(&queue),
        Arc::clone(&clock),
        most_available_first,
        settings
            .vendors
            .iter()
            .map(|vendor| vendor.id.clone())
            .collect(),
    ));
    let batch = settings.worker.batch;
    let mut consumers = BTreeMap::new();
    for number in 1..=settings.worker.consumers {
        let name = format!("consumer-{number}");
        let state = ConsumerState::default();
        consumers.insert(name.clone(), state.clone());
        let (settle, rabbitmq) = (Arc::clone(&settle), rabbitmq.clone());
        supervisor.supervise(name, move |stop| {
            let (settle, rabbitmq) = (Arc::clone(&settle), rabbitmq.clone());
            let state = state.clone();
            async move {
                let mut source = RabbitOrderConsumer::start(rabbitmq);
                consumer::run(&mut source, &settle, batch, &state, &stop)
                    .await
                    .map_err(|error| error.to_string())
            }
        });
    }

    let relay_settings = RelaySettings {
        batch: settings.worker.relay_batch,
        lease: settings.worker.relay_lease,
    };
    let relay = Relay::new(
        Arc::clone(&store),
        Arc::clone(&queue),
        Arc::clone(&clock),
        relay_settings,
    );
    let (poll, listen_to) = (settings.worker.relay_poll, postgres.clone());
    supervisor.supervise("relay", move |stop| {
        let (relay, listen_to) = (relay.clone(), listen_to.clone());
        async move {
            let mut listener = PgOutboxListener::start(listen_to);
            relay::run(&relay, &mut listener, poll, &stop).await;
            Ok(())
        }
    });

    let sweeper_settings = SweeperSettings {
        pending_for: settings.worker.requeue_after,
        max_queue_depth: settings.worker.max_queue_depth,
        keep_keys: settings.worker.keep_idempotency_keys,
    };
    let sweep = Sweeper::new(
        Arc::clone(&store),
        Arc::clone(&queue),
        notifier,
        Arc::clone(&clock),
        sweeper_settings,
    );
    let every = settings.worker.sweep_every;
    supervisor.supervise("sweeper", move |stop| {
        let sweep = sweep.clone();
        async move {
            sweeper::run(&sweep, every, &stop).await;
            Ok(())
        }
    });

    let scheduler = Arc::new(scheduler(
        settings,
        postgres,
        VendorSync::new(store, Arc::clone(&probe), clock),
    )?);
    supervisor.supervise("scheduler", move |stop| {
        let scheduler = Arc::clone(&scheduler);
        async move { scheduler.run(&stop).await }
    });

    Ok(Health {
        probe,
        queue,
        consumers,
        supervisor: supervisor.clone(),
    })
}

fn scheduler(
    settings: &Settings,
    postgres: &PgOptions,
    sync: VendorSync,
) -> anyhow::Result<Scheduler> {
    let vendors = settings
        .vendors
        .iter()
        .map(|vendor| {
            Ok(ScheduledVendor {
                feed: Arc::new(wiring::vendor_feed(vendor)?),
                every: vendor.every,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Scheduler {
        sync,
        leases: Arc::new(PgLeases::new(postgres.clone())),
        vendors,
        configured: settings.vendor_ids(),
    })
}
