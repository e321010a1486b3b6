//! Publishing.

use std::sync::Arc;

use async_trait::async_trait;
use domain::identifiers::OrderId;
use domain::ports::{Backlog, OrderQueue, QueueError, QueuedOrder};

use crate::consumer::InProcessConsumer;
use crate::state::Shared;

/// As many orders as one transaction settles with ease.
const DEFAULT_ORDERS_A_MESSAGE: usize = 100;

/// A queue within this process. Cloning shares it.
#[derive(Clone)]
pub struct InProcessQueue {
    shared: Arc<Shared>,
    capacity: usize,
    max_orders_a_message: usize,
}

impl InProcessQueue {
    /// A queue that holds at most `capacity` messages, those included that are delivered and not acknowledged.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            shared: Arc::default(),
            capacity,
            max_orders_a_message: DEFAULT_ORDERS_A_MESSAGE,
        }
    }

    /// The same queue, where a message that is published by this value holds at most so many orders, and
    /// at least one.
    #[must_use]
    pub fn with_max_orders_a_message(mut self, number: usize) -> Self {
        self.max_orders_a_message = number.max(1);
        self
    }

    /// Another consumer. Each message goes to one.
    #[must_use]
    pub fn consumer(&self) -> InProcessConsumer {
        InProcessConsumer::new(Arc::clone(&self.shared))
    }

    fn full(&self) -> QueueError {
        QueueError::Unavailable(format!("it is full with {} messages", self.capacity))
    }
}

#[async_trait]
impl OrderQueue for InProcessQueue {
    async fn publish(&self, orders: &[QueuedOrder]) -> Result<Vec<OrderId>, QueueError> {
        let mut confirmed = Vec::with_capacity(orders.len());
        {
            let mut state = self.shared.lock();
            let room = self.capacity.saturating_sub(state.len());
            for packed in orders.chunks(self.max_orders_a_message).take(room) {
                let order_ids: Vec<OrderId> = packed.iter().map(|order| order.order_id).collect();
                confirmed.extend_from_slice(&order_ids);
                state.last_number += 1;
                let number = state.last_number;
                state.waiting.insert(number, order_ids);
            }
        }
        if confirmed.is_empty() && !orders.is_empty() {
            return Err(self.full());
        }
        self.shared.arrived.notify_waiters();
        Ok(confirmed)
    }

    /// Without dead messages: this queue holds orders and not bytes, so that each message can be read.
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
