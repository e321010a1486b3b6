//! What waits to be written, and who waits for it.

use futures_channel::oneshot::Sender;

use super::room::Place;
use super::{Answer, PlaceOrderError, PlacedBatch, PlacedOrder};
use crate::ports::{Acceptance, NewOrder, StoreError};

/// Orders on their way to a writer, that are written together: one, or those of a batch.
pub(super) struct Job {
    pub(super) orders: Vec<NewOrder>,
    pub(super) caller: Caller,
    /// Given back when the job leaves the queue, however it does.
    pub(super) _place: Place,
}

/// Who waits.
pub(super) enum Caller {
    OfOrder(Sender<Answer<PlacedOrder>>),
    OfBatch(Sender<Answer<PlacedBatch>>),
}

impl Caller {
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::OfOrder(caller) => caller.is_canceled(),
            Self::OfBatch(caller) => caller.is_canceled(),
        }
    }

    // Telling one who is gone by now fails, and nobody misses it.

    pub(super) fn fail(self, error: PlaceOrderError) {
        match self {
            Self::OfOrder(caller) => drop(caller.send(Err(error))),
            Self::OfBatch(caller) => drop(caller.send(Err(error))),
        }
    }

    /// Answers with what became of the caller's orders.
    pub(super) fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (caller, Outcome::KeyReused) => caller.fail(PlaceOrderError::KeyReused),
            (caller, Outcome::Incomplete) => {
                let lost = "an order was neither created nor found";
                caller.fail(StoreError::Failed(lost.into()).into());
            }
            (caller, Outcome::Torn) => {
                let half = "a part of the batch's keys has just expired".to_owned();
                caller.fail(StoreError::Conflict(half).into());
            }
            (Self::OfBatch(caller), Outcome::Placed(placed)) => drop(caller.send(Ok(placed))),
            (Self::OfOrder(caller), Outcome::Placed(placed)) => {
                let replayed = placed.replayed;
                if let Some(order) = placed.orders.into_iter().next() {
                    drop(caller.send(Ok(PlacedOrder { order, replayed })));
                }
            }
        }
    }
}

/// What became of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its orders were all created, or all there before.
    Placed(PlacedBatch),
    /// Its key stands for another request.
    KeyReused,
    /// Some of its orders were there before and others were not: their keys are being forgotten.
    Torn,
    /// The store said nothing of some of its orders, which it must not.
    Incomplete,
}

impl Outcome {
    pub(super) fn of(orders: &[NewOrder], accepted: Vec<Acceptance>) -> Self {
        let mut placed = PlacedBatch {
            orders: Vec::with_capacity(orders.len()),
            replayed: false,
        };
        let (mut created, mut found) = (false, false);
        for (asked, accepted) in orders.iter().zip(accepted) {
            match accepted {
                Acceptance::Created(order) => {
                    created = true;
                    placed.orders.push(order);
                }
                Acceptance::Existing(order)
                    if order.product_id == asked.request.product_id
                        && order.quantity == asked.request.quantity =>
                {
                    found = true;
                    placed.orders.push(order);
                }
                Acceptance::Existing(_) | Acceptance::KeyReused => return Self::KeyReused,
            }
        }
        if placed.orders.len() < orders.len() {
            return Self::Incomplete;
        }
        if created && found {
            return Self::Torn;
        }
        placed.replayed = found;
        Self::Placed(placed)
    }
}
