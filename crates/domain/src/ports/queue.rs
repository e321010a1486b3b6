//! The queue between acceptance and settlement.

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::identifiers::{OrderId, ProductId};
use crate::trace::SpanContext;

/// A message's reference to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedOrder {
    /// The order.
    pub order_id: OrderId,
    /// The product of the order: all orders of one product go to the same queue.
    pub product_id: ProductId,
    /// The span that the settlement of the order continues, if its trace is recorded.
    pub trace: Option<SpanContext>,
}

impl QueuedOrder {
    /// An order without a trace.
    #[must_use]
    pub fn new(order_id: OrderId, product_id: ProductId) -> Self {
        Self {
            order_id,
            product_id,
            trace: None,
        }
    }
}

/// Identifies a delivery to the queue that made it; opaque to everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The connection of the delivery: deliveries of earlier connections are void.
    pub session: u64,
    /// The number of the delivery within its connection.
    pub tag: u64,
}

/// A delivered message: at least one order id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The receipt to acknowledge the delivery with.
    pub receipt: Receipt,
    /// The ids of the orders.
    pub order_ids: Vec<OrderId>,
    /// The span that published the order, for each order whose trace is recorded.
    pub traces: Vec<(OrderId, SpanContext)>,
}

/// Why a call to the queue failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueError {
    /// The queue cannot be reached or does not accept messages at present. A later retry may succeed.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
    /// The queue was shut down and stays closed in this process.
    #[error("the queue is closed")]
    Closed,
}

/// Numbers of messages in the queues that are not delivered yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages with orders, in all queues.
    pub waiting: u64,
    /// Those of them in queues beyond the configured number, which was higher before.
    pub surplus: u64,
    /// Dead messages: those that cannot be read, and those that exceeded the delivery limit.
    pub dead: u64,
}

/// Publishes orders, and counts messages.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderQueue: Send + Sync {
    /// Publishes orders and returns the ids of those that the queue has stored durably. The others may or may not have been
    /// stored: the caller publishes them again. MUST deliver the trace of each order with it, except that a message may have
    /// only its first 32 traces. MUST preserve the order among the orders of one product, MUST NOT count a message that was
    /// routed to no queue, and MUST return within a bounded time.
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError>;

    /// Returns the numbers of undelivered and of dead messages. MUST return within a bounded time.
    async fn backlog(&self) -> Result<Backlog, QueueError>;

    /// Returns the number of undelivered messages over all queues. MUST return within a bounded time.
    async fn depth(&self) -> Result<u64, QueueError> {
        self.backlog().await.map(|backlog| backlog.waiting)
    }

    /// Removes the oldest dead messages until at most `keep` remain, and returns the number of removed messages. MUST return
    /// within a bounded time; if more than `keep` remain then, the next call removes them.
    async fn prune_dead_messages(&self, keep: u64) -> Result<u64, QueueError>;

    /// Checks whether messages can be published now. MUST return within a bounded time, with an error text of one line.
    async fn probe(&self) -> Result<(), QueueError>;
}

/// Consumes messages. Delivery is at least once: a message that was not acknowledged when its consumer ended is redelivered.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait OrderConsumer: Send {
    /// Waits for at least one message, then returns the messages that are available, with at most `limit` orders unless a
    /// single message contains more. MUST be safe to cancel: no message is lost. A message that cannot be read MUST become a
    /// dead message, on its own, and MUST NOT be returned.
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError>;

    /// Acknowledges deliveries. MUST ignore receipts that have become void: their messages are redelivered.
    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// Returns a probe of this consumer that can be used while the consumer waits for messages. The probe MUST remain usable
    /// after the consumer is dropped.
    fn watch(&self) -> Arc<dyn ConsumerProbe>;
}

/// A consumer's share of the queues of a broker: those whose number modulo `of` is `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The index of the consumer among all consumers, from 0.
    pub index: usize,
    /// Number of consumers, at least 1.
    pub of: usize,
}

impl Share {
    /// Whether the share includes this queue.
    #[must_use]
    pub fn includes(&self, queue: u16) -> bool {
        usize::from(queue) % self.of.max(1) == self.index
    }
}

/// Observes a consumer from outside.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait ConsumerProbe: Send + Sync {
    /// Checks whether messages can be delivered to the consumer now. MUST return immediately, from known state.
    fn probe(&self) -> Result<(), QueueError>;

    /// Returns the name of the consumer's subscription, unique among all consumers; a new subscription MUST have a new name.
    /// `None` while there is no subscription, or if consumers need not divide the queues among themselves.
    fn member(&self) -> Option<String>;

    /// Assigns a share of the queues to the subscription with this name, if it is still the consumer's; the other queues are
    /// released one by one to consumers that wait for them. The consumer still consumes queues that no other consumer takes.
    /// MUST return immediately.
    fn assign(&self, member: &str, share: Share);
}
