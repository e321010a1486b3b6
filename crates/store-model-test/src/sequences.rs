//! Generation and shrinking of sequences. The state holds only the names that were introduced: an operation may refer to an
//! order or a timestamp of an earlier operation, and is removed together with it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use crate::operations::{Configuring, InstantName, Operation, Query, Slot, Step, UseCase, Vendor};
use crate::strategies;

/// The names that were introduced so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) slots: BTreeSet<Slot>,
    pub(super) next_slot: Slot,
    pub(super) instants: BTreeSet<InstantName>,
    pub(super) next_instant: InstantName,
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
                    let holds = named.includes_all(&Names::of_step(step));
                    named.add(&Names::of_step(step));
                    holds
                })
            }
            operation => named.includes_all(&Names::of(operation)),
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
                    named.add(&Names::of_step(step));
                }
            }
            operation => named.add(&Names::of(operation)),
        }
        named
    }
}

impl Named {
    fn includes_all(&self, names: &Names) -> bool {
        names.slots.iter().all(|slot| self.slots.contains(slot))
            && names.instants.iter().all(|it| self.instants.contains(it))
    }

    fn add(&mut self, names: &Names) {
        for &slot in &names.new_slots {
            self.slots.insert(slot);
            self.next_slot = self.next_slot.max(slot + 1);
        }
        for &instant in &names.new_instants {
            self.instants.insert(instant);
            self.next_instant = self.next_instant.max(instant + 1);
        }
    }
}

/// The names that an operation refers to, and those that it introduces.
#[derive(Default)]
struct Names {
    slots: Vec<Slot>,
    instants: Vec<InstantName>,
    new_slots: Vec<Slot>,
    new_instants: Vec<InstantName>,
}

impl Names {
    fn slots(slots: impl IntoIterator<Item = Slot>) -> Self {
        Self {
            slots: slots.into_iter().collect(),
            ..Self::default()
        }
    }

    fn instants(instants: impl IntoIterator<Item = InstantName>) -> Self {
        Self {
            instants: instants.into_iter().collect(),
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
            Operation::RecordTime(instant) => Self {
                new_instants: vec![*instant],
                ..Self::default()
            },
            Operation::Use(use_case, _) => Self::of_use_case(use_case),
            Operation::Read(query) => Self::of_query(query),
            Operation::Work { .. } | Operation::AcquireLease(_) | Operation::ReleaseLease(_) => {
                Self::default()
            }
        }
    }

    fn of_use_case(use_case: &UseCase) -> Self {
        match use_case {
            UseCase::Sync(_, Some(report_spec)) => {
                Self::instants(report_spec.as_of.map(|(instant, _)| instant))
            }
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
            Step::Adjust { as_of, .. } => Self::instants([*as_of]),
            Step::Advance(_, _, instant) | Step::PruneKeys(instant, _, _) => {
                Self::instants([*instant])
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
