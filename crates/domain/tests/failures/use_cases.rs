//! The use cases: how the shop stands before each, what each calls, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::{BatchDigest, IdempotencyKey, VendorId};
use domain::order::OrderStatus;
use domain::ports::{Clock as _, FeedError, NewOrder};
use domain::report::{Report, ReportKind};
use domain::services::{Intake, IntakeSettings, IntakeWriter, NewBatch, PlaceOrderError};
use domain::timestamp::Timestamp;

use crate::builders::{full, keyed, order, vendor, vendor_set};
use crate::faulty_edges::FaultyFeed;
use crate::told::Told;
use crate::world::{Silence, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseCase {
    /// Three orders at once.
    Place,
    /// A batch of three orders, with one key.
    PlaceBatch,
    Relay,
    /// The queue has room for two of three.
    RelayToFullQueue,
    Settle,
    /// One of the orders can never be read.
    SettleUnreadable,
    /// From a status to another.
    Change(OrderStatus, OrderStatus),
    /// A part of a confirmed order is shipped.
    ShipPart,
    Sweep,
    /// The queue died with the process that held it.
    RequeueAll,
    Sync,
    /// The vendor answers with something that is no report.
    SyncWithoutReport,
    /// The report is older than the last one.
    SyncStale,
    /// The vendor is not configured.
    SyncStranger,
    /// A set that leaves a vendor out.
    ApplySet,
    /// The numbers of a vendor are too old.
    Expire,
}

use OrderStatus::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};

impl UseCase {
    pub(crate) const ALL: [Self; 25] = [
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
        Self::SyncStale,
        Self::SyncStranger,
        Self::ApplySet,
        Self::Expire,
    ];

    /// The calls to ports of a run in which nothing fails.
    pub(crate) fn calls(self) -> &'static str {
        match self {
            Self::Place | Self::PlaceBatch => "begin,accept,commit",
            Self::Relay => "begin,claim,commit,publish,begin,remove,commit",
            Self::RelayToFullQueue => "begin,claim,commit,publish,begin,remove,release,commit",
            Self::Settle => {
                "begin,try_lock_pending,store_time,try_lock_stock,first_syncs,try_lock_stock,save_settled,save_stock,commit"
            }
            Self::SettleUnreadable => {
                "begin,try_lock_pending,begin,try_lock_pending,store_time,try_lock_stock,save_settled,save_stock,commit,begin,try_lock_pending,begin,try_lock_pending,begin,record_dead_letter,commit,begin,try_lock_pending,try_lock_stock,save_settled,save_stock,commit"
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
                "begin,store_time,forget_keys,commit,begin,store_time,forget_changes,commit,begin,prune_dead_letters,commit,backlog,begin,requeue_overdue,commit"
            }
            Self::RequeueAll => "begin,requeue_overdue,commit",
            Self::Sync => {
                "probe store_time,fetch,probe store_time,find_sync_state,list_reported_stock,begin,limit_lock_waits,lock_vendor,create_products,lock_stock,mark_known,save_stock,end_first_sync,record_sync,clear_pause,commit"
            }
            Self::SyncWithoutReport => {
                "probe store_time,fetch,begin,lock_vendor,end_first_sync,record_sync,find_pause,save_pause,commit"
            }
            Self::SyncStale => {
                "probe store_time,fetch,probe store_time,find_sync_state,begin,limit_lock_waits,lock_vendor,end_first_sync,record_sync,clear_pause,commit"
            }
            Self::SyncStranger => {
                "probe store_time,fetch,probe store_time,find_sync_state,begin,lock_vendor"
            }
            Self::ApplySet => {
                "find_vendor_set,begin,lock_vendor_sets,save_current_set,vendor_sources,configure,lock_stock,save_stock,commit"
            }
            Self::Expire => {
                "begin,limit_lock_waits,lock_vendor,store_time,find_by_expiry,lock_stock,save_stock,commit"
            }
        }
    }

    /// Whether all that it changes, it changes in one transaction.
    pub(crate) fn is_one_transaction(self) -> bool {
        !matches!(
            self,
            Self::Relay | Self::RelayToFullQueue | Self::SettleUnreadable | Self::Sweep
        )
    }

    /// How many parts it has at most that are repeated each by itself.
    pub(crate) fn parts(self) -> usize {
        match self {
            Self::Sweep => 4,
            _ => 2,
        }
    }

    /// Whether it halves a batch that fails for good.
    pub(crate) fn halves(self) -> bool {
        matches!(self, Self::Place | Self::Settle | Self::SettleUnreadable)
    }

    /// Whether the call of this number, from 1, is part of the transaction that records a dead letter.
    pub(crate) fn records_a_dead_letter_at(self, number: usize) -> bool {
        let mut calls = self.calls().split(',');
        let recording = calls.position(|call| call == "record_dead_letter");
        recording.is_some_and(|index| (index..=index + 2).contains(&number))
    }

    pub(crate) async fn prepare(self) -> World {
        let mut world = match self {
            Self::RelayToFullQueue => World::open(2, 1).await,
            _ => World::open(100, 10).await,
        };
        match self {
            Self::Place
            | Self::PlaceBatch
            | Self::SyncWithoutReport
            | Self::SyncStale
            | Self::SyncStranger => {}
            Self::Relay | Self::RelayToFullQueue => {
                // In an entry of its own each.
                for (product_id, units) in [("p", 1), ("q", 2), ("p", 3)] {
                    world.accept(&[order(product_id, units)]).await;
                }
            }
            Self::Settle => {
                // The third is one too many, and the fourth is the last that fits.
                let units = [("p", 6), ("p", 6), ("p", 2), ("p", 1), ("x", 1), ("q", 4)];
                let orders: Vec<NewOrder> = units.map(|(p, n)| order(p, n)).into();
                world.accept(&orders).await;
                world.relay().run_once().await.unwrap();
            }
            Self::SettleUnreadable => {
                let orders = [order("p", 1), order("p", 2), order("q", 3)];
                let ids = world.accept(&orders).await;
                world.relay().run_once().await.unwrap();
                world.store.unreadable = Some(ids[1]);
            }
            // More than one vendor has of it.
            Self::Change(from, _) => world.add_order(order("p", 12), from).await,
            Self::Sweep => {
                world.accept(&[keyed("p", 1, "old")]).await;
                world.clock.advance(Duration::from_hours(25));
                world.accept(&[keyed("p", 2, "new")]).await;
                world.clock.advance(Duration::from_mins(5));
                world.lose_the_outbox().await;
            }
            Self::RequeueAll => {
                world.accept(&[order("p", 1), order("q", 2)]).await;
                world.lose_the_outbox().await;
            }
            Self::Sync => {
                world.add_order(order("p", 2), Shipped).await;
                world.add_order(order("p", 3), Confirmed).await;
                // A `Date` proves what was shipped in an earlier second.
                world.clock.advance(Duration::from_secs(1));
            }
            Self::Expire => {
                sync(&world, "v", Ok(full(&[("p", 8), ("r", 5)]))).await;
                world.clock.advance(Duration::from_hours(2));
            }
            Self::ShipPart | Self::ApplySet => {
                world.add_order(order("p", 12), Confirmed).await;
            }
        }
        world
    }

    pub(crate) async fn run(self, world: &World) -> Told {
        match self {
            Self::Place => place(world).await,
            Self::PlaceBatch => place_batch(world).await,
            Self::Relay | Self::RelayToFullQueue => world.relay().run_once().await.into(),
            Self::Settle | Self::SettleUnreadable => world.settle_messages().await.into(),
            Self::Change(_, to) => {
                let id = world.subject.unwrap();
                world.status().change(id, to, |_| true).await.into()
            }
            Self::ShipPart => {
                let id = world.subject.unwrap();
                let (status, vendor_id) = (world.status(), vendor("v"));
                status.ship_part(id, &vendor_id, |_| true).await.into()
            }
            Self::Sweep => world.sweeper().sweep().await.into(),
            Self::RequeueAll => world.sweeper().requeue_all().await.into(),
            Self::Sync => sync(world, "v", Ok(full(&[("p", 8), ("r", 5)]))).await,
            Self::SyncWithoutReport => {
                sync(world, "v", Err(FeedError::Malformed("no list".to_owned()))).await
            }
            Self::SyncStale => {
                let long_ago = Some(Timestamp::from_micros(0));
                let report = Report::parse(ReportKind::Full, long_ago, []);
                sync(world, "v", Ok(report.unwrap())).await
            }
            Self::SyncStranger => sync(world, "stranger", Ok(full(&[("p", 8)]))).await,
            Self::ApplySet => {
                let result = world.vendor_sets().bring(&vendor_set(&["v"])).await;
                result.into()
            }
            Self::Expire => {
                let (expiry, max_age) = (world.sync().expiry(), Duration::from_hours(1));
                expiry.enforce(&vendor("v"), Some(max_age)).await.into()
            }
        }
    }
}

