//! A server for each test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{ApiPorts, ChangeFeedSettings, ServerOptions, Shutdown, StoreReadiness};
use clock_tokio::SystemClock;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::order::{Allocation, OrderRequest, OrderState, OrderStatus, RejectReason};
use domain::ports::{Clock, ConfiguredFeed, ConfiguredPushFeed, NoopTracer, Notifier as _, Topic};
use domain::quantity::Quantity;
use domain::services::{OrderBatcherSettings, VendorSync};
use metrics::{Metrics, MetricsPage};
use readiness::{ReadinessProbe, TaskHealth};
use signal_in_process::ProcessNotifier;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{self, Reply};
use crate::fake_feed::FakeFeed;
use crate::fake_store::FakeStore;

/// Maximum number of orders that wait to be written.
pub(crate) const MAX_WAITING: usize = 4;

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) store: FakeStore,
    /// Feed of the vendor `vendor-a`. The vendor `seed` has no feed.
    pub(crate) feed: FakeFeed,
    notifier: ProcessNotifier,
    shutdown: Shutdown,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// Starts a server with changed options.
    pub(crate) fn start_with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        Self::start_with_push(change, Vec::new())
    }

    /// Starts a server with changed options and these vendors that push their reports.
    pub(crate) fn start_with_push(
        change: impl FnOnce(&mut ServerOptions),
        push_feeds: Vec<ConfiguredPushFeed>,
    ) -> Self {
        Self::start_with_ports(change, |ports| ports.push_feeds = push_feeds)
    }

    /// Starts a server whose batch writer, and whose task for waiters, run on this runtime.
    pub(crate) fn start_on(runtime: Handle) -> Self {
        Self::start_with_ports(|_| (), |ports| ports.writer_runtime = Some(runtime))
    }

    fn start_with_ports(
        change: impl FnOnce(&mut ServerOptions),
        change_ports: impl FnOnce(&mut ApiPorts),
    ) -> Self {
        let store = FakeStore::default();
        let shutdown = Shutdown::new();
        let notifier = ProcessNotifier::new();
        let mut options = ServerOptions {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            workers: 1,
            body_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_mins(1),
            shutdown_timeout: Duration::from_secs(5),
            drain_time: Duration::ZERO,
            batcher: OrderBatcherSettings {
                max_batch: 16,
                max_waiting: MAX_WAITING,
            },
            batch_writers: 1,
            change_feed: ChangeFeedSettings {
                max_event_streams: 3,
                max_bytes: 1 << 20,
                bytes_per_second: 1 << 30,
            },
            keys: Vec::new(),
            allowed_hosts: Vec::new(),
            rate_limit: None,
            cors_origins: Vec::new(),
            tls: None,
        };
        change(&mut options);
        let (stop, stopped) = oneshot::channel();
        let feed = FakeFeed::new("vendor-a");
        let mut ports = ports(&store, &feed, &notifier);
        change_ports(&mut ports);
        let running = api::start(
            api::prepare(options).unwrap(),
            ports,
            shutdown.clone(),
            async move {
                let _ = stopped.await;
            },
        )
        .unwrap();
        Self {
            address: running.address,
            store,
            feed,
            notifier,
            shutdown,
            stop,
            server: tokio::spawn(running.run()),
        }
    }

    pub(crate) fn announce_shutdown(&self) {
        self.shutdown.announce();
    }

    /// Rejects an order, as settlement in another process does.
    pub(crate) fn settle(&self, id: OrderId) {
        self.store.settle(id);
        self.wake();
    }

    /// Sends the notification of a change in another process.
    pub(crate) fn wake(&self) {
        self.notifier.notify(Topic::Changes);
    }

    /// Stops the server and returns once it and its batch writers have ended.
    pub(crate) async fn stop(self) {
        let (_, ended) = self.begin_stop();
        ended.await;
    }

    /// Stops the server. Returns its address, and what completes once it and its batch writers have ended.
    pub(crate) fn begin_stop(self) -> (SocketAddr, impl Future<Output = ()>) {
        self.stop.send(()).unwrap();
        (self.address, async { self.server.await.unwrap().unwrap() })
    }

    /// Sends a request; `head` contains further header lines, each with its line end.
    pub(crate) async fn send(&self, method: &str, target: &str, head: &str, body: &[u8]) -> Reply {
        client::send(
            self.address,
            &bytes(
                method,
                target,
                &format!("{head}Connection: close\r\n"),
                body,
            ),
        )
        .await
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, "", b"").await
    }

    pub(crate) async fn post(&self, body: &str) -> Reply {
        self.send("POST", "/api/v1/orders", JSON, body.as_bytes())
            .await
    }

    pub(crate) async fn patch(&self, id: OrderId, head: &str, body: &str) -> Reply {
        let target = format!("/api/v1/orders/{id}");
        self.send("PATCH", &target, &format!("{JSON}{head}"), body.as_bytes())
            .await
    }

    /// Adds an order of 3 units of SKU-1 with this status.
    pub(crate) fn add_order(&self, status: OrderStatus) -> OrderId {
        self.add_order_of("SKU-1", status)
    }

    pub(crate) fn add_order_of(&self, product_id: &str, status: OrderStatus) -> OrderId {
        let request = OrderRequest {
            product_id: ProductId::parse_stored(product_id).unwrap(),
            quantity: Quantity::parse(3).unwrap(),
        };
        let part = Allocation::new(VendorId::parse("vendor-a").unwrap(), request.quantity);
        let (allocations, shipped) = (vec![part.clone()], vec![part.into_shipped()]);
        let state = match status {
            OrderStatus::Pending => OrderState::Pending,
            OrderStatus::Confirmed => OrderState::Confirmed(allocations),
            OrderStatus::Rejected => OrderState::Rejected(RejectReason::InsufficientStock),
            OrderStatus::Cancelled => OrderState::Cancelled,
            OrderStatus::Shipped => OrderState::Shipped(shipped),
            OrderStatus::Delivered => OrderState::Delivered(shipped),
        };
        self.store.0.lock().unwrap().add_order(request, state).id
    }

    /// Adds a confirmed order of SKU-1 with these allocations.
    pub(crate) fn add_split_order(&self, parts: &[(&str, i64)]) -> OrderId {
        let parts: Vec<Allocation> = parts
            .iter()
            .map(|&(vendor_id, units)| {
                let vendor_id = VendorId::parse(vendor_id).unwrap();
                Allocation::new(vendor_id, Quantity::parse(units).unwrap())
            })
            .collect();
        let units = parts.iter().map(|part| i64::from(part.quantity.units()));
        let request = OrderRequest {
            product_id: ProductId::parse("SKU-1").unwrap(),
            quantity: Quantity::parse(units.sum()).unwrap(),
        };
        let state = OrderState::Confirmed(parts);
        self.store.0.lock().unwrap().add_order(request, state).id
    }

    pub(crate) fn order_count(&self) -> usize {
        self.store.0.lock().unwrap().orders.len()
    }
}

