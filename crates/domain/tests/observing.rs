//! What the use cases tell whoever counts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::allocation::most_available_first;
use domain::evidence::ResponseTimes;
use domain::identifiers::{IdempotencyKey, OrderId, ProductId, VendorId};
use domain::order::OrderRequest;
use domain::ports::{
    Backlog, Clock, FeedError, FetchedReport, NewOrder, Notifier, Observer, OrderConsumer as _,
    SyncOutcome, Topic, VendorFeed,
};
use domain::quantity::Quantity;
use domain::report::{Report, ReportKind};
use domain::services::{
    OrderBatcher, OrderBatcherSettings, Relay, RelaySettings, SettleOrders, VendorSets, VendorSync,
};
use domain::settlement::SettledBatch;
use domain::timestamp::Timestamp;
use domain::vendor_set::ConfiguredVendor;
use queue_in_process::InProcessQueue;
use storage_memory::MemoryStore;

/// Writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
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
        self.add(format!("{confirmed} and not {unconfirmed} relayed"));
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
    }
}

/// Time stands still.
struct Noon;

#[async_trait]
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_435_200_000_000)
    }

    async fn sleep(&self, _span: Duration) {}
}

/// Nobody needs to be woken here.
struct Silence;

impl Notifier for Silence {
    fn notify(&self, _: Topic) {}
}

/// Always gives the same answer.
struct Feed {
    vendor_id: VendorId,
    answer: Result<Report, FeedError>,
}

#[async_trait]
impl VendorFeed for Feed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        self.answer.clone().map(|report| FetchedReport {
            report,
            times: ResponseTimes::default(),
        })
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

fn feed(answer: Result<Report, FeedError>) -> Feed {
    Feed {
        vendor_id: VendorId::parse("v").unwrap(),
        answer,
    }
}

#[tokio::test]
async fn each_event_is_told_once_it_is_committed() {
    let clock = Arc::new(Noon);
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let queue = InProcessQueue::new(10);
    let notes = Arc::new(Notes::default());
    let vendor_ids = [VendorId::parse("v").unwrap()];

    let sync = VendorSync::new(store.clone(), store.clone(), store.clone(), clock.clone());
    let sync = sync.with_observer(notes.clone());
    let report = Report::parse(ReportKind::Full, None, Vec::new()).unwrap();
    let stranger = sync.sync(&feed(Ok(report.clone()))).await;
    assert!(stranger.is_err());
    assert_eq!(notes.take(), ["v FAILED"]);
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
    let away = Err(FeedError::Unavailable("away".to_owned()));
    assert!(sync.sync(&feed(away)).await.is_err());
    assert_eq!(notes.take(), ["v APPLIED", "v FAILED"]);

    let settings = OrderBatcherSettings {
        max_batch: 10,
        max_waiting: 10,
    };
    let notifier = Arc::new(Silence);
    let (batcher, writer) = OrderBatcher::open(store.clone(), notifier, clock.clone(), settings);
    tokio::spawn(writer.with_observer(notes.clone()).run());
    batcher.place(order(Some("k"))).await.unwrap();
    batcher.place(order(Some("k"))).await.unwrap();
    batcher.place(order(None)).await.unwrap();
    assert_eq!(notes.take(), ["1 accepted", "1 accepted"]);

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
    .with_observer(notes.clone());
    relay.run_once().await.unwrap();
    relay.run_once().await.unwrap();
    assert_eq!(notes.take(), ["2 and not 0 relayed"]);

    let messages = queue.consumer().next_batch(10).await.unwrap();
    let ids: Vec<OrderId> = messages
        .iter()
        .flat_map(|message| message.order_ids.iter().copied())
        .collect();
    let settle = SettleOrders::new(store, clock, most_available_first).with_observer(notes.clone());
    settle.settle(&ids).await.unwrap();
    settle.settle(&ids).await.unwrap();
    assert_eq!(notes.take(), ["2 settled"]);
}
