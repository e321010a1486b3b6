//! Which tasks a worker runs, over whatever adapters it is given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::allocation::most_available_first;
use domain::identifiers::VendorId;
use domain::ports::{
    Clock, ConsumerRegistry, Leases, Listener, Notifier, Observer, OrderConsumer, OrderQueue,
    Store, StoreProbe, SyncQueries, VendorSetQueries,
};
use domain::services::{
    Relay, RelaySettings, SettleOrders, Sweeper, SweeperSettings, VendorSetError, VendorSets,
    VendorSync,
};
use domain::vendor_set::VendorSet;
use readiness::TaskHealth;
use settings::WorkerSettings;
use tokio::sync::watch;
use tracing::warn;

use crate::consumer_state::ConsumerState;
use crate::health::Health;
use crate::monitor::LastBacklog;
use crate::scheduler::{ScheduledVendor, Scheduler};
use crate::supervisor::Supervisor;
use crate::{balancer, consumer, monitor, relay, sweeper};

/// Makes a value of its own for each run of a task: what a run leaves behind, such as unacknowledged messages, must go
/// with it.
pub type Maker<T> = Arc<dyn Fn() -> Box<T> + Send + Sync>;

/// The adapters that a worker's tasks work with.
pub struct WorkerPorts {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// The same store, as it is looked at.
    pub probe: Arc<dyn StoreProbe>,
    /// The same store, for what reports are compared with.
    pub sync_queries: Arc<dyn SyncQueries>,
    /// The same store, for the vendor set.
    pub vendor_sets: Arc<dyn VendorSetQueries>,
    /// Who may sync the vendors.
    pub leases: Arc<dyn Leases>,
    /// Which consumers are alive over all workers, where workers share the queues out; none for a queue of one process.
    pub registry: Option<Arc<dyn ConsumerRegistry>>,
    /// Where accepted orders are handed over.
    pub queue: Arc<dyn OrderQueue>,
    /// Where they are taken from.
    pub consumers: Maker<dyn OrderConsumer>,
    /// Wakes the relays, and those who wait for changes.
    pub notifier: Arc<dyn Notifier>,
    /// Hears of new outbox entries.
    pub listeners: Maker<dyn Listener>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Vendors with feeds.
    pub vendors: Vec<ScheduledVendor>,
    /// Counts what is done.
    pub observer: Arc<dyn Observer>,
    /// All vendors of the settings, also those whose stock is entered by hand.
    pub vendor_set: VendorSet,
}

impl WorkerPorts {
    /// The vendors with feeds, as they are configured.
    #[must_use]
    pub fn with_feeds(&self) -> Vec<VendorId> {
        let ids = self.vendors.iter().map(|vendor| vendor.feed.vendor_id());
        ids.cloned().collect()
    }
}

/// Starts the consumers, the relay, the sweeper and the scheduler of syncs, and returns what tells how they are.
/// `supervisor` runs them from then on. Needs a tokio runtime.
#[must_use]
pub fn start(ports: &WorkerPorts, settings: &WorkerSettings, supervisor: &Supervisor) -> Health {
    let mut health = Health::new(
        Arc::clone(&ports.probe),
        Arc::clone(&ports.queue),
        supervisor.clone(),
    )
    .with_backlog(start_monitor(ports, supervisor));
    let brought = watch::Sender::new(false);
    health.consumers = start_consumers(ports, settings, supervisor, &brought);
    start_balancer(ports, &health.consumers, supervisor);
    health.watch(start_relay(ports, settings, supervisor));
    health.watch(start_sweeper(ports, settings, supervisor));
    for task in start_scheduler(ports, supervisor, brought) {
        health.watch(task);
    }
    health
}

