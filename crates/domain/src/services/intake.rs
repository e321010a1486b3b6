//! Taking an order: durable before it is answered.

use std::sync::Arc;

use thiserror::Error;

use crate::order::Order;
use crate::ports::{Acceptance, Clock, NewOrder, OutboxNotifier, Store, StoreError};
use crate::retry;

/// An order that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// As it stands.
    pub order: Order,
    /// Whether an earlier request with the same key created it.
    pub replayed: bool,
}

/// Why an order was not taken. Nothing was recorded.
#[derive(Debug, Error)]
pub enum PlaceOrderError {
    /// The key was used for another product or quantity.
    #[error("the idempotency key was used before, for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes orders.
#[derive(Clone)]
pub struct Intake {
    store: Arc<dyn Store>,
    notifier: Arc<dyn OutboxNotifier>,
    clock: Arc<dyn Clock>,
}

impl Intake {
    /// Wires the use case.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        notifier: Arc<dyn OutboxNotifier>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            notifier,
            clock,
        }
    }

    /// Writes the order, its outbox entry and its key in one transaction, then wakes the relay. A repeat with the same
    /// key and an equal request answers with the order of the first.
    ///
    /// # Errors
    /// [`PlaceOrderError`]; after [`StoreError::Unavailable`] during the commit the order may exist all the same, which
    /// a repeat with the same key finds out.
    pub async fn place(&self, order: NewOrder) -> Result<PlacedOrder, PlaceOrderError> {
        let request = order.request.clone();
        let orders = [order];
        let accepted = retry::on_conflict(&self.clock, || self.accept(&orders)).await?;
        match accepted.into_iter().next() {
            Some(Acceptance::Created(order)) => {
                self.notifier.notify();
                Ok(PlacedOrder {
                    order,
                    replayed: false,
                })
            }
            Some(Acceptance::Existing(order))
                if order.product_id == request.product_id && order.quantity == request.quantity =>
            {
                Ok(PlacedOrder {
                    order,
                    replayed: true,
                })
            }
            Some(Acceptance::Existing(_)) => Err(PlaceOrderError::KeyReused),
            None => Err(StoreError::Failed("an order was neither created nor found".into()).into()),
        }
    }

    async fn accept(&self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        let mut work = self.store.begin().await?;
        let accepted = work.accept(orders).await?;
        work.commit().await?;
        Ok(accepted)
    }
}
