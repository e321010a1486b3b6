//! Corresponding ids and timestamps of the two stores, and the first result in which they differ.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::mem::discriminant;
use std::sync::{Arc, Mutex, PoisonError};

use domain::evidence::{Claim, Proof, Proven, ReportOrder};
use domain::identifiers::{OrderId, ProductId};
use domain::pacing::VendorPause;
use domain::ports::{OutboxId, StoreError};
use domain::report_history::{KnownClaim, QuarantinedReport, ReportHistory};
use domain::settlement::SettledOrder;
use domain::stock::StockChange;
use domain::timestamp::Timestamp;

use crate::equivalent::Equivalent;

/// The value that a timestamp belongs to.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum TimestampOf {
    Creation(OrderId),
    Update(OrderId),
    Stock(ProductId),
}

/// Claimed outbox entries.
#[derive(Clone, Default)]
struct Entries {
    real: HashMap<OutboxId, OutboxId>,
    /// The last claimed entry of an order, by the model's ids.
    of: HashMap<OrderId, OutboxId>,
}

/// Ids and timestamps of the model, with those of the adapter.
#[derive(Default)]
pub(super) struct Pairs {
    orders: HashMap<OrderId, OrderId>,
    last_order: Option<OrderId>,
    entries: Entries,
    /// Readings of the clocks of both stores.
    readings: BTreeMap<Timestamp, Timestamp>,
    /// Timestamps that are derived from those.
    derived: HashMap<Timestamp, Timestamp>,
    /// Last seen timestamps for which a store guarantees only whether they change.
    seen: HashMap<TimestampOf, (Timestamp, Timestamp)>,
    difference: Option<String>,
    calls: u64,
    /// Whether a unit of work was dropped since the last call of `take_dropped`.
    dropped: bool,
    calls_left: Option<u32>,
}

impl Pairs {
    /// Returns the adapter's id, or the id itself if no order has it.
    pub(super) fn order(&self, id: OrderId) -> OrderId {
        self.orders.get(&id).copied().unwrap_or(id)
    }

    pub(super) fn orders(&self, ids: &[OrderId]) -> Vec<OrderId> {
        ids.iter().map(|&id| self.order(id)).collect()
    }

    /// Pairs the ids of an order that both stores have just created. Returns whether the adapter's ids rise.
    pub(super) fn created(&mut self, id: OrderId, real: OrderId) -> bool {
        let rises = self.last_order.is_none_or(|last| last < real);
        self.last_order = Some(real);
        self.orders.insert(id, real);
        rises
    }

    pub(super) fn entries(&self, ids: &[OutboxId]) -> Vec<OutboxId> {
        ids.iter()
            .map(|id| self.entries.real.get(id).copied().unwrap_or(*id))
            .collect()
    }

    /// Pairs the ids of an entry that both stores have just claimed. Returns whether the adapter's entry kept its id.
    pub(super) fn claimed(&mut self, of: OrderId, id: OutboxId, real: OutboxId) -> bool {
        self.entries.of.insert(of, id);
        *self.entries.real.entry(id).or_insert(real) == real
    }

    pub(super) fn entry_of(&self, order_id: OrderId) -> Option<OutboxId> {
        self.entries.of.get(&order_id).copied()
    }

    /// Pairs two readings of the clocks. Returns whether the adapter's clock did not go back.
    pub(super) fn record_reading(&mut self, timestamp: Timestamp, real: Timestamp) -> bool {
        let rises = self
            .readings
            .last_key_value()
            .is_none_or(|(_, last)| *last <= real);
        self.readings.insert(timestamp, real);
        rises
    }

    /// Returns the adapter's timestamp: the one paired with the model's, or one at the same distance from the last reading.
    pub(super) fn timestamp(&self, timestamp: Timestamp) -> Timestamp {
        let known = self
            .readings
            .get(&timestamp)
            .or(self.derived.get(&timestamp));
        if let Some(real) = known {
            return *real;
        }
        // A use case counts from the reading that it has just made.
        match self.readings.last_key_value() {
            Some((last, real)) => real.minus(last.since(timestamp)),
            None => timestamp,
        }
    }

    /// Returns the last reading of the model's clock.
    pub(super) fn last_reading(&self) -> Option<Timestamp> {
        self.readings.last_key_value().map(|(model, _)| *model)
    }

    pub(super) fn report_order(&self, order: ReportOrder) -> ReportOrder {
        ReportOrder {
            as_of: self.timestamp(order.as_of),
            requested_at: self.timestamp(order.requested_at),
        }
    }

    fn proof(&self, proof: Proof) -> Proof {
        proof.map(|proven| Proven {
            as_of: self.timestamp(proven.as_of),
            ..proven
        })
    }

    fn claim(&self, claim: &Claim) -> Claim {
        match claim {
            Claim::Document(as_of) => Claim::Document(self.timestamp(*as_of)),
            Claim::LastModified(as_of, tag) => {
                Claim::LastModified(self.timestamp(*as_of), tag.clone())
            }
            Claim::ETag(tag) => Claim::ETag(tag.clone()),
        }
    }

