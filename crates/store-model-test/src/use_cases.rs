//! The use cases over both stores combined. Their results follow from the stores' results, which are compared.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::allocation::most_available_first;
use domain::guard::{Guard, Share};
use domain::identifiers::{OrderId, VendorId};
use domain::ports::{
    Backlog, Clock, FeedError, FetchedReport, NoopNotifier, OrderQueue, QueueError, QueuedOrder,
    VendorFeed,
};
use domain::report::Report;
use domain::services::{
    ChangeStatus, OrderBatcher, OrderBatcherSettings, Relay, RelaySettings, SettleOrders, Sweeper,
    SweeperSettings, VendorExpiry, VendorSets, VendorSync,
};
use domain::timestamp::Timestamp;

use futures_util::future::join;

use crate::bindings::{configured, new_order, span, vendor};
use crate::operations::{Configuring, Confirms, UseCase};
use crate::paired_store::PairedStore;
use crate::pairs::SharedPairs;
use crate::run::Run;
use port_contracts::builders::fetched;

const ONE_AT_A_TIME: OrderBatcherSettings = OrderBatcherSettings {
    max_batch: 1,
    max_waiting: 1,
};

impl Run {
    pub(super) async fn use_case(&mut self, use_case: &UseCase) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::clone(&self.store);
        match use_case {
            UseCase::Configure(wanted, how) => {
                let sets = VendorSets::new(store.clone(), store, clock);
                let vendors = configured(wanted);
                let set = vendors.iter().cloned().collect();
                match how {
                    Configuring::ApplyIfNew => drop(sets.apply_if_new(&set).await),
                    Configuring::Apply => drop(sets.apply(&set).await),
                    Configuring::Add => drop(sets.add(&vendors).await),
                }
            }
            UseCase::Sync(of, report_spec) => {
                let result = report_spec.as_ref();
                let result =
                    result.map(|report_spec| self.bindings.report(report_spec, &self.pairs));
                let feed = Feed {
                    vendor_id: vendor(*of),
                    pairs: self.pairs.clone(),
                    result: result.ok_or_else(|| FeedError::Unavailable("unreachable".to_owned())),
                };
                drop(vendor_sync(store, clock).sync(&feed).await);
            }
            UseCase::ResolveQuarantine(of, decision) => {
                let sync = vendor_sync(store, clock);
                drop(sync.resolve_quarantine(&vendor(*of), *decision, None).await);
            }
            UseCase::Expire(of, expired) => {
                let expiry = VendorExpiry::new(store, clock, Arc::new(NoopNotifier));
                drop(
                    expiry
                        .enforce(&vendor(*of), expired.then_some(Duration::ZERO))
                        .await,
                );
            }
            UseCase::Place(slot, order_spec) => {
                let (batcher, writer) =
                    OrderBatcher::open(store, Arc::new(NoopNotifier), clock, ONE_AT_A_TIME);
                let placing = async move { batcher.place(new_order(order_spec)).await };
                // The writer ends when the batcher is dropped.
                let (placed, ()) = join(placing, writer.run()).await;
                if let Ok(placed) = placed {
                    self.bindings.bind_order(*slot, placed.order.id);
                }
            }
            UseCase::Settle(slots, grace) => {
                let settling = SettleOrders::new(store, clock, most_available_first)
                    .with_first_sync_grace(span(*grace));
                drop(settling.settle(&self.bindings.orders(slots)).await);
            }
            UseCase::Change(slot, to) => {
                let status = ChangeStatus::new(store, clock);
                drop(
                    status
                        .change(self.bindings.order(*slot), *to, |_| true)
                        .await,
                );
            }
            UseCase::ShipPart(slot, of) => {
                let status = ChangeStatus::new(store, clock);
                let (id, of) = (self.bindings.order(*slot), vendor(*of));
                drop(status.ship_part(id, &of, |_| true).await);
            }
            UseCase::Relay {
                batch,
                lease,
                confirms,
            } => {
                let settings = RelaySettings {
                    batch: *batch,
                    lease: span(*lease),
                };
                let relay = Relay::new(store, Arc::new(Queue(*confirms)), clock, settings);
                drop(relay.run_once().await);
            }
            UseCase::Sweep {
                pending_for,
                room,
                key_retention,
            } => {
                let settings = SweeperSettings {
                    pending_for: span(*pending_for),
                    max_queue_depth: u64::from(*room),
                    key_retention: span(*key_retention),
                    change_log_retention: span(*key_retention),
                    max_runs: 1 + room,
                };
                let queue = Arc::new(Queue(Confirms::All));
                let sweeper = Sweeper::new(store, queue, Arc::new(NoopNotifier), clock, settings);
                drop(sweeper.sweep().await);
            }
        }
    }
}

/// Writes chunks of two products, so that small reports are written like large ones.
fn vendor_sync(store: Arc<PairedStore>, clock: Arc<dyn Clock>) -> VendorSync {
    VendorSync::new(store.clone(), store.clone(), store, clock).with_chunk_size(2)
}

/// Returns the same result for every request. A report without an as-of gets the time of the request.
struct Feed {
    vendor_id: VendorId,
    pairs: SharedPairs,
    result: Result<Report, FeedError>,
}

#[async_trait]
impl VendorFeed for Feed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let requested_at = self.pairs.with(|pairs| pairs.last_reading());
        let result = self.result.as_ref().map_err(FeedError::clone);
        result.map(|report| fetched(report, requested_at.unwrap_or(Timestamp::EPOCH)))
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Holds reports that take away more than half of the units.
    fn guard(&self) -> Guard {
        Guard {
            max_drop: Share::parse(0.5).ok(),
            ..Guard::default()
        }
    }
}

/// An empty queue that confirms orders as configured.
struct Queue(Confirms);

#[async_trait]
impl OrderQueue for Queue {
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        let ids = orders.iter().map(|order| order.order_id);
        match self.0 {
            Confirms::All => Ok(ids.collect()),
            Confirms::EverySecond => Ok(ids.step_by(2).collect()),
            Confirms::Fails => Err(QueueError::Unavailable("unreachable".to_owned())),
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueueError> {
        Ok(Backlog::default())
    }

    async fn prune_dead_messages(&self, _: u64) -> Result<u64, QueueError> {
        Ok(0)
    }

    async fn probe(&self) -> Result<(), QueueError> {
        Ok(())
    }
}
