//! The intake's other half: one transaction for all orders that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::Receiver;
use futures_channel::oneshot;
use thiserror::Error;
use tracing::{info, warn};

use super::{Answer, Job, PlaceOrderError, PlacedOrder};
use crate::order::OrderRequest;
use crate::ports::{Acceptance, Clock, NewOrder, Observer, OutboxNotifier, Store, StoreError};
use crate::retry::{self, AsStoreError};

/// Writes what an [`Intake`](super::Intake) takes. Clones share the work, each with a transaction of its own.
#[derive(Clone)]
pub struct IntakeWriter {
    pub(super) waiting: Arc<Waiting>,
    /// Whether the intake refuses orders, or did since it was last empty.
    pub(super) refusing: Arc<AtomicBool>,
    pub(super) store: Arc<dyn Store>,
    pub(super) notifier: Arc<dyn OutboxNotifier>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) max_batch: usize,
    pub(super) observer: Arc<dyn Observer>,
}

/// The orders that wait. When the last writer goes, however it does, nobody will write them: dropping each tells its
/// caller, who would wait forever otherwise.
pub(super) struct Waiting(pub(super) Receiver<Job>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

impl IntakeWriter {
    /// Tells somebody what is accepted.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Writes orders until every [`Intake`](super::Intake) is gone and what waited is answered.
    ///
    /// There is no pause to let a batch grow: it grows by itself while the one before it is written. Dropped half way,
    /// its callers get [`StoreError::Unavailable`].
    pub async fn run(self) {
        while let Ok(first) = self.waiting.0.recv().await {
            self.write(self.take(first)).await;
        }
    }

    /// What waits now. A caller that went away meanwhile is spared the write.
    fn take(&self, first: Job) -> Batch {
        let more = std::iter::from_fn(|| self.waiting.0.try_recv().ok());
        let jobs = std::iter::once(first).chain(more);
        let mut batch = Batch::default();
        for job in jobs.take(self.max_batch) {
            if !job.caller.is_canceled() {
                batch.orders.push(job.order);
                batch.callers.push(job.caller);
            }
        }
        if self.waiting.0.is_empty() && self.refusing.swap(false, Ordering::Relaxed) {
            info!("all orders that waited are being written: none is refused any more");
        }
        batch
    }

    /// Writes a batch and answers everybody in it. When it fails in a way that a retry does not cure, it is halved until
    /// the culprits are alone, and their neighbours are written. When the store is away, nothing is tried again: whether
    /// a commit that broke off happened is not known, and orders without a key would exist twice.
    async fn write(&self, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if part.orders.is_empty() {
                continue;
            }
            match retry::on_conflict(&self.clock, || self.accept(&part.orders)).await {
                Ok(accepted) => {
                    let created = accepted.iter().filter(|it| is_created(it)).count();
                    if created > 0 {
                        self.notifier.notify();
                        self.observer.accepted(created);
                    }
                    part.answer(accepted);
                }
                Err(refused) if refused.error.is_retryable() => {
                    part.fail(&refused.error);
                    let untried = parts.drain(..).rev();
                    untried.for_each(|part| part.fail(&refused.error));
                    if !refused.begun {
                        self.refuse_waiting(&refused.error);
                    }
                }
                Err(Refused { error, .. }) if part.orders.len() == 1 => part.fail_alone(error),
                Err(Refused { error, .. }) => {
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
                let _ = job.caller.send(Err(copy_of(error).into()));
            }
        }
    }

    async fn accept(&self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, Refused> {
        let refused = |begun| move |error| Refused { error, begun };
        let mut work = self.store.begin().await.map_err(refused(false))?;
        let accepted = work.accept(orders).await.map_err(refused(true))?;
        work.commit().await.map_err(refused(true))?;
        Ok(accepted)
    }
}

/// Why a batch was not written.
#[derive(Debug, Error)]
#[error("{error}")]
struct Refused {
    error: StoreError,
    /// Whether a transaction could begin.
    begun: bool,
}

impl AsStoreError for Refused {
    fn as_store_error(&self) -> Option<&StoreError> {
        Some(&self.error)
    }
}

fn is_created(accepted: &Acceptance) -> bool {
    matches!(accepted, Acceptance::Created(_))
}

/// Orders of one transaction, and who waits for each.
#[derive(Default)]
struct Batch {
    orders: Vec<NewOrder>,
    callers: Vec<oneshot::Sender<Answer>>,
}

impl Batch {
    fn halve(mut self) -> (Self, Self) {
        let middle = self.orders.len() / 2;
        let newer = Self {
            orders: self.orders.split_off(middle),
            callers: self.callers.split_off(middle),
        };
        (self, newer)
    }

    fn answer(self, accepted: Vec<Acceptance>) {
        let mut accepted = accepted.into_iter();
        for (order, caller) in self.orders.into_iter().zip(self.callers) {
            // It fails for a caller that went away.
            let _ = caller.send(answer(&order.request, accepted.next()));
        }
    }

    fn fail(self, error: &StoreError) {
        for caller in self.callers {
            let _ = caller.send(Err(copy_of(error).into()));
        }
    }

    fn fail_alone(self, error: StoreError) {
        if let Some(caller) = self.callers.into_iter().next() {
            let _ = caller.send(Err(error.into()));
        }
    }
}

fn answer(request: &OrderRequest, accepted: Option<Acceptance>) -> Answer {
    match accepted {
        Some(Acceptance::Created(order)) => Ok(PlacedOrder {
            order,
            replayed: false,
        }),
        Some(Acceptance::Existing(order))
            if order.product_id == request.product_id && order.quantity == request.quantity =>
        {
            Ok(PlacedOrder {
                order,
                replayed: true,
            })
        }
        Some(Acceptance::Existing(_)) => Err(PlaceOrderError::KeyReused),
        None => Err(StoreError::Failed("an order was neither created nor found".into()).into()),
    }
}

/// A failure that may pass, for one of several who wait.
fn copy_of(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(text) => StoreError::Conflict(text.clone()),
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()),
        other => StoreError::Failed(other.to_string().into()),
    }
}
