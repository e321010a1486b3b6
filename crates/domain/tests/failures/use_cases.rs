//! The use cases: the state before each, the calls that each makes, and its result.

use std::sync::Arc;
use std::time::Duration;

use domain::guard::{Guard, Share};
use domain::identifiers::{BatchDigest, IdempotencyKey};
use domain::order::OrderStatus;
use domain::ports::{Clock as _, FeedError, NewOrder, NoopNotifier};
use domain::report::{Report, ReportKind};
use domain::services::{BatchWriter, NewBatch, OrderBatcher, OrderBatcherSettings};
use domain::timestamp::Timestamp;

use crate::builders::{full, keyed, order, validators, vendor, vendor_set};
use crate::expected::Expected;
use crate::faulty_edges::FaultyFeed;
use crate::fixture::Fixture;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseCase {
    /// Three concurrent orders.
    Place,
    /// A batch of three orders, with one key.
    PlaceBatch,
    Relay,
    /// The queue has room for two of three orders.
    RelayToFullQueue,
    Settle,
    /// One of the orders is unreadable.
    SettleUnreadable,
    /// A change from one status to another.
    Change(OrderStatus, OrderStatus),
    /// A part of a confirmed order is shipped.
    ShipPart,
    Sweep,
    /// The queue was lost with its process.
    RequeueAll,
    Sync,
    /// The vendor's response is not a report.
    SyncWithoutReport,
    /// The vendor has not finished its report.
    SyncNotReady,
    /// The vendor states that its report has not changed.
    SyncNotModified,
    /// The report is older than the last one.
    SyncStale,
    /// The vendor's guard holds the report.
    SyncHeld,
    /// The vendor is not configured.
    SyncUnconfigured,
    /// A set without one of the vendors.
    ApplySet,
    /// The stock data of a vendor is too old.
    Expire,
}

use OrderStatus::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};

impl UseCase {
    pub(crate) const ALL: [Self; 28] = [
        Self::Place,
        Self::PlaceBatch,
        Self::Relay,
        Self::RelayToFullQueue,
        Self::Settle,
        Self::SettleUnreadable,
        Self::Change(Pending, Pending),
        Self::Change(Pending, Confirmed),
        Self::Change(Pending, Rejected),
        Self::Change(Pending, Cancelled),
        Self::Change(Confirmed, Pending),
        Self::Change(Confirmed, Rejected),
        Self::Change(Confirmed, Cancelled),
        Self::Change(Confirmed, Shipped),
        Self::Change(Confirmed, Delivered),
        Self::Change(Shipped, Delivered),
        Self::ShipPart,
        Self::Sweep,
        Self::RequeueAll,
        Self::Sync,
        Self::SyncWithoutReport,
        Self::SyncNotReady,
        Self::SyncNotModified,
        Self::SyncStale,
        Self::SyncHeld,
        Self::SyncUnconfigured,
        Self::ApplySet,
        Self::Expire,
    ];

