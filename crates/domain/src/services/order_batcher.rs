//! Places orders: an order is durable before its request gets a response.
//!
//! Requests do not write orders individually: each puts its order into a bounded queue and waits for the result, and a
//! writer writes all pending orders in one transaction. Orders that arrive during one commit share the next one, and a
//! single order is written immediately.

#[cfg(test)]
mod batch_tests;
mod capacity;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
mod transaction;
mod write_request;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::Sender;
use futures_channel::oneshot;
use thiserror::Error;
use tracing::warn;

use crate::identifiers::{BatchDigest, IdempotencyKey};
use crate::order::{Order, OrderRequest};
use crate::ports::{
    Clock, NewOrder, NoopObserver, NoopTracer, NoopWriteObserver, Notifier, Store, StoreError,
};
use crate::trace::SpanContext;

use capacity::CapacityLimiter;
use write_request::{QueuedRequest, WriteRequest};
pub use writer::BatchWriter;
use writer::PendingRequests;

/// An order that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The order in its current state.
    pub order: Order,
    /// Whether an earlier request with the same key created the order.
    pub replayed: bool,
}

/// Orders that are created together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// The requested product and quantity of each order.
    pub requests: Vec<OrderRequest>,
    /// The client's key for the batch, if the request has one, with the digest of the whole batch.
    pub key: Option<(IdempotencyKey, BatchDigest)>,
    /// The span of the request, if its trace is recorded: the trace follows the first order.
    pub trace: Option<SpanContext>,
}

/// Orders that are durable, in the order of their requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacedBatch {
    /// The orders in their current state.
    pub orders: Vec<Order>,
    /// Whether an earlier request with the same key created the orders.
    pub replayed: bool,
}

/// The reason why an order was not placed. Nothing was written, unless the error of the store is
/// [`StoreError::CommitUnknown`].
#[derive(Debug, Error)]
pub enum PlaceOrderError {
    /// The key was used for another product or quantity, or for another batch.
    #[error("the idempotency key was already used for another request")]
    KeyReused,
    /// The maximum number of orders is pending. A later retry may succeed.
    #[error("too many orders are pending")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Limits of the batches.
#[derive(Debug, Clone, Copy)]
pub struct OrderBatcherSettings {
    /// Maximum number of orders written in one transaction, at least 1. A client's batch is always written in one
    /// transaction, even if it is larger.
    pub max_batch: usize,
    /// Maximum number of pending orders, at least 1. A larger batch is accepted only while no order is pending.
    pub max_waiting: usize,
}

/// The result of placing an order or a batch.
type PlaceResult<T> = Result<T, PlaceOrderError>;

/// Places orders. Cheap to clone; the [`BatchWriter`] ends after the last clone is dropped.
#[derive(Clone)]
pub struct OrderBatcher {
    pending: Sender<QueuedRequest>,
    capacity: Arc<CapacityLimiter>,
    refusing: Arc<AtomicBool>,
}

impl OrderBatcher {
    /// Creates the use case: the batcher, and its writer. Orders stay pending until the writer runs.
    #[must_use]
    pub fn open(
        store: Arc<dyn Store>,
        notifier: Arc<dyn Notifier>,
        clock: Arc<dyn Clock>,
        settings: OrderBatcherSettings,
    ) -> (Self, BatchWriter) {
        // Bounded by the capacity limiter, which counts orders instead of requests.
        let (sender, receiver) = async_channel::unbounded();
        let refusing = Arc::new(AtomicBool::new(false));
        let writer = BatchWriter {
            pending: Arc::new(PendingRequests(receiver)),
            refusing: Arc::clone(&refusing),
            store,
            notifier,
            clock,
            max_batch: settings.max_batch.max(1),
            observer: Arc::new(NoopObserver),
            writes: Arc::new(NoopWriteObserver),
            tracer: Arc::new(NoopTracer),
        };
        let batcher = Self {
            pending: sender,
            capacity: Arc::new(CapacityLimiter::new(settings.max_waiting.max(1))),
            refusing,
        };
        (batcher, writer)
    }

    /// Fails if an order would be refused now, so that a caller can refuse a request before it reads the body.
    ///
    /// # Errors
    /// [`PlaceOrderError::Full`].
    pub fn check_capacity(&self) -> Result<(), PlaceOrderError> {
        if self.capacity.is_full() {
            return Err(self.refuse());
        }
        Ok(())
    }

    /// Writes the order, its outbox entry and its key in one transaction, together with those of other requests. A repeat
    /// with the same key and an equal request returns the order of the first request. If the caller stops waiting, the order
    /// may be written or not.
    ///
    /// # Errors
    /// [`PlaceOrderError`]; after [`StoreError::CommitUnknown`] the order may exist, and a repeat with the same key returns
    /// it.
    pub async fn place(&self, order: NewOrder) -> PlaceResult<PlacedOrder> {
        let PlacedBatch { orders, replayed } = self.write(vec![order]).await?;
        let order = orders.into_iter().next();
        let order = order.ok_or_else(|| StoreError::Failed("no order was returned".into()))?;
        Ok(PlacedOrder { order, replayed })
    }

    /// Writes all orders of a batch in one transaction, with the batch's key. A repeat with the same key and equal requests
    /// returns the orders of the first request. An empty batch returns immediately and does not store its key.
    ///
    /// # Errors
    /// Like [`place`](Self::place), for the batch as a whole.
    pub async fn place_all(&self, batch: NewBatch) -> PlaceResult<PlacedBatch> {
        if batch.requests.is_empty() {
            return Ok(PlacedBatch::default());
        }
        self.write(orders_of(batch)).await
    }

    /// Puts orders that are written together into the queue, and waits for the result.
    async fn write(&self, orders: Vec<NewOrder>) -> PlaceResult<PlacedBatch> {
        let permit = self.capacity.try_acquire(orders.len());
        let permit = permit.ok_or_else(|| self.refuse())?;
        let (caller, receiver) = oneshot::channel();
        let queued = QueuedRequest {
            request: WriteRequest { orders, caller },
            _permit: permit,
        };
        let sent = self.pending.try_send(queued);
        sent.map_err(|_| writer_ended())?;
        let result = receiver.await;
        result.unwrap_or_else(|_| Err(writer_ended_in_commit().into()))
    }

    /// Logs an overload once, not for each order; the writer logs its end.
    fn refuse(&self) -> PlaceOrderError {
        if !self.refusing.load(Ordering::Relaxed) && !self.refusing.swap(true, Ordering::Relaxed) {
            warn!("too many orders are pending; new orders are refused");
        }
        PlaceOrderError::Full
    }
}

/// The orders of a batch. The first one has the batch's own key and digest, so that no other request can use the key. The
/// others have keys derived from it, by which a repeat finds them.
fn orders_of(batch: NewBatch) -> Vec<NewOrder> {
    let (key, mut digest) = batch.key.unzip();
    let mut trace = batch.trace;
    let orders = batch.requests.into_iter().enumerate();
    orders
        .map(|(index, request)| NewOrder {
            request,
            key: match index {
                0 => key.clone(),
                _ => key.as_ref().map(|key| key.of_item(index)),
            },
            batch: digest.take(),
            trace: trace.take(),
        })
        .collect()
}

/// The error of orders that no writer had received.
fn writer_ended() -> StoreError {
    StoreError::Unavailable("the batch writer ended".to_owned())
}

/// The error of orders that a writer was committing when it ended.
fn writer_ended_in_commit() -> StoreError {
    StoreError::CommitUnknown("the batch writer ended during a commit".to_owned())
}
