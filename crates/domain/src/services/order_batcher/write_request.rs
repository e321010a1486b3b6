//! Requests to write orders, and the decision on each.

use futures_channel::oneshot::Sender;

use super::capacity::Permit;
use super::{PlaceOrderError, PlaceResult, PlacedBatch};
use crate::ports::{Acceptance, NewOrder, StoreError};

/// Orders that are written together: a single one, or those of a batch.
pub(super) struct WriteRequest {
    pub(super) orders: Vec<NewOrder>,
    /// The caller that waits for the result.
    pub(super) caller: Sender<PlaceResult<PlacedBatch>>,
}

/// A request in the queue.
pub(super) struct QueuedRequest {
    pub(super) request: WriteRequest,
    /// Released when the request leaves the queue.
    pub(super) _permit: Permit,
}

impl WriteRequest {
    /// Sends the result to the caller, if it still waits.
    pub(super) fn respond(self, result: PlaceResult<PlacedBatch>) {
        drop(self.caller.send(result));
    }

    /// Decides on the request by the store's results for its orders. All of `accepted` is consumed.
    pub(super) fn decide(&self, accepted: impl Iterator<Item = Acceptance>) -> Decision {
        let mut placed = PlacedBatch {
            orders: Vec::with_capacity(self.orders.len()),
            replayed: false,
        };
        let (mut created, mut is_key_reused) = (0, false);
        for (requested, accepted) in self.orders.iter().zip(accepted) {
            match accepted {
                Acceptance::Created(order) => {
                    created += 1;
                    placed.orders.push(order);
                }
                Acceptance::Existing(order)
                    if order.product_id == requested.request.product_id
                        && order.quantity == requested.request.quantity =>
                {
                    placed.replayed = true;
                    placed.orders.push(order);
                }
                Acceptance::Existing(_) | Acceptance::KeyReused => is_key_reused = true,
            }
        }
        let result = if is_key_reused {
            Err(PlaceOrderError::KeyReused)
        } else if placed.orders.len() < self.orders.len() {
            let reason = "the store neither created nor found an order";
            Err(StoreError::Failed(reason.into()).into())
        } else if created > 0 && placed.replayed {
            let reason = "some keys of the batch were just pruned".to_owned();
            Err(StoreError::Conflict(reason).into())
        } else {
            Ok(placed)
        };
        Decision { result, created }
    }
}

/// The decision on a request.
pub(super) struct Decision {
    pub(super) result: PlaceResult<PlacedBatch>,
    /// Number of orders that the transaction creates.
    pub(super) created: usize,
}

impl Decision {
    /// Whether the transaction must not be committed: the request is refused, and some of its orders would be created. A
    /// request with a single order never conflicts.
    pub(super) fn is_conflicting(&self) -> bool {
        self.created > 0 && self.result.is_err()
    }
}