fn start_consumers(
    ports: &WorkerPorts,
    settings: &WorkerSettings,
    supervisor: &Supervisor,
    brought: &watch::Sender<bool>,
) -> BTreeMap<String, ConsumerState> {
    let settle = SettleOrders::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.clock),
        most_available_first,
    )
    .with_first_sync_grace(settings.first_sync_grace);
    let settle = Arc::new(
        settle
            .with_observer(Arc::clone(&ports.observer))
            .with_notifier(Arc::clone(&ports.notifier)),
    );
    let batch = settings.batch;
    let mut states = BTreeMap::new();
    for number in 1..=settings.consumers {
        let name = format!("consumer-{number}");
        let state = ConsumerState::new(name.clone());
        states.insert(name.clone(), state.clone());
        let (settle, consumers) = (Arc::clone(&settle), Arc::clone(&ports.consumers));
        let brought = brought.subscribe();
        supervisor.supervise(name, move |stop| {
            let (settle, consumers) = (Arc::clone(&settle), Arc::clone(&consumers));
            let (state, mut brought) = (state.clone(), brought.clone());
            async move {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    // The sender outlives this task: it never fails.
                    _ = brought.wait_for(|brought| *brought) => {}
                }
                let mut source = consumers();
                consumer::run(source.as_mut(), &settle, batch, &state, &stop)
                    .await
                    .map_err(|error| error.to_string())
            }
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
    supervisor.supervise("balancer", move |stop| {
        let (registry, consumers) = (Arc::clone(&registry), consumers.clone());
        async move {
            balancer::run(registry.as_ref(), &consumers, &stop).await;
            Ok(())
        }
    });
}

fn start_monitor(ports: &WorkerPorts, supervisor: &Supervisor) -> LastBacklog {
    let last = LastBacklog::default();
    let shared = last.clone();
    let (queue, observer) = (Arc::clone(&ports.queue), Arc::clone(&ports.observer));
    supervisor.supervise("monitor", move |stop| {
        let (queue, observer) = (Arc::clone(&queue), Arc::clone(&observer));
        let last = shared.clone();
        async move {
            monitor::run(queue.as_ref(), observer.as_ref(), &last, &stop).await;
            Ok(())
        }
    });
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
    .with_observer(Arc::clone(&ports.observer));
    let (poll, listeners) = (settings.relay_poll_interval, Arc::clone(&ports.listeners));
    let health = TaskHealth::new("relay");
    let recorded = health.clone();
    supervisor.supervise(health.name(), move |stop| {
        let (relay, listeners) = (relay.clone(), Arc::clone(&listeners));
        let health = recorded.clone();
        async move {
            let mut listener = listeners();
            relay::run(&relay, listener.as_mut(), poll, &health, &stop).await;
            Ok(())
        }
    });
    health
}

/// The sweeper as the worker's settings have it.
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
        },
    )
}

fn start_sweeper(
    ports: &WorkerPorts,
    settings: &WorkerSettings,
    supervisor: &Supervisor,
) -> TaskHealth {
    let (sweep, every) = (sweeper(ports, settings), settings.sweep_interval);
    let health = TaskHealth::new("sweeper");
    let recorded = health.clone();
    supervisor.supervise(health.name(), move |stop| {
        let (sweep, health) = (sweep.clone(), recorded.clone());
        async move {
            sweeper::run(&sweep, every, &health, &stop).await;
            Ok(())
        }
    });
    health
}

/// How vendors are synced.
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
    .with_intervals(intervals(ports))
}

/// The interval of each vendor's scheduled syncs.
fn intervals(ports: &WorkerPorts) -> impl Iterator<Item = (VendorId, Duration)> {
    let vendors = ports.vendors.iter();
    vendors.map(|vendor| (vendor.feed.vendor_id().clone(), vendor.sync_interval))
}

/// Applies the vendor set.
fn vendor_sets(ports: &WorkerPorts) -> VendorSets {
    VendorSets::new(
        Arc::clone(&ports.store),
        Arc::clone(&ports.vendor_sets),
        Arc::clone(&ports.clock),
    )
    .with_notifier(Arc::clone(&ports.notifier))
}

/// Checks that no vendor of the settings has the source of another vendor in the store: a program with such settings must
/// not start. A store that is away does not keep it from starting; the scheduler checks again.
///
/// # Errors
/// [`VendorSetError::SourceTaken`].
pub async fn check_vendor_sources(ports: &WorkerPorts) -> Result<(), VendorSetError> {
    let vendor_sets = vendor_sets(ports);
    match vendor_sets.check_sources(&ports.vendor_set).await {
        Err(VendorSetError::Store(error)) => {
            warn!(%error, "the vendors of the settings are not compared with those of the store yet");
            Ok(())
        }
        ended => ended,
    }
}

fn start_scheduler(
    ports: &WorkerPorts,
    supervisor: &Supervisor,
    brought: watch::Sender<bool>,
) -> [TaskHealth; 2] {
    let set_health = TaskHealth::new("vendor-set");
    let health = TaskHealth::new("scheduler");
    let scheduler = Arc::new(Scheduler {
        sync: vendor_sync(ports),
        vendor_sets: vendor_sets(ports),
        leases: Arc::clone(&ports.leases),
        vendors: ports.vendors.clone(),
        set: ports.vendor_set.clone(),
        health: health.clone(),
        set_health: set_health.clone(),
        brought,
        observer: Arc::clone(&ports.observer),
    });
    supervisor.supervise(health.name(), move |stop| {
        let scheduler = Arc::clone(&scheduler);
        async move { scheduler.run(&stop).await }
    });
    [health, set_health]
}
