//! The batch writer: one transaction for all pending orders.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::Receiver;
use thiserror::Error;
use tracing::{Instrument as _, info, info_span, warn};

use super::transaction::Transaction;
use super::write_request::{Decision, QueuedRequest};
use crate::ports::{
    Acceptance, Clock, NewOrder, Notifier, Observer, Store, StoreError, Topic, Tracer,
    WriteObserver,
};
use crate::retry::{self, AsStoreError};
use crate::services::stage_trace::{ACCEPT, StageTrace, TracedOrder, end_step};
use crate::trace::SpanKind;

/// Writes the orders of an [`OrderBatcher`](super::OrderBatcher). Clones share the pending orders; each has a transaction of
/// its own.
#[derive(Clone)]
pub struct BatchWriter {
    pub(super) pending: Arc<PendingRequests>,
    /// Whether the batcher refuses orders, or did since the queue was last empty.
    pub(super) refusing: Arc<AtomicBool>,
    pub(super) store: Arc<dyn Store>,
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) max_batch: usize,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) writes: Arc<dyn WriteObserver>,
    pub(super) tracer: Arc<dyn Tracer>,
}

/// The pending write requests. When the last writer is dropped, no writer will process them: each caller gets an error
/// instead of waiting forever.
pub(super) struct PendingRequests(pub(super) Receiver<QueuedRequest>);

impl Drop for PendingRequests {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(queued) = self.0.try_recv() {
            queued.request.respond(Err(super::writer_ended().into()));
        }
    }
}

impl BatchWriter {
    /// Reports accepted orders to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Reports the outcome of each transaction to `writes`, for readiness.
    #[must_use]
    pub fn with_write_observer(mut self, writes: Arc<dyn WriteObserver>) -> Self {
        self.writes = writes;
        self
    }

    /// Records the spans of traced orders with `tracer`.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Writes orders until every [`OrderBatcher`](super::OrderBatcher) is dropped and all pending requests have a result.
    ///
    /// There is no delay to let a batch grow: it grows while the previous one is written. If the future is dropped, the
    /// callers of the current batch get [`StoreError::CommitUnknown`], and those of pending requests
    /// [`StoreError::Unavailable`].
    pub async fn run(self) {
        while let Ok(first) = self.pending.0.recv().await {
            let batch = self.collect(first);
            let span = info_span!("batch", orders = batch.orders().count());
            self.write(batch).instrument(span).await;
        }
    }

    /// Collects pending requests, starting with `first`. The orders of a request stay together, so the last request may
    /// exceed the maximum batch size.
    fn collect(&self, first: QueuedRequest) -> Transaction {
        let mut transaction = Transaction::default();
        let mut orders = transaction.add(first.request);
        while orders < self.max_batch
            && let Ok(queued) = self.pending.0.try_recv()
        {
            orders += transaction.add(queued.request);
        }
        if self.pending.0.is_empty() && self.refusing.swap(false, Ordering::Relaxed) {
            info!("all pending orders are being written; new orders are accepted again");
        }
        transaction
    }

    /// Writes requests and responds to all of their callers. When a transaction fails permanently, its requests are halved
    /// until each failing one is alone, and the others are written. When the store is unavailable, nothing is retried: the
    /// outcome of an interrupted commit is unknown, and orders without a key could be created twice.
    async fn write(&self, transaction: Transaction) {
        let mut parts = vec![transaction];
        while let Some(part) = parts.pop() {
            if part.len() == 0 {
                continue;
            }
            match retry::on_conflict(&self.clock, || self.write_once(&part)).await {
                // Rolled back for all requests; the others are written again without the conflicting ones.
                Ok(decisions) if are_conflicting(&decisions) => parts.push(part.reject(decisions)),
                Ok(decisions) => {
                    let created = created(&decisions);
                    if created > 0 {
                        self.observer.accepted(created);
                    }
                    part.respond(decisions.into_iter().map(|decision| decision.result));
                }
                Err(WriteError { error, begun }) if error.is_retryable() => {
                    if error.is_commit_unknown() {
                        // The orders may exist, so relays and readers must poll.
                        self.notifier.notify(Topic::Outbox);
                    }
                    fail(part, &error);
                    let error = error_of_unsent(error);
                    parts.drain(..).rev().for_each(|part| fail(part, &error));
                    if !begun {
                        self.fail_pending(&error);
                    }
                }
                Err(WriteError { error, .. }) if part.len() == 1 => {
                    part.respond([Err(error.into())]);
                }
                Err(error) => {
                    warn!(%error, orders = part.orders().count(), "a batch of orders could not be written; writing its halves separately");
                    let (older, newer) = part.halve();
                    parts.push(newer);
                    parts.push(older);
                }
            }
        }
    }

