//! The write requests of one transaction.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use super::write_request::{Decision, WriteRequest};
use super::{PlaceResult, PlacedBatch, writer_ended, writer_ended_in_commit};
use crate::ports::{Acceptance, NewOrder};

/// The write requests of one transaction.
#[derive(Default)]
pub(super) struct Transaction {
    requests: Vec<WriteRequest>,
    /// Whether a commit was sent and its outcome is not known yet.
    committing: AtomicBool,
}

/// The writer ended before the responses were sent: it panicked or was dropped.
impl Drop for Transaction {
    fn drop(&mut self) {
        let committing = self.committing.load(Ordering::Relaxed);
        for request in self.requests.drain(..) {
            let error = if committing {
                writer_ended_in_commit()
            } else {
                writer_ended()
            };
            request.respond(Err(error.into()));
        }
    }
}

impl Transaction {
    /// Called before a commit is sent, and when its outcome is known.
    pub(super) fn set_committing(&self, committing: bool) {
        self.committing.store(committing, Ordering::Relaxed);
    }

    /// Adds a request, unless its caller was cancelled meanwhile. Returns the number of added orders.
    pub(super) fn add(&mut self, request: WriteRequest) -> usize {
        if request.caller.is_canceled() {
            return 0;
        }
        let orders = request.orders.len();
        self.requests.push(request);
        orders
    }

    /// Number of requests.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The orders of all requests, in sequence.
    pub(super) fn orders(&self) -> impl Iterator<Item = &NewOrder> {
        self.requests.iter().flat_map(|request| &request.orders)
    }

    pub(super) fn halve(mut self) -> (Self, Self) {
        let newer = Self {
            requests: self.requests.split_off(self.requests.len() / 2),
            committing: AtomicBool::new(false),
        };
        (self, newer)
    }

    /// Decides on each request by the store's results for [`orders`](Self::orders).
    pub(super) fn decide(&self, accepted: Vec<Acceptance>) -> Vec<Decision> {
        let mut accepted = accepted.into_iter();
        let requests = self.requests.iter();
        requests
            .map(|request| request.decide(accepted.by_ref().take(request.orders.len())))
            .collect()
    }

    /// Responds to the conflicting requests, and returns the others.
    pub(super) fn reject(mut self, decisions: Vec<Decision>) -> Self {
        let mut rest = Self::default();
        for (request, decision) in mem::take(&mut self.requests).into_iter().zip(decisions) {
            if decision.is_conflicting() {
                request.respond(decision.result);
            } else {
                rest.requests.push(request);
            }
        }
        rest
    }

    /// Responds to each request.
    pub(super) fn respond(mut self, results: impl IntoIterator<Item = PlaceResult<PlacedBatch>>) {
        for (request, result) in mem::take(&mut self.requests).into_iter().zip(results) {
            request.respond(result);
        }
    }
}
