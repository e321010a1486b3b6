//! Requests to write orders, and the channels for their results.

use futures_channel::oneshot::Sender;

use super::capacity::Permit;
use super::{PlaceOrderError, PlaceResult, PlacedBatch, PlacedOrder};
use crate::ports::{Acceptance, NewOrder, StoreError};

/// Orders that are written together: a single one, or those of a batch.
pub(super) struct WriteRequest {
    pub(super) orders: Vec<NewOrder>,
    pub(super) responder: Responder,
    /// Released when the request leaves the queue.
    pub(super) _permit: Permit,
}

/// The channel to the caller that waits for the result.
pub(super) enum Responder {
    Order(Sender<PlaceResult<PlacedOrder>>),
    Batch(Sender<PlaceResult<PlacedBatch>>),
}

impl Responder {
    pub(super) fn is_cancelled(&self) -> bool {
        match self {
            Self::Order(sender) => sender.is_canceled(),
            Self::Batch(sender) => sender.is_canceled(),
        }
    }

    // Sending to a caller that was cancelled fails, and the error is ignored.

    pub(super) fn fail(self, error: PlaceOrderError) {
        match self {
            Self::Order(sender) => drop(sender.send(Err(error))),
            Self::Batch(sender) => drop(sender.send(Err(error))),
        }
    }

    /// Sends the result to the caller.
    pub(super) fn respond(self, outcome: Outcome) {
        match (self, outcome) {
            (responder, Outcome::KeyReused) => responder.fail(PlaceOrderError::KeyReused),
            (responder, Outcome::Incomplete) => {
                let reason = "the store neither created nor found an order";
                responder.fail(StoreError::Failed(reason.into()).into());
            }
            (responder, Outcome::PartlyReplayed) => {
                let reason = "some keys of the batch were just pruned".to_owned();
                responder.fail(StoreError::Conflict(reason).into());
            }
            (Self::Batch(sender), Outcome::Placed(placed)) => drop(sender.send(Ok(placed))),
            (Self::Order(sender), Outcome::Placed(placed)) => {
                let replayed = placed.replayed;
                if let Some(order) = placed.orders.into_iter().next() {
                    drop(sender.send(Ok(PlacedOrder { order, replayed })));
                }
            }
        }
    }
}

/// The outcome of a write request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of its orders were created, or all existed before.
    Placed(PlacedBatch),
    /// Its key was used for another request.
    KeyReused,
    /// Some of its orders existed before and others did not, because their keys are being pruned.
    PartlyReplayed,
    /// The store returned no result for some of its orders, which violates its contract.
    Incomplete,
}

impl Outcome {
    pub(super) fn of(orders: &[NewOrder], accepted: Vec<Acceptance>) -> Self {
        let mut placed = PlacedBatch {
            orders: Vec::with_capacity(orders.len()),
            replayed: false,
        };
        let (mut created, mut found) = (false, false);
        for (requested, accepted) in orders.iter().zip(accepted) {
            match accepted {
                Acceptance::Created(order) => {
                    created = true;
                    placed.orders.push(order);
                }
                Acceptance::Existing(order)
                    if order.product_id == requested.request.product_id
                        && order.quantity == requested.request.quantity =>
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
            return Self::PartlyReplayed;
        }
        placed.replayed = found;
        Self::Placed(placed)
    }
}
