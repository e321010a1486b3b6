//! Taking an order: durable before it is answered.
//!
//! Requests do not write for themselves: each puts its order into a bounded queue and waits for its answer, and a writer
//! takes whatever waits into one transaction. So the cost of a commit is shared by all that came while the one before
//! was under way, and an order that comes alone is written at once.

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod fake;
mod job;
#[cfg(test)]
mod property;
mod room;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::Sender;
use futures_channel::oneshot;
use thiserror::Error;
use tracing::warn;

use crate::identifiers::{BatchDigest, IdempotencyKey};
use crate::order::{Order, OrderRequest};
use crate::ports::{Clock, NewOrder, NoopObserver, NoopWriteObserver, Notifier, Store, StoreError};

use job::{Caller, Job};
use room::Room;
pub use writer::BatchWriter;
use writer::Waiting;

/// An order that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// As it stands.
    pub order: Order,
    /// Whether an earlier request with the same key created it.
    pub replayed: bool,
}

/// Orders that are taken together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// What each asks for.
    pub requests: Vec<OrderRequest>,
    /// The client's name for the batch, if it gave one, and what the whole batch asks for.
    pub key: Option<(IdempotencyKey, BatchDigest)>,
}

/// Orders that are durable, in the order of what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacedBatch {
    /// Each as it stands.
    pub orders: Vec<Order>,
    /// Whether an earlier request with the same key created them.
    pub replayed: bool,
}

/// Why an order was not taken. Nothing was recorded, unless the store's error is [`StoreError::CommitUnknown`].
#[derive(Debug, Error)]
pub enum PlaceOrderError {
    /// The key was used for another product or quantity, or for another batch.
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
pub struct OrderBatcherSettings {
    /// Most orders written in one transaction, at least 1; a batch is written in one, however large it is.
    pub max_batch: usize,
    /// Most orders that wait for a writer, at least 1; a larger batch is taken when nobody waits.
    pub max_waiting: usize,
}

/// What a caller is told.
type Answer<T = PlacedOrder> = Result<T, PlaceOrderError>;

/// Takes orders. Cheap to clone; the [`BatchWriter`] ends after the last clone is gone.
#[derive(Clone)]
pub struct OrderBatcher {
    waiting: Sender<Job>,
    room: Arc<Room>,
    refusing: Arc<AtomicBool>,
}

impl OrderBatcher {
    /// Wires the use case: what takes orders, and what writes them. Orders wait until the writer runs.
    #[must_use]
    pub fn open(
        store: Arc<dyn Store>,
        notifier: Arc<dyn Notifier>,
        clock: Arc<dyn Clock>,
        settings: OrderBatcherSettings,
    ) -> (Self, BatchWriter) {
        // The room bounds it: by orders, not by jobs.
        let (sender, receiver) = async_channel::unbounded();
        let refusing = Arc::new(AtomicBool::new(false));
        let writer = BatchWriter {
            waiting: Arc::new(Waiting(receiver)),
            refusing: Arc::clone(&refusing),
            store,
            notifier,
            clock,
            max_batch: settings.max_batch.max(1),
            observer: Arc::new(NoopObserver),
            writes: Arc::new(NoopWriteObserver),
        };
        let batcher = Self {
            waiting: sender,
            room: Arc::new(Room::new(settings.max_waiting.max(1))),
            refusing,
        };
        (batcher, writer)
    }

    /// Fails if an order would be refused now: for callers that would rather not read one that is.
    ///
    /// # Errors
    /// [`PlaceOrderError::Full`].
    pub fn check_room(&self) -> Result<(), PlaceOrderError> {
        if self.room.is_full() {
            return Err(self.refuse());
        }
        Ok(())
    }

    /// Has the order, its outbox entry and its key written in one transaction, together with those of others. A repeat
    /// with the same key and an equal request answers with the order of the first. A caller that stops waiting leaves
    /// open whether its order is written.
    ///
    /// # Errors
    /// [`PlaceOrderError`]; after [`StoreError::CommitUnknown`] the order may exist all the same, which a repeat with the
    /// same key finds out.
    pub async fn place(&self, order: NewOrder) -> Answer<PlacedOrder> {
        let (caller, answer) = oneshot::channel();
        self.hand_over(vec![order], Caller::OfOrder(caller))?;
        answer.await.unwrap_or_else(|_| Err(writer_died().into()))
    }

    /// Has all orders of a batch written in one transaction, with the batch's key. A repeat with the same key that asks for
    /// the same answers with the orders of the first. A batch of none is answered at once, and leaves no trace of its key.
    ///
    /// # Errors
    /// As of [`place`](Self::place), of all orders of the batch.
    pub async fn place_all(&self, batch: NewBatch) -> Answer<PlacedBatch> {
        if batch.requests.is_empty() {
            return Ok(PlacedBatch::default());
        }
        let (caller, answer) = oneshot::channel();
        self.hand_over(orders_of(batch), Caller::OfBatch(caller))?;
        answer.await.unwrap_or_else(|_| Err(writer_died().into()))
    }

    /// Puts orders that belong together into the queue.
    fn hand_over(&self, orders: Vec<NewOrder>, caller: Caller) -> Answer<()> {
        let place = self.room.take(orders.len());
        let place = place.ok_or_else(|| self.refuse())?;
        let job = Job {
            orders,
            caller,
            _place: place,
        };
        let sent = self.waiting.try_send(job);
        sent.map_err(|_| writer_is_gone().into())
    }

    /// Overload is told of once, not for each order: the writer ends it.
    fn refuse(&self) -> PlaceOrderError {
        if !self.refusing.load(Ordering::Relaxed) && !self.refusing.swap(true, Ordering::Relaxed) {
            warn!("too many orders wait to be written: more are refused until some are");
        }
        PlaceOrderError::Full
    }
}

/// The orders of a batch. The first has the batch's own key, with what the batch asks for, so that no other request can use
/// it; each other one has a key that is derived from it, by which a repeat finds the order again.
fn orders_of(batch: NewBatch) -> Vec<NewOrder> {
    let (key, mut digest) = batch.key.unzip();
    let orders = batch.requests.into_iter().enumerate();
    orders
        .map(|(position, request)| NewOrder {
            request,
            key: match position {
                0 => key.clone(),
                _ => key.as_ref().map(|key| key.of_item(position)),
            },
            batch: digest.take(),
        })
        .collect()
}

/// Orders that no writer took.
fn writer_is_gone() -> StoreError {
    StoreError::Unavailable("the writer of new orders ended".to_owned())
}

/// Orders that a writer had taken when it ended, which may have been in the middle of the commit.
fn writer_died() -> StoreError {
    StoreError::CommitUnknown("the writer of new orders ended while it wrote".to_owned())
}
