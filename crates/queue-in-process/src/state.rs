//! The state shared by a queue and its consumers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::identifiers::OrderId;
use domain::trace::SpanContext;
use tokio::sync::Notify;

/// Messages by number.
pub(crate) type Messages = BTreeMap<u64, Message>;

/// The orders of a message, and the spans of those that are traced.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) order_ids: Vec<OrderId>,
    pub(crate) traces: Vec<(OrderId, SpanContext)>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) waiting: Messages,
    /// Number of messages that are delivered and not acknowledged.
    pub(crate) delivered: usize,
    pub(crate) last_number: u64,
    pub(crate) last_session: u64,
}

#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Wakes all waiting consumers when messages arrive.
    pub(crate) arrived: Notify,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Number of messages in the queue and with consumers, which count against the capacity.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.delivered
    }

    /// Takes messages from the front: at most `limit` orders, but at least one message if there is any.
    pub(crate) fn take(&mut self, limit: usize) -> Messages {
        let mut taken = Messages::new();
        let mut orders = 0_usize;
        while let Some(next) = self.waiting.first_entry() {
            orders = orders.saturating_add(next.get().order_ids.len());
            if !taken.is_empty() && orders > limit {
                break;
            }
            let (number, message) = next.remove_entry();
            taken.insert(number, message);
        }
        self.delivered += taken.len();
        taken
    }

    /// Requeues delivered messages at their original position.
    pub(crate) fn requeue(&mut self, mut messages: Messages) {
        self.delivered = self.delivered.saturating_sub(messages.len());
        self.waiting.append(&mut messages);
    }
}
