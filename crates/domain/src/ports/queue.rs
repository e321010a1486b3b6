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

/// How many messages a queue holds that were not delivered yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages with orders, in all queues.
    pub waiting: u64,
    /// Those of them that are in queues beyond the configured number, which was higher before.
    pub surplus: u64,
    /// Dead messages: those that cannot be read, and those that were delivered too many times.
    pub dead: u64,
}

/// Hands orders over, and counts messages.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderQueue: Send + Sync {
    /// Publishes orders and returns the ids of those that the queue has taken durably. The others may or may not have
    /// been taken: publish them again. MUST keep the order of orders of one product, MUST NOT count a message that no
    /// queue took, and MUST answer within a bounded time.
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError>;

    /// How many messages wait and how many are dead. MUST return within a bounded time.
    async fn backlog(&self) -> Result<Backlog, QueueError>;

    /// How many messages wait, over all queues.
    async fn depth(&self) -> Result<u64, QueueError> {
        self.backlog().await.map(|backlog| backlog.waiting)
    }

    /// Removes the oldest dead messages until at most `keep` are left, and returns how many were removed. MUST return
    /// within a bounded time; what is left above the bound is removed by the next call.
    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError>;

    /// Whether messages can be handed over now, in one word or line for a person.
    async fn probe(&self) -> Result<(), QueueError>;
}

/// Takes messages. Delivery is at least once: a message that was not acknowledged when its consumer goes comes again.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderConsumer: Send {
    /// Waits for at least one message, then returns what is there, at most `limit` orders unless one message alone holds
    /// more. MUST be safe to drop while waiting: no message is lost by that. A message that cannot be read MUST become a
    /// dead message, alone, and is not returned.
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError>;

    /// Acknowledges deliveries. One that has become void is ignored: its message comes again.
    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// Shows how this consumer is to others, while whoever has it waits for messages. It outlives the consumer.
    fn watch(&self) -> Arc<dyn ConsumerProbe>;
}

/// A consumer's part of the queues of a broker: those whose number modulo `of` is `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The consumer's place among all consumers, from 0.
    pub index: usize,
    /// The number of consumers, at least 1.
    pub of: usize,
}

impl Share {
    /// Whether a queue is in it.
    #[must_use]
    pub fn includes(&self, queue: u16) -> bool {
        usize::from(queue) % self.of.max(1) == self.index
    }
}

/// Looks at a consumer from outside.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait ConsumerProbe: Send + Sync {
    /// Whether messages can come to the consumer now. MUST answer at once, from what is known.
    fn probe(&self) -> Result<(), QueueError>;

    /// Names the consumer's subscription among those of all consumers: a new subscription has a new name. None while there
    /// is no subscription, or if consumers need not share the queue out among themselves.
    fn member(&self) -> Option<String>;

    /// Assigns a share of the queues to the subscription of this name, if it is still the consumer's, which releases the
    /// other queues one by one to consumers that wait for them. It still takes what no other consumer takes. MUST return at
    /// once.
    fn assign(&self, member: &str, share: Share);
}
