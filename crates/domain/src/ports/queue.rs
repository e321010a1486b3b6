//! The queue between accepting and settling.

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::identifiers::{OrderId, ProductId};

/// An order on its way to settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedOrder {
    /// Which.
    pub order_id: OrderId,
    /// Its product: orders of one product keep to one queue.
    pub product_id: ProductId,
}

/// Names a delivery to the queue that made it; nothing else can be read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Which connection it came on: a delivery of an earlier one is void.
    pub session: u64,
    /// Which delivery of that connection.
    pub tag: u64,
}

/// A message as delivered: order ids and nothing else, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// To settle the delivery with.
    pub receipt: Receipt,
    /// The orders.
    pub order_ids: Vec<OrderId>,
}

/// Why a call to the queue failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueError {
    /// It cannot be reached or does not accept messages now. Worth a retry, later.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
    /// It is shut down and will not come back in this process.
    #[error("the queue is closed")]
    Closed,
}

/// Hands orders over, and tells how many wait.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderQueue: Send + Sync {
    /// Publishes orders and returns the ids of those that the queue has taken durably. The others may or may not have
    /// been taken: publish them again. MUST keep the order of orders of one product, MUST NOT count a message that no
    /// queue took, and MUST answer within a bounded time.
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError>;

    /// How many messages wait, over all queues.
    async fn depth(&self) -> Result<u64, QueueError>;

    /// Puts orders aside for a person to look at, with the reason. MUST return only when they are taken durably.
    async fn dead_letter(&self, order_ids: &[OrderId], reason: &str) -> Result<(), QueueError>;

    /// Whether messages can be handed over now, in one word or line for a person.
    async fn probe(&self) -> Result<(), QueueError>;
}

/// Takes messages. Delivery is at least once: a message that was not acknowledged when its consumer goes comes again.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderConsumer: Send {
    /// Waits for at least one message, then returns what is there, at most `limit` orders unless one message alone holds
    /// more. MUST be safe to drop while waiting: no message is lost by that. A message that cannot be read MUST be put
    /// aside, alone, and not returned.
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError>;

    /// Acknowledges deliveries. One that has become void is ignored: its message comes again.
    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// Shows how this consumer is to others, while whoever has it waits for messages. It outlives the consumer.
    fn watch(&self) -> Arc<dyn ConsumerProbe>;
}

/// Looks at a consumer from outside.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait ConsumerProbe: Send + Sync {
    /// Whether messages can come to the consumer now. MUST answer at once, from what is known.
    fn probe(&self) -> Result<(), QueueError>;
}
