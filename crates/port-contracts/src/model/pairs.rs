//! What corresponds to what in the two stores, and the first answer in which they differ.

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

use super::alike::Alike;

/// Of what a moment is.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Of {
    Creation(OrderId),
    Update(OrderId),
    Stock(ProductId),
}

/// Outbox entries that were claimed.
#[derive(Clone, Default)]
struct Entries {
    real: HashMap<OutboxId, OutboxId>,
    /// The last one of an order, in the model's numbers.
    of: HashMap<OrderId, OutboxId>,
}

/// Numbers and moments of the model, with those of the adapter.
#[derive(Default)]
pub(super) struct Pairs {
    orders: HashMap<OrderId, OrderId>,
    last_order: Option<OrderId>,
    entries: Entries,
    /// Moments that both stores told of when asked for the time.
    moments: BTreeMap<Timestamp, Timestamp>,
    /// Moments that were made of those.
    derived: HashMap<Timestamp, Timestamp>,
    /// Moments of which a store promises only whether they move.
    seen: HashMap<Of, (Timestamp, Timestamp)>,
    difference: Option<String>,
    calls: u64,
    /// Whether a unit of work was dropped since this was asked last.
    dropped: bool,
    calls_left: Option<u32>,
}

impl Pairs {
    /// The adapter's number; one that no order has stays what it is.
    pub(super) fn order(&self, id: OrderId) -> OrderId {
        self.orders.get(&id).copied().unwrap_or(id)
    }

    pub(super) fn orders(&self, ids: &[OrderId]) -> Vec<OrderId> {
        ids.iter().map(|&id| self.order(id)).collect()
    }

    /// Both have just created an order. Numbers rise.
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

    /// Both have just handed out an entry of this order; an entry keeps its number.
    pub(super) fn claimed(&mut self, of: OrderId, id: OutboxId, real: OutboxId) -> bool {
        self.entries.of.insert(of, id);
        *self.entries.real.entry(id).or_insert(real) == real
    }

    pub(super) fn entry_of(&self, order_id: OrderId) -> Option<OutboxId> {
        self.entries.of.get(&order_id).copied()
    }

    /// Both have just told the time, which does not go back.
    pub(super) fn told(&mut self, moment: Timestamp, real: Timestamp) -> bool {
        let rises = self
            .moments
            .last_key_value()
            .is_none_or(|(_, last)| *last <= real);
        self.moments.insert(moment, real);
        rises
    }

    /// The adapter's moment: the one that it told together with the model's, or the same span from one that it told.
    pub(super) fn moment(&self, moment: Timestamp) -> Timestamp {
        let known = self.moments.get(&moment).or(self.derived.get(&moment));
        if let Some(real) = known {
            return *real;
        }
        // A use case counts from the moment that it has just asked for.
        match self.moments.last_key_value() {
            Some((last, real)) => real.minus(last.since(moment)),
            None => moment,
        }
    }

    /// The model's moment that was told last.
    pub(super) fn last_told(&self) -> Option<Timestamp> {
        self.moments.last_key_value().map(|(model, _)| *model)
    }

    pub(super) fn report_order(&self, order: ReportOrder) -> ReportOrder {
        ReportOrder {
            as_of: self.moment(order.as_of),
            requested_at: self.moment(order.requested_at),
        }
    }

    fn proof(&self, proof: Proof) -> Proof {
        proof.map(|proven| Proven {
            as_of: self.moment(proven.as_of),
            ..proven
        })
    }

    fn claim(&self, claim: &Claim) -> Claim {
        match claim {
            Claim::Document(as_of) => Claim::Document(self.moment(*as_of)),
            Claim::LastModified(as_of, tag) => {
                Claim::LastModified(self.moment(*as_of), tag.clone())
            }
            Claim::ETag(tag) => Claim::ETag(tag.clone()),
        }
    }

    /// The history of a vendor's reports, with the adapter's moments.
    pub(super) fn history(&self, history: &ReportHistory) -> ReportHistory {
        let claims = history.claims.iter().map(|known| KnownClaim {
            claim: self.claim(&known.claim),
            ordered_as_of: self.moment(known.ordered_as_of),
            proven_as_of: known.proven_as_of.map(|as_of| self.moment(as_of)),
        });
        ReportHistory {
            applied: history.applied.map(|order| self.report_order(order)),
            full: history.full.map(|order| self.report_order(order)),
            completed_requested_at: history.completed_requested_at.map(|at| self.moment(at)),
            proof: history.proof.map(|proof| self.proof(proof)),
            clock_skew_ms: history.clock_skew_ms,
            revision: history.revision,
            claims: claims.collect(),
            quarantined: history.quarantined.as_ref().map(|it| QuarantinedReport {
                order: self.report_order(it.order),
                claim: it.claim.as_ref().map(|claim| self.claim(claim)),
                proof: self.proof(it.proof),
            }),
        }
    }

    /// A vendor's pause, with the adapter's moments. They are later than the one that both stores returned last.
    pub(super) fn pause(&mut self, pause: &VendorPause) -> VendorPause {
        VendorPause {
            not_before: pause.not_before.map(|until| self.later(until)),
            backoff_until: pause.backoff_until.map(|until| self.later(until)),
            ..*pause
        }
    }

    fn later(&mut self, moment: Timestamp) -> Timestamp {
        let known = self.derived.get(&moment).copied();
        let real = known.unwrap_or_else(|| match self.moments.last_key_value() {
            Some((last, real)) => real.plus(moment.since(*last)),
            None => moment,
        });
        self.derived.insert(moment, real);
        real
    }

    /// A moment made of another, in both.
    pub(super) fn derive(
        &mut self,
        moment: Timestamp,
        derive: impl Fn(Timestamp) -> Timestamp,
    ) -> Timestamp {
        let real = derive(self.moment(moment));
        self.derived.insert(derive(moment), real);
        derive(moment)
    }

    /// Whether a moment moved in both stores, or in neither, since it was seen last.
    pub(super) fn move_alike(&mut self, of: Of, moment: Timestamp, real: Timestamp) -> bool {
        self.seen
            .insert(of, (moment, real))
            .is_none_or(|(before, real_before)| moment.cmp(&before) == real.cmp(&real_before))
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
        for position in changes.iter_mut().flat_map(|change| &mut change.vendors) {
            position.as_of = self.moment(position.as_of);
        }
        changes
    }
}

/// The pairs of one sequence, shared by everything that compares.
#[derive(Clone, Default)]
pub(super) struct SharedPairs(Arc<Mutex<Pairs>>);

impl SharedPairs {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Pairs) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on units of work are dropped after so many calls.
    pub(super) fn allow_calls(&self, calls: Option<u32>) {
        self.with(|pairs| pairs.calls_left = calls);
    }

    /// Counts a call of a unit of work, or tells its caller to drop it.
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

    /// The model's answer, if the adapter's is alike.
    pub(super) fn compare<T: Alike + Debug>(
        &self,
        call: &str,
        model: Result<T, StoreError>,
        real: &Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let alike = match (&model, real) {
            (Ok(model), Ok(real)) => self.with(|pairs| model.alike(real, pairs)),
            (Err(model), Err(real)) => discriminant(model) == discriminant(real),
            _ => false,
        };
        if alike {
            return model;
        }
        let difference = format!("{call}: the model answers {model:?}, the adapter {real:?}");
        self.differ(&difference);
        Err(StoreError::Failed(difference.into()))
    }

    /// Notes a difference; the first one counts, later ones follow from it.
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

/// What was claimed in a unit of work: an entry's number means nothing unless that is committed.
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
