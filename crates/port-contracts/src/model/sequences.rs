//! Which sequences there are. The state that is kept while one is generated, or shrunk, is only what has been named: an
//! operation may name an order or a moment that an earlier one brought, and goes when that one is taken out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::operations::{Configuring, Moment, Operation, Query, Slot, Step, UseCase, Vendor};
use super::strategies;

/// What has been named so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) slots: BTreeSet<Slot>,
    pub(super) next_slot: Slot,
    pub(super) moments: BTreeSet<Moment>,
    pub(super) next_moment: Moment,
    pub(super) configured: BTreeSet<Vendor>,
}

/// Generates and shrinks sequences.
pub(super) struct Sequences;

impl ReferenceStateMachine for Sequences {
    type State = Named;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Named> {
        Just(Named::default()).boxed()
    }

    fn transitions(named: &Named) -> BoxedStrategy<Operation> {
        strategies::operation(named)
    }

    fn preconditions(named: &Named, operation: &Operation) -> bool {
        match operation {
            Operation::Work { steps, .. } => {
                let mut named = named.clone();
                steps.iter().all(|step| {
                    let holds = named.knows_all_of(&Names::of_step(step));
                    named.learn(&Names::of_step(step));
                    holds
                })
            }
            operation => named.knows_all_of(&Names::of(operation)),
        }
    }

    fn apply(mut named: Named, operation: &Operation) -> Named {
        if let Operation::Use(UseCase::Configure(vendors, how), _) = operation {
            if *how != Configuring::Add {
                named.configured.clear();
            }
            named.configured.extend(vendors);
        }
        match operation {
            Operation::Work { steps, .. } => {
                for step in steps {
                    named.learn(&Names::of_step(step));
                }
            }
            operation => named.learn(&Names::of(operation)),
        }
        named
    }
}

impl Named {
    fn knows_all_of(&self, names: &Names) -> bool {
        names.slots.iter().all(|slot| self.slots.contains(slot))
            && names.moments.iter().all(|it| self.moments.contains(it))
    }

    fn learn(&mut self, names: &Names) {
        for &slot in &names.new_slots {
            self.slots.insert(slot);
            self.next_slot = self.next_slot.max(slot + 1);
        }
        for &moment in &names.new_moments {
            self.moments.insert(moment);
            self.next_moment = self.next_moment.max(moment + 1);
        }
    }
}

/// What an operation names, and what it brings.
#[derive(Default)]
struct Names {
    slots: Vec<Slot>,
    moments: Vec<Moment>,
    new_slots: Vec<Slot>,
    new_moments: Vec<Moment>,
}

impl Names {
    fn slots(slots: impl IntoIterator<Item = Slot>) -> Self {
        Self {
            slots: slots.into_iter().collect(),
            ..Self::default()
        }
    }

    fn moments(moments: impl IntoIterator<Item = Moment>) -> Self {
        Self {
            moments: moments.into_iter().collect(),
            ..Self::default()
        }
    }

    fn new_slots(slots: impl IntoIterator<Item = Slot>) -> Self {
        Self {
            new_slots: slots.into_iter().collect(),
            ..Self::default()
        }
    }

    fn of(operation: &Operation) -> Self {
        match operation {
            Operation::Remember(moment) => Self {
                new_moments: vec![*moment],
                ..Self::default()
            },
            Operation::Use(use_case, _) => Self::of_use_case(use_case),
            Operation::Read(query) => Self::of_query(query),
            Operation::Work { .. } | Operation::Acquire(_) | Operation::GiveBack(_) => {
                Self::default()
            }
        }
    }

    fn of_use_case(use_case: &UseCase) -> Self {
        match use_case {
            UseCase::Sync(_, Some(said)) => Self::moments(said.as_of.map(|(moment, _)| moment)),
            UseCase::Place(slot, _) => Self::new_slots([*slot]),
            UseCase::Settle(slots, _) => Self::slots(slots.clone()),
            UseCase::Change(slot, _) | UseCase::ShipPart(slot, _) => Self::slots([*slot]),
            UseCase::Configure(..)
            | UseCase::Sync(_, None)
            | UseCase::ResolveQuarantine(..)
            | UseCase::Expire(..)
            | UseCase::Relay { .. }
            | UseCase::Sweep { .. } => Self::default(),
        }
    }

    fn of_step(step: &Step) -> Self {
        match step {
            Step::Accept(first, orders) => Self::new_slots((*first..).take(orders.len())),
            Step::LockPending(slots)
            | Step::Settle(slots)
            | Step::Remove(slots)
            | Step::Release(slots) => Self::slots(slots.clone()),
            Step::LockOrder(slot)
            | Step::Reject(slot)
            | Step::Change(slot, _)
            | Step::ShipPart(slot, _) => Self::slots([*slot]),
            Step::Adjust { as_of, .. } => Self::moments([*as_of]),
            Step::Advance(_, _, moment) | Step::ForgetKeys(moment, _, _) => {
                Self::moments([*moment])
            }
            Step::Read(query) => Self::of_query(query),
            Step::LockStock(_)
            | Step::Create(_)
            | Step::Reported(..)
            | Step::Configure(..)
            | Step::FirstSyncs
            | Step::EndFirstSync(_)
            | Step::LockVendor(_)
            | Step::RecordFailure(_)
            | Step::RepairShipments(_)
            | Step::Claim(..)
            | Step::Requeue(..)
            | Step::StoreTime => Self::default(),
        }
    }

    fn of_query(query: &Query) -> Self {
        match query {
            Query::Order(slot) => Self::slots([*slot]),
            Query::Orders { before, .. } => Self::slots(*before),
            Query::Stock(_) | Query::StockList { .. } | Query::OutboxLag | Query::WereTried(_) => {
                Self::default()
            }
        }
    }
}
