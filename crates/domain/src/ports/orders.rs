//! Orders inside a transaction.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use crate::order::{Order, OrderRequest, OrderState};
use crate::settlement::{PendingOrder, SettledOrder};
use crate::timestamp::Timestamp;
use crate::trace::SpanContext;

/// An order to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// The requested product and quantity.
    pub request: OrderRequest,
    /// The client's idempotency key, if the request has one.
    pub key: Option<IdempotencyKey>,
    /// The digest of the batch, if `key` is the key of a whole batch. `None` for the key of a single order, and for the keys
    /// that are derived for the other items of a batch.
    pub batch: Option<BatchDigest>,
    /// The span of the request, if its trace is recorded. The outbox entry keeps it.
    pub trace: Option<SpanContext>,
}

/// The result of accepting a [`NewOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// A new order, `PENDING`, with its outbox entry.
    Created(Order),
    /// The key was used before, for this order; nothing was written.
    Existing(Order),
    /// The key was used before for another batch, or one of the two uses is a batch and the other a single order; nothing
    /// was written.
    KeyReused,
}

impl Acceptance {
    /// The order, if it was created.
    #[must_use]
    pub fn created(&self) -> Option<&Order> {
        match self {
            Self::Created(order) => Some(order),
            Self::Existing(_) | Self::KeyReused => None,
        }
    }

    /// The order that was created or found.
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Created(order) | Self::Existing(order) => Some(order),
            Self::KeyReused => None,
        }
    }
}

/// Reads and writes orders inside a transaction.
#[async_trait]
pub trait OrderRepository {
    /// Accepts orders: writes for each the order, its outbox entry and its idempotency key together, or nothing if its key
    /// is in use. MUST return the results in the order of the arguments.
    ///
    /// MUST keep the trace of each created order in the outbox entry. MUST assign rising ids in the order of the arguments. Of concurrent uses of one key, in this call or in other
    /// transactions, exactly one MUST create an order and all others MUST get that order, or [`Acceptance::KeyReused`] if
    /// the key belongs to another batch.
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError>;

    /// Locks those of the orders that are `PENDING`, and returns them by id. MUST leave out all others and unknown ids. MUST
    /// wait for a concurrent holder of a lock, and then read what that holder committed.
    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError>;

    /// Like [`lock_pending`](Self::lock_pending), but without waiting: MUST also leave out orders that another transaction
    /// holds. A caller that gets fewer orders than requested cannot conclude that the others are settled.
    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError>;

    /// Writes the decisions on orders that [`lock_pending`](Self::lock_pending) returned, with their allocations. MUST fail
    /// if one of the orders is not `PENDING`.
    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError>;

    /// Locks an order and returns it; `None` if there is no such order. MUST wait for a concurrent holder of the lock.
    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// Writes a new state of an order that [`lock_order`](Self::lock_order) returned, and returns the order as written. MUST
    /// delete the allocations of an order that becomes `CANCELLED`. MUST set the store's time of this call as the shipping
    /// time of each allocation that is shipped in `state` and not yet in the store, of an order that becomes `SHIPPED` or
    /// stays `CONFIRMED`; MUST keep the shipping time of an allocation that is already shipped in the store.
    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError>;

    /// Prunes at most `limit` idempotency keys that were first used before `before`, and returns their number. MUST NOT
    /// prune newer keys.
    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