    /// Fails the pending requests when the store has no connection for a transaction. If each batch of them tried again, the last one would wait
    /// for many timeouts.
    fn fail_pending(&self, error: &StoreError) {
        for _ in 0..self.pending.0.len() {
            if let Ok(queued) = self.pending.0.try_recv() {
                queued.request.respond(Err(clone_error(error).into()));
            }
        }
    }

    /// Writes all requests in one transaction, which is not committed if any of them conflicts.
    async fn write_once(&self, part: &Transaction) -> Result<Vec<Decision>, WriteError> {
        let attempt = self.writes.begin();
        let written = self.write_and_commit(part).await;
        match &written {
            // Rolled back on purpose.
            Ok(decisions) if are_conflicting(decisions) => drop(attempt),
            Ok(_) => attempt.succeeded(),
            Err(WriteError { error, .. }) => attempt.failed(error),
        }
        written
    }

    async fn write_and_commit(&self, part: &Transaction) -> Result<Vec<Decision>, WriteError> {
        let failed = |begun| move |error| WriteError { error, begun };
        let orders: Vec<NewOrder> = part.orders().cloned().collect();
        let is_traced = orders.iter().any(|order| order.trace.is_some());
        let mut trace = StageTrace::begin(&*self.tracer, &*self.clock, ACCEPT, is_traced);
        let mut work = self.store.begin().await.map_err(failed(false))?;
        let accepted = work.accept(&orders).await.map_err(failed(true))?;
        end_step(&mut trace, "insert orders", SpanKind::Store);
        let traced = match &trace {
            Some(_) => self.traced(&orders, &accepted),
            None => Vec::new(),
        };
        let decisions = part.decide(accepted);
        if !are_conflicting(&decisions) {
            let notifies = created(&decisions) > 0 && !work.notify_on_commit(Topic::Outbox);
            part.set_committing(true);
            let committed = work.commit().await;
            part.set_committing(false);
            committed.map_err(failed(true))?;
            if notifies {
                self.notifier.notify(Topic::Outbox);
            }
            if let Some(mut trace) = trace {
                trace.end_step("commit orders", SpanKind::Store);
                trace.record(orders.len(), &traced);
            }
        }
        Ok(decisions)
    }

    /// Returns the traced orders that were created.
    fn traced(&self, orders: &[NewOrder], accepted: &[Acceptance]) -> Vec<TracedOrder> {
        let created = orders.iter().zip(accepted);
        created
            .filter_map(|(order, accepted)| {
                let (id, parent) = (accepted.created()?.id, order.trace?);
                Some(TracedOrder::new(&*self.tracer, id, parent))
            })
            .collect()
    }
}

/// The reason why nothing was written.
#[derive(Debug, Error)]
#[error("{error}")]
struct WriteError {
    error: StoreError,
    /// Whether the store had a connection for the transaction.
    begun: bool,
}

impl AsStoreError for WriteError {
    fn as_store_error(&self) -> Option<&StoreError> {
        Some(&self.error)
    }
}

/// Returns the number of created orders.
fn created(decisions: &[Decision]) -> usize {
    decisions.iter().map(|decision| decision.created).sum()
}

fn are_conflicting(decisions: &[Decision]) -> bool {
    decisions.iter().any(Decision::is_conflicting)
}

/// Responds to all requests with a transient error.
fn fail(part: Transaction, error: &StoreError) {
    part.respond(iter::repeat_with(|| Err(clone_error(error).into())));
}

/// The error of orders that would have been written after a transaction that failed with `error`: they were not sent to the
/// store, so their outcome is known.
fn error_of_unsent(error: StoreError) -> StoreError {
    match error {
        StoreError::CommitUnknown(reason) => StoreError::Unavailable(reason),
        other => other,
    }
}

/// A copy of a transient error, for each of several callers.
fn clone_error(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(text) => StoreError::Conflict(text.clone()),
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()),
        StoreError::CommitUnknown(text) => StoreError::CommitUnknown(text.clone()),
        other => StoreError::Failed(other.to_string().into()),
    }
}
