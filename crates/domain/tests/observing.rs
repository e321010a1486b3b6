//! Notifications of the observer by the use cases.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::allocation::most_available_first;
use domain::evidence::ResponseTimes;
use domain::identifiers::{IdempotencyKey, OrderId, ProductId, VendorId};
use domain::order::OrderRequest;
use domain::ports::{
    Backlog, Clock, FeedError, FetchedReport, NewOrder, NoopNotifier, Observer, OrderConsumer as _,
    SyncOutcome, VendorFeed,
};
use domain::quantity::Quantity;
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::services::{
    OrderBatcher, OrderBatcherSettings, Relay, RelaySettings, SettleOrders, VendorSets, VendorSync,
};
use domain::settlement::SettledBatch;
use domain::timestamp::Timestamp;
use domain::vendor_set::ConfiguredVendor;
use queue_in_process::InProcessQueue;
use storage_memory::MemoryStore;

/// Records the notifications.
#[derive(Default)]
struct RecordingObserver(Mutex<Vec<String>>);

impl RecordingObserver {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for RecordingObserver {
    fn accepted(&self, orders: usize) {
        self.add(format!("{orders} accepted"));
    }

    fn settled(&self, batch: &SettledBatch, _took: Duration) {
        self.add(format!("{} settled", batch.orders.len()));
    }

    fn dead_lettered(&self, orders: usize) {
        self.add(format!("{orders} dead-lettered"));
    }

    fn backlog(&self, backlog: &Backlog) {
        self.add(format!("{} waiting", backlog.waiting));
    }

    fn postponed(&self, orders: usize) {
        self.add(format!("{orders} postponed"));
    }

    fn relayed(&self, confirmed: usize, unconfirmed: usize) {
        self.add(format!("{confirmed} relayed, {unconfirmed} unconfirmed"));
    }

    fn synced(&self, vendor_id: &VendorId, outcome: SyncOutcome, _took: Duration) {
        self.add(format!("{vendor_id} {outcome}"));
    }

    fn repaired_as_of(&self, vendor_id: &VendorId) {
        self.add(format!("{vendor_id} repaired"));
    }
}

fn order(key: Option<&str>) -> NewOrder {
    NewOrder {
        request: OrderRequest {
            product_id: ProductId::parse("p").unwrap(),
            quantity: Quantity::parse(1).unwrap(),
        },
        key: key.map(|key| IdempotencyKey::parse("", key).unwrap()),
        batch: None,
        trace: None,
    }
}

/// A clock that does not advance.
struct FixedClock;

#[async_trait]
impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_435_200_000_000)
    }

    async fn sleep(&self, _span: Duration) {}
}

/// Returns the same result for every request.
struct Feed {
    vendor_id: VendorId,
    result: Result<Report, FeedError>,
}

#[async_trait]
impl VendorFeed for Feed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        self.result.clone().map(|report| FetchedReport {
            report,
            times: ResponseTimes::default(),
            size: ReportSize::default(),
            file: None,
            read_file: None,
        })
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

fn feed(result: Result<Report, FeedError>) -> Feed {
    Feed {
        vendor_id: VendorId::parse("v").unwrap(),
        result,
    }
}

#[tokio::test]
async fn observer_is_notified_of_each_committed_event() {
    let clock = Arc::new(FixedClock);
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let queue = InProcessQueue::new(10);
    let observer = Arc::new(RecordingObserver::default());
    let vendor_ids = [VendorId::parse("v").unwrap()];

    let sync = VendorSync::new(store.clone(), store.clone(), store.clone(), clock.clone());
    let sync = sync.with_observer(observer.clone());
    let report = Report::parse(ReportKind::Full, None, Vec::new()).unwrap();
    let unconfigured = sync.sync(&feed(Ok(report.clone()))).await;
    assert!(unconfigured.is_err());
    assert_eq!(observer.take(), ["v FAILED"]);
    let vendor_sets = VendorSets::new(store.clone(), store.clone(), clock.clone());
    let vendors: Vec<ConfiguredVendor> = vendor_ids
        .iter()
        .map(|vendor_id| ConfiguredVendor {
            vendor_id: vendor_id.clone(),
            source: None,
        })
        .collect();
    vendor_sets.add(&vendors).await.unwrap();
    sync.sync(&feed(Ok(report))).await.unwrap();
    let unavailable = Err(FeedError::Unavailable("unreachable".to_owned()));
    assert!(sync.sync(&feed(unavailable)).await.is_err());
    assert_eq!(observer.take(), ["v APPLIED", "v FAILED"]);

    let settings = OrderBatcherSettings {
        max_batch: 10,
        max_waiting: 10,
    };
    let notifier = Arc::new(NoopNotifier);
    let (batcher, writer) = OrderBatcher::open(store.clone(), notifier, clock.clone(), settings);
    tokio::spawn(writer.with_observer(observer.clone()).run());
    batcher.place(order(Some("k"))).await.unwrap();
    batcher.place(order(Some("k"))).await.unwrap();
    batcher.place(order(None)).await.unwrap();
    assert_eq!(observer.take(), ["1 accepted", "1 accepted"]);

    let settings = RelaySettings {
        batch: 10,
        lease: Duration::from_secs(30),
    };
    let relay = Relay::new(
        store.clone(),
        Arc::new(queue.clone()),
        clock.clone(),
        settings,
    )
    .with_observer(observer.clone());
    relay.run_once().await.unwrap();
    relay.run_once().await.unwrap();
    assert_eq!(observer.take(), ["2 relayed, 0 unconfirmed"]);

    let messages = queue.consumer().next_batch(10).await.unwrap();
    let ids: Vec<OrderId> = messages
        .iter()
        .flat_map(|message| message.order_ids.iter().copied())
        .collect();
    let settle =
        SettleOrders::new(store, clock, most_available_first).with_observer(observer.clone());
    settle.settle(&ids).await.unwrap();
    settle.settle(&ids).await.unwrap();
    assert_eq!(observer.take(), ["2 settled"]);
}
