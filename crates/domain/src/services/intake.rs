//! Taking an order: durable before it is answered.
//!
//! Requests do not write for themselves: each puts its order into a bounded queue and waits for its answer, and a writer
//! takes whatever waits into one transaction. So the cost of a commit is shared by all that came while the one before
//! was under way, and an order that comes alone is written at once.

#[cfg(test)]
mod fake;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::{Sender, TrySendError};
use futures_channel::oneshot;
use thiserror::Error;
use tracing::warn;

use crate::order::Order;
use crate::ports::{Clock, NewOrder, OutboxNotifier, Store, StoreError, Unobserved};

pub use writer::IntakeWriter;
use writer::Waiting;

/// An order that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// As it stands.
    pub order: Order,
    /// Whether an earlier request with the same key created it.
    pub replayed: bool,
}

/// Why an order was not taken. Nothing was recorded.
#[derive(Debug, Error)]
pub enum PlaceOrderError {
    /// The key was used for another product or quantity.
    #[error("the idempotency key was used before, for another request")]
    KeyReused,
    /// As many orders wait to be written as may. Worth a retry, later.
    #[error("too many orders wait to be written")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How orders are grouped.
#[derive(Debug, Clone, Copy)]
pub struct IntakeSettings {
    /// Most orders written in one transaction, at least 1.
    pub max_batch: usize,
    /// Most orders that wait for a writer, at least 1.
    pub max_waiting: usize,
}

/// What a caller is told.
type Answer = Result<PlacedOrder, PlaceOrderError>;

/// An order on its way to a writer.
struct Job {
    order: NewOrder,
    caller: oneshot::Sender<Answer>,
}

/// Takes orders. Cheap to clone; the [`IntakeWriter`] ends after the last clone is gone.
#[derive(Clone)]
pub struct Intake {
    waiting: Sender<Job>,
    refusing: Arc<AtomicBool>,
}

impl Intake {
    /// Wires the use case: what takes orders, and what writes them. Orders wait until the writer runs.
    #[must_use]
    pub fn open(
        store: Arc<dyn Store>,
        notifier: Arc<dyn OutboxNotifier>,
        clock: Arc<dyn Clock>,
        settings: IntakeSettings,
    ) -> (Self, IntakeWriter) {
        let (sender, receiver) = async_channel::bounded(settings.max_waiting.max(1));
        let refusing = Arc::new(AtomicBool::new(false));
        let writer = IntakeWriter {
            waiting: Arc::new(Waiting(receiver)),
            refusing: Arc::clone(&refusing),
            store,
            notifier,
            clock,
            max_batch: settings.max_batch.max(1),
            observer: Arc::new(Unobserved),
        };
        let intake = Self {
            waiting: sender,
            refusing,
        };
        (intake, writer)
    }

    /// Fails if an order would be refused now: for callers that would rather not read one that is.
    ///
    /// # Errors
    /// [`PlaceOrderError::Full`].
    pub fn check_room(&self) -> Result<(), PlaceOrderError> {
        if self.waiting.is_full() {
            return Err(self.refuse());
        }
        Ok(())
    }

    /// Has the order, its outbox entry and its key written in one transaction, together with those of others. A repeat
    /// with the same key and an equal request answers with the order of the first. A caller that stops waiting leaves
    /// open whether its order is written.
    ///
    /// # Errors
    /// [`PlaceOrderError`]; after [`StoreError::Unavailable`] during the commit the order may exist all the same, which
    /// a repeat with the same key finds out.
    pub async fn place(&self, order: NewOrder) -> Answer {
        let (caller, answer) = oneshot::channel();
        self.waiting
            .try_send(Job { order, caller })
            .map_err(|refused| match refused {
                TrySendError::Full(_) => self.refuse(),
                TrySendError::Closed(_) => writer_is_gone().into(),
            })?;
        answer
            .await
            .unwrap_or_else(|_| Err(writer_is_gone().into()))
    }

    /// Overload is told of once, not for each order: the writer ends it.
    fn refuse(&self) -> PlaceOrderError {
        if !self.refusing.load(Ordering::Relaxed) && !self.refusing.swap(true, Ordering::Relaxed) {
            warn!("too many orders wait to be written: more are refused until some are");
        }
        PlaceOrderError::Full
    }
}

/// Also when it went in the middle of a commit, so this is one of the errors that leave the outcome open.
fn writer_is_gone() -> StoreError {
    StoreError::Unavailable("the writer of new orders ended".to_owned())
}