    /// Returns the port calls of a run without failures, separated by commas.
    pub(crate) fn calls(self) -> &'static str {
        match self {
            Self::Place | Self::PlaceBatch => "begin,accept,commit",
            Self::Relay => "begin,claim,commit,publish,begin,remove,commit",
            Self::RelayToFullQueue => "begin,claim,commit,publish,begin,remove,release,commit",
            Self::Settle => {
                "begin,try_lock_pending,try_lock_stock,store_time,first_syncs,try_lock_stock,save_settled,save_stock,commit"
            }
            Self::SettleUnreadable => {
                "begin,try_lock_pending,begin,try_lock_pending,try_lock_stock,store_time,save_settled,save_stock,commit,begin,try_lock_pending,begin,try_lock_pending,begin,record_dead_letter,commit,begin,try_lock_pending,try_lock_stock,save_settled,save_stock,commit"
            }
            Self::Change(Confirmed, Cancelled) => {
                "begin,lock_order,lock_stock,save_stock,save_state,commit"
            }
            Self::ShipPart
            | Self::Change(Pending, Rejected | Cancelled)
            | Self::Change(Confirmed, Shipped)
            | Self::Change(Shipped, Delivered) => "begin,lock_order,save_state,commit",
            Self::Change(..) => "begin,lock_order",
            Self::Sweep => {
                "begin,store_time,prune_keys,commit,begin,store_time,prune_changes,commit,begin,prune_dead_letters,commit,begin,prune_runs,commit,backlog,begin,requeue_overdue,commit"
            }
            Self::RequeueAll => "begin,requeue_overdue,commit",
            Self::Sync => {
                "store_time,fetch,store_time,find_sync_state,list_reported_stock,begin,limit_lock_waits,lock_vendor,create_products,lock_stock,mark_included,save_stock,end_first_sync,record_sync,clear_pause,commit"
            }
            Self::SyncHeld => {
                "store_time,fetch,store_time,find_sync_state,list_reported_stock,begin,limit_lock_waits,lock_vendor,add_quarantined_lines,commit,begin,limit_lock_waits,lock_vendor,count_quarantined_lines,end_first_sync,record_sync,clear_pause,commit"
            }
            Self::SyncWithoutReport => {
                "store_time,fetch,begin,lock_vendor,end_first_sync,record_sync,find_pause,save_pause,commit"
            }
            Self::SyncNotReady => "store_time,fetch,begin,lock_vendor,record_sync,commit",
            Self::SyncNotModified => {
                "store_time,find_sync_state,fetch,store_time,begin,lock_vendor,end_first_sync,record_sync,clear_pause,commit"
            }
            Self::SyncStale => {
                "store_time,fetch,store_time,find_sync_state,begin,limit_lock_waits,lock_vendor,end_first_sync,record_sync,clear_pause,commit"
            }
            Self::SyncUnconfigured => {
                "store_time,fetch,store_time,find_sync_state,begin,lock_vendor"
            }
            Self::ApplySet => {
                "find_vendor_set,begin,lock_vendor_sets,save_current_set,vendor_sources,configure,lock_stock,save_stock,commit"
            }
            Self::Expire => {
                "begin,limit_lock_waits,lock_vendor,store_time,find_by_expiry,lock_stock,save_stock,commit"
            }
        }
    }

    /// Returns whether all changes are made in one transaction.
    pub(crate) fn is_one_transaction(self) -> bool {
        !matches!(
            self,
            Self::Relay | Self::RelayToFullQueue | Self::SettleUnreadable | Self::Sweep
        )
    }

    /// Returns the largest number of parts that are retried separately.
    pub(crate) fn parts(self) -> usize {
        match self {
            Self::Sweep => 5,
            _ => 2,
        }
    }

    /// Returns whether a batch that fails permanently is halved.
    pub(crate) fn halves(self) -> bool {
        matches!(self, Self::Place | Self::Settle | Self::SettleUnreadable)
    }

    /// Returns whether the call with this number, from 1, is in the transaction that records a dead letter.
    pub(crate) fn records_a_dead_letter_at(self, number: usize) -> bool {
        let mut calls = self.calls().split(',');
        let recording = calls.position(|call| call == "record_dead_letter");
        recording.is_some_and(|index| (index..=index + 2).contains(&number))
    }

    pub(crate) async fn prepare(self) -> Fixture {
        let mut fixture = match self {
            Self::RelayToFullQueue => Fixture::open(2, 1).await,
            _ => Fixture::open(100, 10).await,
        };
        match self {
            Self::Place
            | Self::PlaceBatch
            | Self::SyncWithoutReport
            | Self::SyncNotReady
            | Self::SyncStale
            | Self::SyncHeld
            | Self::SyncUnconfigured => {}
            Self::Relay | Self::RelayToFullQueue => {
                // Each order in its own entry.
                for (product_id, units) in [("p", 1), ("q", 2), ("p", 3)] {
                    fixture.accept(&[order(product_id, units)]).await;
                }
            }
            Self::Settle => {
                // The third order exceeds the stock of p, and the fourth takes its last unit.
                let units = [("p", 6), ("p", 6), ("p", 2), ("p", 1), ("x", 1), ("q", 4)];
                let orders: Vec<NewOrder> = units.map(|(p, n)| order(p, n)).into();
                fixture.accept(&orders).await;
                fixture.relay().run_once().await.unwrap();
            }
            Self::SettleUnreadable => {
                let orders = [order("p", 1), order("p", 2), order("q", 3)];
                let ids = fixture.accept(&orders).await;
                fixture.relay().run_once().await.unwrap();
                fixture.store.unreadable = Some(ids[1]);
            }
            // More units than one vendor has.
            Self::Change(from, _) => fixture.add_order(order("p", 12), from).await,
            Self::Sweep => {
                fixture.accept(&[keyed("p", 1, "old")]).await;
                fixture.clock.advance(Duration::from_hours(25));
                fixture.accept(&[keyed("p", 2, "new")]).await;
                fixture.clock.advance(Duration::from_mins(5));
                fixture.discard_outbox().await;
            }
            Self::RequeueAll => {
                fixture.accept(&[order("p", 1), order("q", 2)]).await;
                fixture.discard_outbox().await;
            }
            Self::Sync => {
                fixture.add_order(order("p", 2), Shipped).await;
                fixture.add_order(order("p", 3), Confirmed).await;
                // A `Date` is evidence only of shipments in an earlier second.
                fixture.clock.advance(Duration::from_secs(1));
            }
            Self::Expire => {
                sync(&fixture, "v", Ok(full(&[("p", 8), ("r", 5)]))).await;
                fixture.clock.advance(Duration::from_hours(2));
            }
            Self::SyncNotModified => {
                unchanged_sync(&fixture).await;
            }
            Self::ShipPart | Self::ApplySet => {
                fixture.add_order(order("p", 12), Confirmed).await;
            }
        }
        fixture
    }

    pub(crate) async fn run(self, fixture: &Fixture) -> Expected {
        match self {
            Self::Place => place(fixture).await,
            Self::PlaceBatch => place_batch(fixture).await,
            Self::Relay | Self::RelayToFullQueue => fixture.relay().run_once().await.into(),
            Self::Settle | Self::SettleUnreadable => fixture.settle_messages().await.into(),
            Self::Change(_, to) => {
                let id = fixture.subject.unwrap();
                fixture.status().change(id, to, |_| true).await.into()
            }
            Self::ShipPart => {
                let id = fixture.subject.unwrap();
                let (status, vendor_id) = (fixture.status(), vendor("v"));
                status.ship_part(id, &vendor_id, |_| true).await.into()
            }
            Self::Sweep => fixture.sweeper().sweep().await.into(),
            Self::RequeueAll => fixture.sweeper().requeue_all().await.into(),
            Self::Sync => sync(fixture, "v", Ok(full(&[("p", 8), ("r", 5)]))).await,
            Self::SyncWithoutReport => {
                sync(
                    fixture,
                    "v",
                    Err(FeedError::Malformed("not a list".to_owned().into())),
                )
                .await
            }
            Self::SyncNotReady => {
                sync(fixture, "v", Err(FeedError::NotReady("empty".to_owned()))).await
            }
            Self::SyncNotModified => unchanged_sync(fixture).await,
            Self::SyncStale => {
                let long_ago = Some(Timestamp::from_micros(0));
                let report = Report::parse(ReportKind::Full, long_ago, []);
                sync(fixture, "v", Ok(report.unwrap())).await
            }
            Self::SyncHeld => {
                let guard = Guard {
                    max_drop: Some(Share::ZERO),
                    ..Guard::default()
                };
                // The same claim each time: a second report does not confirm the first.
                let as_of = Some(Timestamp::from_micros(1_795_435_200_000_000));
                let lines = full(&[("p", 9), ("q", 4)]).quantities().clone();
                let report = Report::from_quantities(ReportKind::Full, as_of, lines);
                guarded_sync(fixture, "v", Ok(report.unwrap()), guard).await
            }
            Self::SyncUnconfigured => sync(fixture, "unconfigured", Ok(full(&[("p", 8)]))).await,
            Self::ApplySet => {
                let result = fixture
                    .vendor_sets()
                    .apply_if_new(&vendor_set(&["v"]))
                    .await;
                result.into()
            }
            Self::Expire => {
                let (expiry, max_age) = (fixture.sync().expiry(), Duration::from_hours(1));
                expiry.enforce(&vendor("v"), Some(max_age)).await.into()
            }
        }
    }
}