    /// Returns a vendor's report history with the adapter's timestamps.
    pub(super) fn history(&self, history: &ReportHistory) -> ReportHistory {
        let claims = history.claims.iter().map(|known| KnownClaim {
            claim: self.claim(&known.claim),
            ordered_as_of: self.timestamp(known.ordered_as_of),
            proven_as_of: known.proven_as_of.map(|as_of| self.timestamp(as_of)),
        });
        ReportHistory {
            applied: history.applied.map(|order| self.report_order(order)),
            full: history.full.map(|order| self.report_order(order)),
            completed_requested_at: history.completed_requested_at.map(|at| self.timestamp(at)),
            proof: history.proof.map(|proof| self.proof(proof)),
            clock_skew_ms: history.clock_skew_ms,
            revision: history.revision,
            validators: history.validators.clone(),
            claims: claims.collect(),
            quarantined: history.quarantined.as_ref().map(|it| QuarantinedReport {
                order: self.report_order(it.order),
                claim: it.claim.as_ref().map(|claim| self.claim(claim)),
                proof: self.proof(it.proof),
                ..it.clone()
            }),
        }
    }

    /// Returns a vendor's pause with the adapter's timestamps, which are later than the last readings of the clocks.
    pub(super) fn pause(&mut self, pause: &VendorPause) -> VendorPause {
        VendorPause {
            not_before: pause.not_before.map(|until| self.later(until)),
            backoff_until: pause.backoff_until.map(|until| self.later(until)),
            ..*pause
        }
    }

    fn later(&mut self, timestamp: Timestamp) -> Timestamp {
        let known = self.derived.get(&timestamp).copied();
        let real = known.unwrap_or_else(|| match self.readings.last_key_value() {
            Some((last, real)) => real.plus(timestamp.since(*last)),
            None => timestamp,
        });
        self.derived.insert(timestamp, real);
        real
    }

    /// Derives a timestamp from another one, in both stores.
    pub(super) fn derive(
        &mut self,
        timestamp: Timestamp,
        derive: impl Fn(Timestamp) -> Timestamp,
    ) -> Timestamp {
        let real = derive(self.timestamp(timestamp));
        self.derived.insert(derive(timestamp), real);
        derive(timestamp)
    }

    /// Returns whether a timestamp changed in both stores, or in neither, since it was last seen.
    pub(super) fn changed_together(
        &mut self,
        of: TimestampOf,
        timestamp: Timestamp,
        real: Timestamp,
    ) -> bool {
        self.seen
            .insert(of, (timestamp, real))
            .is_none_or(|(before, real_before)| timestamp.cmp(&before) == real.cmp(&real_before))
    }

    pub(super) fn settled(&self, orders: &[SettledOrder]) -> Vec<SettledOrder> {
        let of = |order: &SettledOrder| SettledOrder {
            id: self.order(order.id),
            ..order.clone()
        };
        orders.iter().map(of).collect()
    }

    pub(super) fn changes(&self, changes: &[StockChange]) -> Vec<StockChange> {
        let mut changes = changes.to_vec();
        for vendor_stock in changes.iter_mut().flat_map(|change| &mut change.vendors) {
            vendor_stock.as_of = self.timestamp(vendor_stock.as_of);
        }
        changes
    }
}

/// The pairs of one sequence, shared by all parts that compare.
#[derive(Clone, Default)]
pub(super) struct SharedPairs(Arc<Mutex<Pairs>>);

impl SharedPairs {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Pairs) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Limits the number of calls after which units of work are dropped, from now on.
    pub(super) fn allow_calls(&self, calls: Option<u32>) {
        self.with(|pairs| pairs.calls_left = calls);
    }

    /// Counts a call of a unit of work, or returns an error so that the caller drops it.
    pub(super) fn start_call(&self) -> Result<(), StoreError> {
        self.with(|pairs| {
            pairs.calls_left = match pairs.calls_left {
                Some(0) => return Err(StoreError::Unavailable("dropped here".to_owned())),
                left => left.map(|left| left - 1),
            };
            pairs.calls += 1;
            Ok(())
        })
    }

    pub(super) fn calls(&self) -> u64 {
        self.with(|pairs| pairs.calls)
    }

    pub(super) fn take_dropped(&self) -> bool {
        self.with(|pairs| std::mem::take(&mut pairs.dropped))
    }

    /// Returns the model's result if the adapter's is equivalent, and an error otherwise.
    pub(super) fn compare<T: Equivalent + Debug>(
        &self,
        call: &str,
        model: Result<T, StoreError>,
        real: &Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let is_equivalent = match (&model, real) {
            (Ok(model), Ok(real)) => self.with(|pairs| model.is_equivalent(real, pairs)),
            (Err(model), Err(real)) => discriminant(model) == discriminant(real),
            _ => false,
        };
        if is_equivalent {
            return model;
        }
        let difference = format!("{call}: the model returns {model:?}, the adapter {real:?}");
        self.differ(&difference);
        Err(StoreError::Failed(difference.into()))
    }

    /// Records a difference. Only the first one is kept: later ones follow from it.
    pub(super) fn differ(&self, difference: &str) {
        self.with(|pairs| {
            pairs
                .difference
                .get_or_insert_with(|| difference.to_owned());
        });
    }

    pub(super) fn difference(&self) -> Option<String> {
        self.with(|pairs| pairs.difference.clone())
    }
}

/// Claims of a unit of work, which are discarded unless it is committed.
pub(super) struct ClaimsOfWork {
    pairs: SharedPairs,
    before: Option<Entries>,
}

impl ClaimsOfWork {
    pub(super) fn begin(pairs: &SharedPairs) -> Self {
        Self {
            pairs: pairs.clone(),
            before: Some(pairs.with(|pairs| pairs.entries.clone())),
        }
    }

    pub(super) fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for ClaimsOfWork {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.pairs.with(|pairs| {
                pairs.entries = before;
                pairs.dropped = true;
            });
        }
    }
}
