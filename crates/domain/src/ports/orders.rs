//! Orders inside a transaction.

use async_trait::async_trait;

use super::StoreError;
use crate::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use crate::order::{Order, OrderRequest, OrderState};
use crate::settlement::{PendingOrder, SettledOrder};
use crate::timestamp::Timestamp;

/// An order to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// What is asked for.
    pub request: OrderRequest,
    /// The client's name for this request, if it gave one.
    pub key: Option<IdempotencyKey>,
    /// If the key is that of a batch, what the batch asks for. None for the key of an order alone, and for the keys that
    /// are derived for the batch's other items.
    pub batch: Option<BatchDigest>,
}

/// What became of a [`NewOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// A new order, `PENDING`, with its outbox entry.
    Created(Order),
    /// Its key was used before, for this order; nothing was written.
    Existing(Order),
    /// Its key was used before, for another batch, or for a batch where this is an order alone, or the other way round;
    /// nothing was written.
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

/// Reads and writes orders under lock.
#[async_trait]
pub trait OrderRepository {
    /// Accepts orders: for each, order, outbox entry and idempotency key together, or nothing if its key is taken. The
    /// answers stand in the order of the arguments.
    ///
    /// MUST give rising ids in the order of the arguments. Of concurrent uses of one key, in this call or in other
    /// transactions, exactly one MUST create an order and all others see that order, or that the key stands for another
    /// batch than theirs.
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError>;

    /// Locks those of the orders that are `PENDING`, and returns them by id. Others, and ids that no order has, are left
    /// out. A concurrent holder is waited for, and what it committed counts.
    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError>;

    /// The same without waiting: orders that another transaction holds MUST be left out as well. A caller that gets fewer
    /// orders than it asked for cannot conclude that the others are settled.
    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError>;

    /// Writes the decisions on orders that [`lock_pending`](Self::lock_pending) returned, with their allocations. MUST
    /// fail if one of them is not `PENDING`.
    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError>;

    /// Locks an order and returns it.
    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// Writes a new state of an order that [`lock_order`](Self::lock_order) returned. To `CANCELLED`: its allocations
    /// go. An allocation that is shipped in `state`, of an order that becomes `SHIPPED` or stays `CONFIRMED`, and not yet
    /// in the store counts as shipped at the store's time of this call; one that is shipped in the store MUST keep its
    /// time. Returns the order as written.
    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError>;

    /// Forgets at most `limit` idempotency keys that were first used before the moment, and returns how many.
    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
