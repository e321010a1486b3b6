//! The tasks of a worker, on the adapters that it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::allocation::most_available_first;
use domain::identifiers::VendorId;
use domain::ports::{
    Clock, ConfiguredFeed, ConfiguredPushFeed, ConsumerRegistry, Leases, Listener, Notifier,
    Observer, OrderConsumer, OrderQueue, Store, StoreProbe, SyncQueries, Tracer, VendorSetQueries,
};
use domain::services::{
    Relay, RelaySettings, SettleOrders, Sweeper, SweeperSettings, VendorSetError, VendorSets,
    VendorSync,
};
use domain::vendor_set::VendorSet;
use readiness::TaskHealth;
use settings::WorkerSettings;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::warn;

use crate::consumer_state::ConsumerState;
use crate::health::Health;
use crate::monitor::LastBacklog;
use crate::scheduler::Scheduler;
use crate::supervisor::Supervisor;
use crate::{balancer, consumer, monitor, relay, sweeper};

/// Creates a new value for each run of a task, because state that a run leaves behind, such as unacknowledged messages, must
/// be dropped with the run.
pub type Factory<T> = Arc<dyn Fn() -> Box<T> + Send + Sync>;

/// The adapters of a worker's tasks.
pub struct WorkerPorts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The same store, for probes.
    pub probe: Arc<dyn StoreProbe>,
    /// The same store, for the queries of syncs.
    pub sync_queries: Arc<dyn SyncQueries>,
    /// The same store, for the vendor set.
    pub vendor_sets: Arc<dyn VendorSetQueries>,
    /// Leases that decide which process syncs the vendors.
    pub leases: Arc<dyn Leases>,
    /// Registry of the consumers of all workers, by which the queues are distributed; `None` for an in-process queue.
    pub registry: Option<Arc<dyn ConsumerRegistry>>,
    /// Queue that accepted orders are published to.
    pub queue: Arc<dyn OrderQueue>,
    /// Creates a consumer of the queue.
    pub consumers: Factory<dyn OrderConsumer>,
    /// Notifies the relays, and the waiters for changes.
    pub notifier: Arc<dyn Notifier>,
    /// Creates a listener for new outbox entries.
    pub listeners: Factory<dyn Listener>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Vendors with feeds.
    pub vendors: Vec<ConfiguredFeed>,
    /// Vendors that push their reports.
    pub push_vendors: Vec<ConfiguredPushFeed>,
    /// Records metrics.
    pub observer: Arc<dyn Observer>,
    /// Records the spans of batches.
    pub tracer: Arc<dyn Tracer>,
    /// All vendors of the settings, including those without a feed.
    pub vendor_set: VendorSet,
    /// Runtime of the relay and the consumers, if the store has one for tasks that mostly write; `None` for the current one.
    pub writer_runtime: Option<Handle>,
}

impl WorkerPorts {
    /// The ids of the vendors that report their stock: those with feeds, and those that push their reports.
    #[must_use]
    pub fn reporting_vendor_ids(&self) -> Vec<VendorId> {
        let pushing = self.push_vendors.iter();
        let mut ids = self.feed_vendor_ids();
        ids.extend(pushing.map(|vendor| vendor.feed.vendor_id().clone()));
        ids
    }

    /// The ids of the vendors with feeds.
    #[must_use]
    pub fn feed_vendor_ids(&self) -> Vec<VendorId> {
        let ids = self.vendors.iter().map(|vendor| vendor.feed.vendor_id());
        ids.cloned().collect()
    }
}

/// Starts the consumers, the relay, the sweeper and the sync scheduler under `supervisor`, and returns their health.
/// Requires a tokio runtime.
#[must_use]
pub fn start(ports: &WorkerPorts, settings: &WorkerSettings, supervisor: &Supervisor) -> Health {
    let mut health = Health::new(
        Arc::clone(&ports.probe),
        Arc::clone(&ports.queue),
        supervisor.clone(),
    )
    .with_backlog(start_monitor(ports, supervisor));
    let vendor_set_applied = watch::Sender::new(false);
    let writing = supervisor.on(ports.writer_runtime.clone());
    health.consumers = start_consumers(ports, settings, &writing, &vendor_set_applied);
    start_balancer(ports, &health.consumers, supervisor);
    health.watch(start_relay(ports, settings, &writing));
    health.watch(start_sweeper(ports, settings, supervisor));
    for task in start_scheduler(ports, supervisor, vendor_set_applied) {
        health.watch(task);
    }
    health
}

fn start_consumers(
    ports: &WorkerPorts,
    settings: &WorkerSettings,
    supervisor: &Supervisor,
    vendor_set_applied: &watch::Sender<bool>,
) -> BTreeMap<String, ConsumerState> {
    let settle = SettleOrders::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.clock),
        most_available_first,
    )
    .with_first_sync_grace(settings.first_sync_grace)
    .with_observer(Arc::clone(&ports.observer))
    .with_notifier(Arc::clone(&ports.notifier))
    .with_tracer(Arc::clone(&ports.tracer));
    let settle = Arc::new(settle);
    let batch = settings.batch;
    let mut states = BTreeMap::new();
    for number in 1..=settings.consumers {
        let name = format!("consumer-{number}");
        let state = ConsumerState::new(name.clone());
        states.insert(name.clone(), state.clone());
        let consumers = Arc::clone(&ports.consumers);
        let context = (
            Arc::clone(&settle),
            consumers,
            state,
            vendor_set_applied.subscribe(),
        );
        supervisor.supervise(name, context, move |context, stop| async move {
            let (settle, consumers, state, mut vendor_set_applied) = context;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                // Cannot fail: the sender outlives this task.
                _ = vendor_set_applied.wait_for(|is_applied| *is_applied) => {}
            }
            let mut source = consumers();
            consumer::run(source.as_mut(), &settle, batch, &state, &stop)
                .await
                .map_err(|error| error.to_string())
        });
    }
    states
}