impl Fixture {
    /// Adds the order that the use case changes, and brings it into a status.
    async fn add_order(&mut self, order: NewOrder, status: OrderStatus) {
        let id = self.accept(&[order]).await[0];
        self.subject = Some(id);
        if status == Pending {
            return;
        }
        self.relay().run_once().await.unwrap();
        self.settle_messages().await.unwrap();
        if status == Shipped {
            let shipped = self.status().change(id, Shipped, |_| true).await;
            shipped.unwrap();
        }
    }
}

fn batcher(fixture: &Fixture) -> (OrderBatcher, BatchWriter) {
    OrderBatcher::open(
        fixture.store_port(),
        Arc::new(NoopNotifier),
        fixture.clock.clone(),
        OrderBatcherSettings {
            max_batch: 10,
            max_waiting: 10,
        },
    )
}

async fn place_batch(fixture: &Fixture) -> Expected {
    let (batcher, writer) = batcher(fixture);
    let orders = [order("p", 2), order("q", 3), order("p", 4)];
    let key = IdempotencyKey::parse("", "batch").unwrap();
    let batch = NewBatch {
        requests: orders.map(|order| order.request).into(),
        key: Some((key, BatchDigest::parse("2+3+4").unwrap())),
        trace: None,
    };
    let caller = async {
        let result = batcher.place_all(batch).await;
        drop(batcher);
        result
    };
    let (result, ()) = tokio::join!(biased; caller, writer.run());
    result.into()
}

