//! The outbox: orders that are accepted and not yet published to the queue.

use std::time::Duration;

use async_trait::async_trait;

use super::{QueuedOrder, StoreError};
use crate::identifiers::OrderId;

/// The id of an outbox entry, never reused. An id that was read in a unit of work that was not committed is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId(pub i64);

/// Orders to publish: all that one call put into the outbox. One entry for hundreds of orders keeps the cost of the outbox
/// per order negligible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The id of the entry.
    pub id: OutboxId,
    /// The orders of the entry, by id; at least one.
    pub orders: Vec<QueuedOrder>,
}

impl OutboxEntry {
    /// The ids of the orders of the entry.
    pub fn order_ids(&self) -> impl Iterator<Item = OrderId> {
        self.orders.iter().map(|order| order.order_id)
    }
}

/// Selects the orders that the sweeper requeues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequeueLimits {
    /// Only orders that are `PENDING` for longer than this. Doubles with each requeue of the same order. Zero selects all,
    /// including those whose timestamps are later than the store's clock, which was set back.
    pub pending_for: Duration,
    /// Maximum number of orders, oldest first.
    pub limit: u32,
}

/// The outbox inside a transaction.
///
/// Entries are claimed for a limited time in one transaction, published while it is committed or later, and removed or released in
/// another. The claim of a process that dies expires.
#[async_trait]
pub trait OutboxRepository {
    /// Claims at most `limit` entries, oldest first, for `lease`. MUST NOT return an entry whose claim has not expired or
    /// that was [postponed](Self::postpone) to a later instant, and MUST NOT wait for entries that another transaction is
    /// claiming. MUST treat a claim that lasts longer than `lease` from now as expired: it was made while the clock was
    /// ahead, and its holder may be dead. An entry that cannot be read MUST be moved out of the outbox, and its orders that
    /// are `PENDING` MUST be requeued.
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Removes entries. MUST ignore ids of entries that were already removed.
    async fn remove(&mut self, ids: &[OutboxId]) -> Result<(), StoreError>;

    /// Ends the claims on entries: the next claim MUST find them.
    async fn release(&mut self, ids: &[OutboxId]) -> Result<(), StoreError>;

    /// Requeues those of the orders that are `PENDING`, as one entry that MUST NOT be claimed before `delay` has passed by
    /// the store's clock. Returns their ids in rising order. MUST NOT wait for a transaction that holds an order.
    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError>;

    /// Requeues orders that stayed `PENDING` too long and are not in the outbox, as one entry, and returns their number.
    /// MUST observe `limits`.
    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError>;
}
