//! The batch writer: one transaction for all pending orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::Receiver;
use thiserror::Error;
use tracing::{info, warn};

use super::transaction::Transaction;
use super::write_request::WriteRequest;
use crate::ports::{
    Acceptance, Clock, Notifier, Observer, Store, StoreError, Topic, WriteObserver,
};
use crate::retry::{self, AsStoreError};

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
}

/// The pending write requests. When the last writer is dropped, no writer will process them: each caller gets an error
/// instead of waiting forever.
pub(super) struct PendingRequests(pub(super) Receiver<WriteRequest>);

impl Drop for PendingRequests {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(request) = self.0.try_recv() {
            request.responder.fail(super::writer_ended().into());
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

    /// Writes orders until every [`OrderBatcher`](super::OrderBatcher) is dropped and all pending requests have a result.
    ///
    /// There is no delay to let a batch grow: it grows while the previous one is written. If the future is dropped, the
    /// callers of the current batch get [`StoreError::CommitUnknown`], and those of pending requests
    /// [`StoreError::Unavailable`].
    pub async fn run(self) {
        while let Ok(first) = self.pending.0.recv().await {
            self.write(self.collect(first)).await;
        }
    }

    /// Collects pending requests, starting with `first`. The orders of a request stay together, so the last request may
    /// exceed the maximum batch size.
    fn collect(&self, first: WriteRequest) -> Transaction {
        let mut transaction = Transaction::default();
        transaction.add(first);
        while transaction.orders.len() < self.max_batch {
            match self.pending.0.try_recv() {
                Ok(request) => transaction.add(request),
                Err(_) => break,
            }
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
            if part.is_empty() {
                continue;
            }
            match retry::on_conflict(&self.clock, || self.accept(&part)).await {
                Ok(accepted) => {
                    let created = accepted.iter().filter_map(Acceptance::created).count();
                    if created > 0 {
                        self.notifier.notify(Topic::Outbox);
                        self.notifier.notify(Topic::Changes);
                        self.observer.accepted(created);
                    }
                    part.respond(accepted);
                }
                Err(WriteError::Conflicting {
                    conflicting,
                    accepted,
                }) => {
                    parts.push(part.reject(&conflicting, accepted));
                }
                Err(WriteError::Store { error, begun }) if error.is_retryable() => {
                    if error.is_commit_unknown() {
                        // The orders may exist, so relays and readers must poll.
                        self.notifier.notify(Topic::Outbox);
                        self.notifier.notify(Topic::Changes);
                    }
                    part.fail(&error);
                    let unsent = parts.drain(..).rev();
                    let error = error_of_unsent(error);
                    unsent.for_each(|part| part.fail(&error));
                    if !begun {
                        self.fail_pending(&error);
                    }
                }
                Err(WriteError::Store { error, .. }) if part.is_single() => part.fail_single(error),
                Err(WriteError::Store { error, .. }) => {
                    warn!(%error, orders = part.orders.len(), "a batch of orders could not be written; writing its halves separately");
                    let (older, newer) = part.halve();
                    parts.push(newer);
                    parts.push(older);
                }
            }
        }
    }

    /// Fails the pending requests when no transaction can begin. If each batch of them tried again, the last one would wait
    /// for many timeouts.
    fn fail_pending(&self, error: &StoreError) {
        for _ in 0..self.pending.0.len() {
            if let Ok(request) = self.pending.0.try_recv() {
                request.responder.fail(clone_error(error).into());
            }
        }
    }

    async fn accept(&self, part: &Transaction) -> Result<Vec<Acceptance>, WriteError> {
        let attempt = self.writes.begin();
        let accepted = self.write_together(part).await;
        match &accepted {
            Ok(_) => attempt.succeeded(),
            Err(WriteError::Store { error, .. }) => attempt.failed(error),
            // Rolled back on purpose.
            Err(WriteError::Conflicting { .. }) => drop(attempt),
        }
        accepted
    }

    async fn write_together(&self, part: &Transaction) -> Result<Vec<Acceptance>, WriteError> {
        let refused = |begun| move |error| WriteError::Store { error, begun };
        let mut work = self.store.begin().await.map_err(refused(false))?;
        let accepted = work.accept(&part.orders).await.map_err(refused(true))?;
        let conflicting = part.conflicting(&accepted);
        if !conflicting.is_empty() {
            // Rolled back for all requests; the others are written again without the conflicting ones.
            return Err(WriteError::Conflicting {
                conflicting,
                accepted,
            });
        }
        part.set_committing(true);
        let committed = work.commit().await;
        part.set_committing(false);
        committed.map_err(refused(true))?;
        Ok(accepted)
    }
}

/// The reason why nothing was written.
#[derive(Debug, Error)]
enum WriteError {
    #[error("{error}")]
    Store {
        error: StoreError,
        /// Whether a transaction was begun.
        begun: bool,
    },
    /// Batches whose key was used for another request, although some of their orders would have been created.
    #[error("the keys of {} batches were used for other requests", conflicting.len())]
    Conflicting {
        conflicting: Vec<usize>,
        accepted: Vec<Acceptance>,
    },
}

impl AsStoreError for WriteError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store { error, .. } => Some(error),
            Self::Conflicting { .. } => None,
        }
    }
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
pub(super) fn clone_error(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(text) => StoreError::Conflict(text.clone()),
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()),
        StoreError::CommitUnknown(text) => StoreError::CommitUnknown(text.clone()),
        other => StoreError::Failed(other.to_string().into()),
    }
}
