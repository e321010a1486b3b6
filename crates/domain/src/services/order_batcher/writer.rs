//! The batcher's other half: one transaction for all orders that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::Receiver;
use thiserror::Error;
use tracing::{info, warn};

use super::job::Job;
use super::transaction::Transaction;
use crate::ports::{
    Acceptance, Clock, Notifier, Observer, Store, StoreError, Topic, WriteObserver,
};
use crate::retry::{self, AsStoreError};

/// Writes what an [`OrderBatcher`](super::OrderBatcher) takes. Clones share the work, each with a transaction of its own.
#[derive(Clone)]
pub struct BatchWriter {
    pub(super) waiting: Arc<Waiting>,
    /// Whether the batcher refuses orders, or did since it was last empty.
    pub(super) refusing: Arc<AtomicBool>,
    pub(super) store: Arc<dyn Store>,
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) max_batch: usize,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) writes: Arc<dyn WriteObserver>,
}

/// The orders that wait. When the last writer goes, however it does, nobody will write them: dropping each tells its
/// caller, who would wait forever otherwise.
pub(super) struct Waiting(pub(super) Receiver<Job>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(job) = self.0.try_recv() {
            job.caller.fail(super::writer_is_gone().into());
        }
    }
}

impl BatchWriter {
    /// Tells somebody what is accepted.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Reports the outcome of each transaction, for readiness.
    #[must_use]
    pub fn with_write_observer(mut self, writes: Arc<dyn WriteObserver>) -> Self {
        self.writes = writes;
        self
    }

    /// Writes orders until every [`OrderBatcher`](super::OrderBatcher) is gone and what waited is answered.
    ///
    /// There is no pause to let a batch grow: it grows by itself while the one before it is written. Dropped half way,
    /// the callers of that batch get [`StoreError::CommitUnknown`], and those that still wait [`StoreError::Unavailable`].
    pub async fn run(self) {
        while let Ok(first) = self.waiting.0.recv().await {
            self.write(self.take(first)).await;
        }
    }

    /// What waits now. The orders of a job stay together, so the last one may bring more than were asked for.
    fn take(&self, first: Job) -> Transaction {
        let mut taken = Transaction::default();
        taken.add(first);
        while taken.orders.len() < self.max_batch {
            match self.waiting.0.try_recv() {
                Ok(job) => taken.add(job),
                Err(_) => break,
            }
        }
        if self.waiting.0.is_empty() && self.refusing.swap(false, Ordering::Relaxed) {
            info!("all orders that waited are being written: none is refused any more");
        }
        taken
    }

    /// Writes jobs and answers everybody who waits for them. When it fails in a way that a retry does not cure, they are
    /// halved until the culprits are alone, and their neighbours are written. When the store is away, nothing is tried
    /// again: whether a commit that broke off happened is not known, and orders without a key would exist twice.
    async fn write(&self, taken: Transaction) {
        let mut parts = vec![taken];
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
                    part.answer(accepted);
                }
                Err(Refused::Misfits { misfits, accepted }) => {
                    parts.push(part.refuse(&misfits, accepted));
                }
                Err(Refused::Store { error, begun }) if error.is_retryable() => {
                    if error.is_commit_unknown() {
                        // The orders may exist: whoever settles and shows them looks.
                        self.notifier.notify(Topic::Outbox);
                        self.notifier.notify(Topic::Changes);
                    }
                    part.fail(&error);
                    let untried = parts.drain(..).rev();
                    let error = of_untried(error);
                    untried.for_each(|part| part.fail(&error));
                    if !begun {
                        self.refuse_waiting(&error);
                    }
                }
                Err(Refused::Store { error, .. }) if part.is_single() => part.fail_alone(error),
                Err(Refused::Store { error, .. }) => {
                    warn!(%error, orders = part.orders.len(), "orders could not be written together");
                    let (older, newer) = part.halve();
                    parts.push(newer);
                    parts.push(older);
                }
            }
        }
    }

    /// A store in which nothing can begin is away for those as well who waited meanwhile. Had each batch of them to find
    /// out for itself, the last would wait as many times as long.
    fn refuse_waiting(&self, error: &StoreError) {
        for _ in 0..self.waiting.0.len() {
            if let Ok(job) = self.waiting.0.try_recv() {
                job.caller.fail(copy_of(error).into());
            }
        }
    }

    async fn accept(&self, part: &Transaction) -> Result<Vec<Acceptance>, Refused> {
        let attempt = self.writes.begin();
        let accepted = self.write_together(part).await;
        match &accepted {
            Ok(_) => attempt.succeeded(),
            Err(Refused::Store { error, .. }) => attempt.failed(error),
            // Undone on purpose.
            Err(Refused::Misfits { .. }) => drop(attempt),
        }
        accepted
    }

    async fn write_together(&self, part: &Transaction) -> Result<Vec<Acceptance>, Refused> {
        let refused = |begun| move |error| Refused::Store { error, begun };
        let mut work = self.store.begin().await.map_err(refused(false))?;
        let accepted = work.accept(&part.orders).await.map_err(refused(true))?;
        let misfits = part.misfits(&accepted);
        if !misfits.is_empty() {
            // Undone, for the others too; they are written again without them.
            return Err(Refused::Misfits { misfits, accepted });
        }
        part.set_committing(true);
        let committed = work.commit().await;
        part.set_committing(false);
        committed.map_err(refused(true))?;
        Ok(accepted)
    }
}

/// Why nothing was written.
#[derive(Debug, Error)]
enum Refused {
    #[error("{error}")]
    Store {
        error: StoreError,
        /// Whether a transaction could begin.
        begun: bool,
    },
    /// Batches whose key stands for another request, and of which some orders would have been created all the same.
    #[error("{} batches have keys that stand for other requests", misfits.len())]
    Misfits {
        misfits: Vec<usize>,
        accepted: Vec<Acceptance>,
    },
}

impl AsStoreError for Refused {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store { error, .. } => Some(error),
            Self::Misfits { .. } => None,
        }
    }
}

/// The failure of orders that would have been written after a transaction that failed like this: they were not sent to the
/// store, so their outcome is known.
fn of_untried(error: StoreError) -> StoreError {
    match error {
        StoreError::CommitUnknown(reason) => StoreError::Unavailable(reason),
        other => other,
    }
}

/// A transient failure, for one of several callers.
pub(super) fn copy_of(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(text) => StoreError::Conflict(text.clone()),
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()),
        StoreError::CommitUnknown(text) => StoreError::CommitUnknown(text.clone()),
        other => StoreError::Failed(other.to_string().into()),
    }
}