fn start_balancer(
    ports: &WorkerPorts,
    consumers: &BTreeMap<String, ConsumerState>,
    supervisor: &Supervisor,
) {
    let Some(registry) = ports.registry.clone() else {
        return;
    };
    let consumers: Vec<ConsumerState> = consumers.values().cloned().collect();
    let context = (registry, consumers);
    supervisor.supervise(
        "balancer",
        context,
        |(registry, consumers), stop| async move {
            balancer::run(registry.as_ref(), &consumers, &stop).await;
            Ok(())
        },
    );
}

fn start_monitor(ports: &WorkerPorts, supervisor: &Supervisor) -> LastBacklog {
    let last = LastBacklog::default();
    let context = (ports.queue.clone(), ports.observer.clone(), last.clone());
    supervisor.supervise(
        "monitor",
        context,
        |(queue, observer, last), stop| async move {
            monitor::run(queue.as_ref(), observer.as_ref(), &last, &stop).await;
            Ok(())
        },
    );
    last
}

fn start_relay(
    ports: &WorkerPorts,
    settings: &WorkerSettings,
    supervisor: &Supervisor,
) -> TaskHealth {
    let relay = Relay::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.queue),
        Arc::clone(&ports.clock),
        RelaySettings {
            batch: settings.relay_batch,
            lease: settings.relay_lease,
        },
    )
    .with_observer(Arc::clone(&ports.observer))
    .with_tracer(Arc::clone(&ports.tracer));
    let poll = settings.relay_poll_interval;
    let health = TaskHealth::new("relay");
    let context = (relay, Arc::clone(&ports.listeners), health.clone());
    supervisor.supervise(health.name(), context, move |context, stop| async move {
        let (relay, listeners, health) = context;
        let mut listener = listeners();
        relay::run(&relay, listener.as_mut(), poll, &health, &stop).await;
        Ok(())
    });
    health
}

/// Creates the sweeper with the worker's settings.
#[must_use]
pub fn sweeper(ports: &WorkerPorts, settings: &WorkerSettings) -> Sweeper {
    Sweeper::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.queue),
        Arc::clone(&ports.notifier),
        Arc::clone(&ports.clock),
        SweeperSettings {
            pending_for: settings.pending_timeout,
            max_queue_depth: settings.max_queue_depth,
            key_retention: settings.idempotency_key_retention,
            change_log_retention: settings.change_log_retention,
            max_runs: settings.max_runs,
        },
    )
}

fn start_sweeper(
    ports: &WorkerPorts,
    settings: &WorkerSettings,
    supervisor: &Supervisor,
) -> TaskHealth {
    let interval = settings.sweep_interval;
    let health = TaskHealth::new("sweeper");
    let context = (sweeper(ports, settings), health.clone());
    supervisor.supervise(health.name(), context, move |context, stop| async move {
        let (sweep, health) = context;
        sweeper::run(&sweep, interval, &health, &stop).await;
        Ok(())
    });
    health
}

/// Creates the use case that syncs vendors.
#[must_use]
pub fn vendor_sync(ports: &WorkerPorts) -> VendorSync {
    VendorSync::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.sync_queries),
        Arc::clone(&ports.probe),
        Arc::clone(&ports.clock),
    )
    .with_observer(Arc::clone(&ports.observer))
    .with_notifier(Arc::clone(&ports.notifier))
    .with_intervals(ports.vendors.iter().map(ConfiguredFeed::interval))
}

/// Creates the use case that applies the vendor set.
fn vendor_sets(ports: &WorkerPorts) -> VendorSets {
    VendorSets::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.vendor_sets),
        Arc::clone(&ports.clock),
    )
    .with_notifier(Arc::clone(&ports.notifier))
}

/// Checks that no vendor of the settings has the source of another vendor in the store; a program with such settings must
/// not start. If the store is unavailable, the check passes, and the scheduler repeats it.
///
/// # Errors
/// [`VendorSetError::SourceTaken`].
pub async fn check_vendor_sources(ports: &WorkerPorts) -> Result<(), VendorSetError> {
    let vendor_sets = vendor_sets(ports);
    match vendor_sets.check_sources(&ports.vendor_set).await {
        Err(VendorSetError::Store(error)) => {
            warn!(%error, "the vendors of the settings cannot be checked against the store; the scheduler checks them again");
            Ok(())
        }
        result => result,
    }
}

fn start_scheduler(
    ports: &WorkerPorts,
    supervisor: &Supervisor,
    vendor_set_applied: watch::Sender<bool>,
) -> [TaskHealth; 2] {
    let set_health = TaskHealth::new("vendor-set");
    let health = TaskHealth::new("scheduler");
    let scheduler = Arc::new(Scheduler {
        sync: vendor_sync(ports),
        vendor_sets: vendor_sets(ports),
        leases: Arc::clone(&ports.leases),
        vendors: ports.vendors.clone(),
        push_vendors: ports.push_vendors.clone(),
        set: ports.vendor_set.clone(),
        health: health.clone(),
        set_health: set_health.clone(),
        vendor_set_applied,
        observer: Arc::clone(&ports.observer),
    });
    supervisor.supervise(health.name(), scheduler, |scheduler, stop| async move {
        scheduler.run(&stop).await
    });
    [health, set_health]
}