async fn place(fixture: &Fixture) -> Expected {
    let (batcher, writer) = batcher(fixture);
    let callers = async {
        let results = tokio::join!(
            batcher.place(keyed("p", 2, "a")),
            batcher.place(keyed("q", 3, "b")),
            batcher.place(keyed("p", 4, "c")),
        );
        drop(batcher);
        results
    };
    let ((first, second, third), ()) = tokio::join!(biased; callers, writer.run());
    let results = [first, second, third].map(Expected::from);
    assert!(
        results.iter().all(|it| *it == results[0]),
        "callers got different results: {results:?}"
    );
    results[0]
}

async fn sync(fixture: &Fixture, vendor_id: &str, result: Result<Report, FeedError>) -> Expected {
    guarded_sync(fixture, vendor_id, result, Guard::default()).await
}

pub(crate) async fn guarded_sync(
    fixture: &Fixture,
    vendor_id: &str,
    result: Result<Report, FeedError>,
    guard: Guard,
) -> Expected {
    let feed = FaultyFeed {
        guard,
        ..feed(fixture, vendor_id, result)
    };
    fixture.sync().sync(&feed).await.into()
}

/// Syncs vendor `v`, whose source states from the second time on that the report has not changed.
async fn unchanged_sync(fixture: &Fixture) -> Expected {
    let feed = FaultyFeed {
        validators: Some(validators()),
        ..feed(fixture, "v", Ok(full(&[("p", 8), ("r", 5)])))
    };
    fixture.sync().sync(&feed).await.into()
}

fn feed(fixture: &Fixture, vendor_id: &str, result: Result<Report, FeedError>) -> FaultyFeed {
    FaultyFeed {
        vendor_id: vendor(vendor_id),
        result,
        now: fixture.clock.now(),
        guard: Guard::default(),
        validators: None,
        faults: Arc::clone(&fixture.faults),
    }
}