/// The header line of a JSON body.
pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// Returns the bytes of a request.
pub(crate) fn bytes(method: &str, target: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = match (method, body.len()) {
        ("GET" | "HEAD" | "OPTIONS", 0) => String::new(),
        (_, length) => format!("Content-Length: {length}\r\n"),
    };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}{head}\r\n");
    [head.as_bytes(), body].concat()
}

fn ports(store: &FakeStore, feed: &FakeFeed, notifier: &ProcessNotifier) -> ApiPorts {
    let store = Arc::new(store.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = Arc::new(Metrics::new().unwrap());
    let write_health = TaskHealth::new("batch_writer");
    let sync = VendorSync::new(
        store.clone(),
        store.clone(),
        store.clone(),
        Arc::clone(&clock),
    )
    .with_observer(metrics.clone());
    let changes = notifier.clone();
    let readiness = StoreReadiness::new(store.clone(), write_health.clone());
    let readiness: Arc<dyn ReadinessProbe> = Arc::new(readiness.cached_for(Duration::ZERO));
    let page = MetricsPage::new(metrics.clone(), store.clone())
        .with_store_gauges_interval(Duration::ZERO)
        .with_readiness(Arc::clone(&readiness));
    ApiPorts {
        store: store.clone(),
        notifier: Arc::new(notifier.clone()),
        listeners: Arc::new(move |topic| Box::new(changes.listener(topic))),
        clock,
        sync,
        feeds: vec![ConfiguredFeed {
            feed: Arc::new(feed.clone()),
            sync_interval: Duration::from_secs(30),
            url: "http://vendor-a/stock".to_owned(),
        }],
        push_feeds: Vec::new(),
        manual_vendors: vec![VendorId::parse("seed").unwrap()],
        observer: metrics,
        tracer: Arc::new(NoopTracer),
        metrics: page,
        write_health,
        writer_runtime: None,
        readiness,
    }
}
