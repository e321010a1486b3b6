//! Starts the API on the ports of a deployment: its use cases, the tasks behind them, and the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use domain::identifiers::VendorId;
use domain::ports::{
    ChangeQueries, Clock, ConfiguredFeed, ConfiguredPushFeed, Listener, Notifier, Observer,
    OrderQueries, RunQueries, StockQueries, Store, Topic, Tracer, VendorQueries, VendorSetQueries,
    WriteProbe,
};
use domain::services::{ChangeStatus, OrderBatcher, VendorSync};
use metrics::MetricsPage;
use readiness::{ReadinessProbe, TaskHealth};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::change_feed::{ChangeFeedHandle, ChangeFeedPorts};
use crate::server::PreparedServer;
use crate::shutdown::Shutdown;
use crate::state::{AppState, RequestTracer};
use crate::vendors::{DetachedWork, Vendors};
use crate::writers::spawn_writers;

/// The adapters of the API, and the use cases that it shares with other tasks of its process.
pub struct ApiPorts {
    /// The store.
    pub store: Arc<dyn ApiStore>,
    /// Notifies the relays, and the waiters for changes.
    pub notifier: Arc<dyn Notifier>,
    /// Creates a listener to a topic.
    pub listeners: Arc<dyn Fn(Topic) -> Box<dyn Listener> + Send + Sync>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Syncs vendors on demand.
    pub sync: VendorSync,
    /// The feeds of the vendors that have one.
    pub feeds: Vec<ConfiguredFeed>,
    /// The feeds of the vendors that push their reports.
    pub push_feeds: Vec<ConfiguredPushFeed>,
    /// The vendors without a feed.
    pub manual_vendors: Vec<VendorId>,
    /// Records the use cases' metrics.
    pub observer: Arc<dyn Observer>,
    /// Records the spans of requests and batches.
    pub tracer: Arc<dyn Tracer>,
    /// Renders the metrics of the process.
    pub metrics: MetricsPage,
    /// The health of the batch writers, which the readiness includes.
    pub write_health: TaskHealth,
    /// Runtime of the batch writers, and of the task that notifies waiters for settlements, if the store has one for tasks that
    /// mostly write; `None` for the current one.
    pub writer_runtime: Option<Handle>,
    /// Checks the readiness of the process.
    pub readiness: Arc<dyn ReadinessProbe>,
}

/// A store, in each of its roles.
pub trait ApiStore:
    Store
    + OrderQueries
    + StockQueries
    + ChangeQueries
    + VendorQueries
    + VendorSetQueries
    + RunQueries
    + WriteProbe
{
}

impl<S> ApiStore for S where
    S: Store
        + OrderQueries
        + StockQueries
        + ChangeQueries
        + VendorQueries
        + VendorSetQueries
        + RunQueries
        + WriteProbe
{
}

/// A server that listens, with the tasks behind it.
pub struct RunningServer {
    /// The address that the server listens on.
    pub address: SocketAddr,
    server: Server,
    writers: JoinSet<()>,
    /// The reports that are being applied.
    detached: DetachedWork,
    shutdown_timeout: Duration,
    /// The tasks that end with the server.
    background: JoinSet<()>,
}

/// Starts the API. It serves requests until `stop` completes, and then for the drain time of the options; requests observe
/// `shutdown`. Requires a tokio runtime.
///
/// # Errors
/// The port is in use, or binding is not permitted.
pub fn start(
    server: PreparedServer,
    ports: ApiPorts,
    shutdown: Shutdown,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<RunningServer> {
    let options = server.options();
    let (batch_writers, shutdown_timeout) = (options.batch_writers, options.shutdown_timeout);
    let (drain_time, has_passed_listener) = (options.drain_time, server.has_passed_listener());
    let store = ports.store;
    let (batcher, writer) = OrderBatcher::open(
        store.clone(),
        Arc::clone(&ports.notifier),
        Arc::clone(&ports.clock),
        options.batcher,
    );
    let writer = writer
        .with_observer(ports.observer)
        .with_tracer(Arc::clone(&ports.tracer))
        .with_write_observer(Arc::new(ports.write_health.clone()));
    let change_feed_ports = ChangeFeedPorts {
        orders: store.clone(),
        stock: store.clone(),
        changes: store.clone(),
        listeners: ports.listeners,
    };
    let (change_feed, watcher) = ChangeFeedHandle::open(change_feed_ports, options.change_feed);
    let detached = DetachedWork::new();
    let state = AppState {
        batcher,
        tracer: RequestTracer {
            tracer: ports.tracer,
            clock: Arc::clone(&ports.clock),
        },
        change_status: ChangeStatus::new(store.clone(), ports.clock).with_notifier(ports.notifier),
        orders: store.clone(),
        stock: store.clone(),
        runs: store.clone(),
        vendors: Vendors::new(
            store.clone(),
            store.clone(),
            ports.sync,
            detached.clone(),
            ports.feeds,
            ports.push_feeds,
            ports.manual_vendors,
        ),
        readiness: ports.readiness,
        metrics: ports.metrics,
        change_feed,
        shutdown: shutdown.clone(),
    };
    let (send_handle, handle) = oneshot::channel();
    let stop = drain(drain_time, shutdown, stop, handle);
    let bound = server.bind(state, stop)?;
    if has_passed_listener {
        let _ = send_handle.send(bound.server.handle());
    } else {
        drop(send_handle);
    }
    let mut background = JoinSet::new();
    match &ports.writer_runtime {
        Some(runtime) => {
            let (waiters, subscribers) = watcher.split();
            background.spawn_on(waiters.run(), runtime);
            background.spawn(subscribers.run());
        }
        None => drop(background.spawn(watcher.run())),
    }
    background.spawn(readiness::probe_writes(store, ports.write_health));
    Ok(RunningServer {
        address: bound.address,
        server: bound.server,
        writers: spawn_writers(&writer, batch_writers, ports.writer_runtime.as_ref()),
        detached,
        shutdown_timeout,
        background,
    })
}

/// Completes the drain time after `stop`, and announces the shutdown then. Meanwhile a server whose handle is received accepts no
/// connections: they wait in its socket for the next process. Another server accepts them until it ends.
async fn drain(
    drain_time: Duration,
    shutdown: Shutdown,
    stop: impl Future<Output = ()> + Send,
    handle: oneshot::Receiver<ServerHandle>,
) {
    stop.await;
    if !drain_time.is_zero() {
        shutdown.drain();
        if let Ok(handle) = handle.await {
            handle.pause().await;
        }
        tokio::time::sleep(drain_time).await;
    }
    shutdown.announce();
}

impl RunningServer {
    /// Runs until the server has ended, and then until the pending orders are written and the reports that were received are
    /// applied, at most for the shutdown timeout.
    ///
    /// # Errors
    /// The server failed.
    pub async fn run(mut self) -> io::Result<()> {
        let served = self.server.await;
        self.background.abort_all();
        // No client waits for a response any more; give pending writes time to finish.
        let pending = async {
            self.detached.finish().await;
            self.writers.join_all().await;
        };
        let _ = tokio::time::timeout(self.shutdown_timeout, pending).await;
        served
    }
}
