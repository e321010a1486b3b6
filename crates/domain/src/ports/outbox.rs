//! The outbox: orders that are accepted and not yet handed to the queue.

use std::time::Duration;

use async_trait::async_trait;

use super::{QueuedOrder, StoreError};
use crate::identifiers::OrderId;

/// An outbox entry's number, never given again. One that was seen in a unit of work that was not committed means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId(pub i64);

/// Orders to hand to the queue: all that one call put into the outbox. One entry for hundreds of orders is what makes
/// the outbox cost next to nothing for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The entry.
    pub id: OutboxId,
    /// Its orders, by id; at least one.
    pub orders: Vec<QueuedOrder>,
}

impl OutboxEntry {
    /// The ids of its orders.
    pub fn order_ids(&self) -> impl Iterator<Item = OrderId> {
        self.orders.iter().map(|order| order.order_id)
    }
}

/// Which orders the sweeper puts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequeueLimits {
    /// Only orders that are `PENDING` for longer. Doubles with each time that the same order was put back. Zero: all,
    /// also those whose times are later than the store's clock, which was set back.
    pub pending_for: Duration,
    /// At most so many orders, oldest first.
    pub limit: u32,
}

/// The outbox inside a transaction.
///
/// Entries are claimed for a time in one transaction, published outside any, and removed or released in another. A
/// claimant that dies lets its claim run out.
#[async_trait]
pub trait OutboxRepository {
    /// Claims at most `limit` entries, oldest first, for `lease`. MUST NOT return an entry whose claim has not run out or
    /// that was [postponed](Self::postpone) to a later moment, and MUST NOT wait for entries that another transaction is
    /// just claiming. A claim that lasts longer than `lease` from now is void: a clock that was ahead made it, and its
    /// claimant may be dead. An entry that cannot be read MUST be moved out of the outbox, and its orders that are `PENDING` put
    /// back into it.
    async fn claim(&mut self, limit: u32, lease: Duration) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Removes entries. One that is gone already is no error.
    async fn remove(&mut self, ids: &[OutboxId]) -> Result<(), StoreError>;

    /// Ends the claims on entries, so that the next claim finds them.
    async fn release(&mut self, ids: &[OutboxId]) -> Result<(), StoreError>;

    /// Puts those of the orders that are `PENDING` back into the outbox, as one entry that is not claimed before `delay`
    /// has passed by the store's clock. Returns their ids in rising order. MUST NOT wait for a transaction that holds an
    /// order.
    async fn postpone(
        &mut self,
        ids: &[OrderId],
        delay: Duration,
    ) -> Result<Vec<OrderId>, StoreError>;

    /// Puts orders that stayed `PENDING` too long, and that are not in the outbox, back into it, as one entry. Returns
    /// how many.
    async fn requeue_overdue(&mut self, limits: RequeueLimits) -> Result<u64, StoreError>;
}