impl World {
    /// Adds an order that the use case is about, and brings it into a status.
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

fn intake(world: &World) -> (Intake, IntakeWriter) {
    Intake::open(
        world.store_port(),
        Arc::new(Silence),
        world.clock.clone(),
        IntakeSettings {
            max_batch: 10,
            max_waiting: 10,
        },
    )
}

async fn place_batch(world: &World) -> Told {
    let (intake, writer) = intake(world);
    let orders = [order("p", 2), order("q", 3), order("p", 4)];
    let key = IdempotencyKey::parse("", "batch").unwrap();
    let batch = NewBatch {
        requests: orders.map(|order| order.request).into(),
        key: Some((key, BatchDigest::parse("2+3+4").unwrap())),
    };
    let caller = async {
        let answer = intake.place_all(batch).await;
        drop(intake);
        answer
    };
    let (answer, ()) = tokio::join!(biased; caller, writer.run());
    match answer {
        Ok(_) => Told::Done,
        Err(PlaceOrderError::Store(error)) => error.into(),
        Err(other) => panic!("{other}"),
    }
}

async fn place(world: &World) -> Told {
    let (intake, writer) = intake(world);
    let callers = async {
        let answers = tokio::join!(
            intake.place(keyed("p", 2, "a")),
            intake.place(keyed("q", 3, "b")),
            intake.place(keyed("p", 4, "c")),
        );
        drop(intake);
        answers
    };
    let ((first, second, third), ()) = tokio::join!(biased; callers, writer.run());
    let told = [first, second, third].map(|answer| match answer {
        Ok(_) => Told::Done,
        Err(PlaceOrderError::Store(error)) => error.into(),
        Err(other) => panic!("{other}"),
    });
    assert!(told.iter().all(|it| *it == told[0]), "told apart: {told:?}");
    told[0]
}

async fn sync(world: &World, vendor_id: &str, answer: Result<Report, FeedError>) -> Told {
    let vendor_id: VendorId = vendor(vendor_id);
    let feed = FaultyFeed {
        vendor_id,
        answer,
        now: world.clock.now(),
        faults: Arc::clone(&world.faults),
    };
    world.sync().sync(&feed).await.into()
}
