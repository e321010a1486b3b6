//! The consumer.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ports::{ConsumerProbe, OrderConsumer, QueueError, QueuedMessage, Receipt, Share};

use crate::state::{Messages, Shared};

/// A consumer of the queue. Dropping it requeues its unacknowledged messages at their original position.
pub struct InProcessConsumer {
    shared: Arc<Shared>,
    /// Distinguishes the receipts of this consumer from those of other consumers.
    session: u64,
    unacknowledged: Messages,
}

impl InProcessConsumer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let session = {
            let mut state = shared.lock();
            state.last_session += 1;
            state.last_session
        };
        Self {
            shared,
            session,
            unacknowledged: Messages::new(),
        }
    }

    fn take(&mut self, limit: usize) -> Vec<QueuedMessage> {
        let taken = self.shared.lock().take(limit);
        let messages = taken
            .iter()
            .map(|(&tag, message)| QueuedMessage {
                receipt: Receipt {
                    session: self.session,
                    tag,
                },
                order_ids: message.order_ids.clone(),
                traces: message.traces.clone(),
            })
            .collect();
        self.unacknowledged.extend(taken);
        messages
    }
}

#[async_trait]
impl OrderConsumer for InProcessConsumer {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        let shared = Arc::clone(&self.shared);
        loop {
            // Registers before taking, so that a message that arrives between the two is not missed.
            let arrived = shared.arrived.notified();
            let messages = self.take(limit);
            if !messages.is_empty() {
                return Ok(messages);
            }
            arrived.await;
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let mut acknowledged = 0;
        for receipt in receipts {
            let own = receipt.session == self.session;
            acknowledged += usize::from(own && self.unacknowledged.remove(&receipt.tag).is_some());
        }
        let mut state = self.shared.lock();
        state.delivered = state.delivered.saturating_sub(acknowledged);
        Ok(())
    }

    fn watch(&self) -> Arc<dyn ConsumerProbe> {
        Arc::new(AlwaysUp)
    }
}

/// The connection of an in-process consumer cannot fail.
struct AlwaysUp;

impl ConsumerProbe for AlwaysUp {
    fn probe(&self) -> Result<(), QueueError> {
        Ok(())
    }

    fn member(&self) -> Option<String> {
        None
    }

    fn assign(&self, _member: &str, _share: Share) {}
}

impl Drop for InProcessConsumer {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.unacknowledged);
        if !messages.is_empty() {
            self.shared.lock().requeue(messages);
            self.shared.arrived.notify_waiters();
        }
    }
}
