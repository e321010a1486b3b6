//! The publishing side of the queue.

use std::sync::Arc;

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError, QueuedOrder};

use crate::consumer::InProcessConsumer;
use crate::state::{Message, Shared};

/// Orders per message. A single transaction settles this number easily.
const DEFAULT_ORDERS_PER_MESSAGE: usize = 100;

/// A queue within this process. Clones share it.
#[derive(Clone)]
pub struct InProcessQueue {
    shared: Arc<Shared>,
    capacity: usize,
    max_orders_per_message: usize,
}

impl InProcessQueue {
    /// Creates a queue that holds at most `capacity` messages, including delivered messages that are not acknowledged.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            shared: Arc::default(),
            capacity,
            max_orders_per_message: DEFAULT_ORDERS_PER_MESSAGE,
        }
    }

    /// Sets the maximum number of orders in a message published by this value, at least one.
    #[must_use]
    pub fn with_max_orders_per_message(mut self, number: usize) -> Self {
        self.max_orders_per_message = number.max(1);
        self
    }

    /// Creates a consumer. Each message is delivered to one consumer.
    #[must_use]
    pub fn consumer(&self) -> InProcessConsumer {
        InProcessConsumer::new(Arc::clone(&self.shared))
    }

    fn full(&self) -> QueueError {
        QueueError::Unavailable(format!("the queue is full ({} messages)", self.capacity))
    }
}

#[async_trait]
impl OrderQueue for InProcessQueue {
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        let mut confirmed = Vec::with_capacity(orders.len());
        {
            let mut state = self.shared.lock();
            let free = self.capacity.saturating_sub(state.len());
            for chunk in orders.chunks(self.max_orders_per_message).take(free) {
                let order_ids: Vec<OrderId> = chunk.iter().map(|order| order.order_id).collect();
                confirmed.extend_from_slice(&order_ids);
                state.last_number += 1;
                let number = state.last_number;
                let trace = |order: &QueuedOrder| Some((order.order_id, order.trace?));
                let traces = chunk.iter().filter_map(trace).collect();
                state.waiting.insert(number, Message { order_ids, traces });
            }
        }
        if confirmed.is_empty() && !orders.is_empty() {
            return Err(self.full());
        }
        self.shared.arrived.notify_waiters();
        Ok(confirmed)
    }

    /// The number of dead messages is always 0: the queue holds order ids instead of bytes, so every message is
    /// readable.
    async fn backlog(&self) -> Result<Backlog, QueueError> {
        Ok(Backlog {
            waiting: self.shared.lock().waiting.len() as u64,
            ..Backlog::default()
        })
    }

    async fn prune_dead_messages(&self, _keep: u64) -> Result<u64, QueueError> {
        Ok(0)
    }

    async fn probe(&self) -> Result<(), QueueError> {
        if self.shared.lock().len() < self.capacity {
            Ok(())
        } else {
            Err(self.full())
        }
    }
}
