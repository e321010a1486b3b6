//! The write requests of one transaction, with their responders.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use super::write_request::{Outcome, Responder, WriteRequest};
use super::{PlaceOrderError, writer, writer_ended, writer_ended_in_commit};
use crate::ports::{Acceptance, NewOrder, StoreError};

/// The write requests of one transaction: all of their orders in sequence, and the responder and the number of orders of
/// each request.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) orders: Vec<NewOrder>,
    requests: Vec<(Responder, usize)>,
    /// Whether a commit was sent and its outcome is not known yet.
    committing: AtomicBool,
}

/// The writer ended before the responses were sent: it panicked or was dropped.
impl Drop for Transaction {
    fn drop(&mut self) {
        let committing = self.committing.load(Ordering::Relaxed);
        for (responder, _) in self.requests.drain(..) {
            let error = if committing {
                writer_ended_in_commit()
            } else {
                writer_ended()
            };
            responder.fail(error.into());
        }
    }
}

impl Transaction {
    /// Called before a commit is sent, and when its outcome is known.
    pub(super) fn set_committing(&self, committing: bool) {
        self.committing.store(committing, Ordering::Relaxed);
    }

    /// Adds a request, unless its caller was cancelled meanwhile.
    pub(super) fn add(&mut self, request: WriteRequest) {
        if !request.responder.is_cancelled() {
            self.requests
                .push((request.responder, request.orders.len()));
            self.orders.extend(request.orders);
        }
    }

    /// Whether there is exactly one request, which cannot be divided.
    pub(super) fn is_single(&self) -> bool {
        self.requests.len() == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn halve(mut self) -> (Self, Self) {
        let middle = self.requests.len() / 2;
        let older = self.requests[..middle]
            .iter()
            .map(|(_, orders)| orders)
            .sum();
        let newer = Self {
            orders: self.orders.split_off(older),
            requests: self.requests.split_off(middle),
            committing: AtomicBool::new(false),
        };
        (self, newer)
    }

    /// The indexes of the requests that must not be committed, because some of their orders were created although the
    /// request is refused. A request with a single order is never among them.
    pub(super) fn conflicting(&self, accepted: &[Acceptance]) -> Vec<usize> {
        let mut conflicting = Vec::new();
        let mut first = 0;
        for (index, (_, count)) in self.requests.iter().enumerate() {
            let range = first..first + count;
            first += count;
            if *count == 1 {
                continue;
            }
            let (Some(orders), Some(accepted)) =
                (self.orders.get(range.clone()), accepted.get(range))
            else {
                continue;
            };
            let any_created = accepted.iter().any(|it| it.created().is_some());
            let outcome = any_created.then(|| Outcome::of(orders, accepted.to_vec()));
            if matches!(outcome, Some(Outcome::KeyReused | Outcome::PartlyReplayed)) {
                conflicting.push(index);
            }
        }
        conflicting
    }

    /// Removes these requests and responds to each with its outcome.
    pub(super) fn reject(mut self, conflicting: &[usize], accepted: Vec<Acceptance>) -> Self {
        let mut rest = Self::default();
        let mut orders = mem::take(&mut self.orders).into_iter();
        let mut accepted = accepted.into_iter();
        for (index, (responder, count)) in mem::take(&mut self.requests).into_iter().enumerate() {
            let own_orders: Vec<NewOrder> = orders.by_ref().take(count).collect();
            let own_accepted: Vec<Acceptance> = accepted.by_ref().take(count).collect();
            if conflicting.contains(&index) {
                responder.respond(Outcome::of(&own_orders, own_accepted));
            } else {
                rest.orders.extend(own_orders);
                rest.requests.push((responder, count));
            }
        }
        rest
    }

    /// Responds to all requests, after the commit.
    pub(super) fn respond(mut self, accepted: Vec<Acceptance>) {
        let requests = mem::take(&mut self.requests);
        let mut orders = self.orders.as_slice();
        let mut accepted = accepted.into_iter();
        for (responder, count) in requests {
            let (own_orders, others) = orders.split_at(count.min(orders.len()));
            orders = others;
            responder.respond(Outcome::of(
                own_orders,
                accepted.by_ref().take(count).collect(),
            ));
        }
    }

    pub(super) fn fail(mut self, error: &StoreError) {
        for (responder, _) in mem::take(&mut self.requests) {
            responder.fail(writer::clone_error(error).into());
        }
    }

    pub(super) fn fail_single(mut self, error: StoreError) {
        if let Some((responder, _)) = mem::take(&mut self.requests).into_iter().next() {
            responder.fail(PlaceOrderError::from(error));
        }
    }
}
