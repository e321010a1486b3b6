//! Handing accepted orders from the outbox to the queue.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::debug;

use crate::identifiers::OrderId;
use crate::ports::{
    Clock, NoopObserver, Observer, OrderQueue, OutboxEntry, OutboxId, QueueError, QueuedOrder,
    Store, StoreError,
};
use crate::retry;

/// How the relay works.
#[derive(Debug, Clone, Copy)]
pub struct RelaySettings {
    /// Most entries claimed at a time. Each holds the orders of one transaction.
    pub batch: u32,
    /// How long a claim lasts. Longer than a publish can take, so that no other relay takes over while it runs.
    pub lease: Duration,
}

/// Why a round ended early. What was not confirmed is still in the outbox.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The queue did not confirm some orders.
    #[error("the queue did not confirm {0} orders; they will be published again")]
    Unconfirmed(usize),
}

/// Moves outbox entries to the queue.
#[derive(Clone)]
pub struct Relay {
    store: Arc<dyn Store>,
    queue: Arc<dyn OrderQueue>,
    clock: Arc<dyn Clock>,
    settings: RelaySettings,
    observer: Arc<dyn Observer>,
}

impl Relay {
    /// Wires the use case.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        queue: Arc<dyn OrderQueue>,
        clock: Arc<dyn Clock>,
        settings: RelaySettings,
    ) -> Self {
        Self {
            store,
            queue,
            clock,
            settings,
            observer: Arc::new(NoopObserver),
        }
    }

    /// Tells somebody what is handed over.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Claims one batch, publishes it, removes what was confirmed and releases the rest. Returns how many entries were
    /// claimed: a full batch means that there may be more.
    ///
    /// A crash between the confirm and the removal publishes an order twice; settlement bears that.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn run_once(&self) -> Result<usize, RelayError> {
        let claimed = retry::on_conflict(&self.clock, || self.claim()).await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let orders: Vec<QueuedOrder> = claimed
            .iter()
            .flat_map(|entry| entry.orders.iter().cloned())
            .collect();
        let published = self.queue.publish(&orders).await;
        let confirmed: HashSet<OrderId> = match &published {
            Ok(ids) => ids.iter().copied().collect(),
            Err(_) => HashSet::new(),
        };
        // An entry of which some orders were not confirmed is published again as a whole; settlement bears that.
        let is_confirmed = |order: &QueuedOrder| confirmed.contains(&order.order_id);
        let (done, open): (Vec<&OutboxEntry>, Vec<&OutboxEntry>) = claimed
            .iter()
            .partition(|entry| entry.orders.iter().all(is_confirmed));
        let done: Vec<OutboxId> = done.into_iter().map(|entry| entry.id).collect();
        let open: Vec<OutboxId> = open.into_iter().map(|entry| entry.id).collect();
        retry::on_conflict(&self.clock, || self.finish(&done, &open)).await?;
        let unconfirmed = orders.iter().filter(|order| !is_confirmed(order)).count();
        self.observer
            .relayed(orders.len() - unconfirmed, unconfirmed);
        debug!(orders = orders.len(), unconfirmed, "relayed");
        published?;
        if unconfirmed == 0 {
            Ok(claimed.len())
        } else {
            Err(RelayError::Unconfirmed(unconfirmed))
        }
    }

    async fn claim(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut work = self.store.begin().await?;
        let claimed = work.claim(self.settings.batch, self.settings.lease).await?;
        work.commit().await?;
        Ok(claimed)
    }

    async fn finish(&self, done: &[OutboxId], open: &[OutboxId]) -> Result<(), StoreError> {
        let mut work = self.store.begin().await?;
        if !done.is_empty() {
            work.remove(done).await?;
        }
        if !open.is_empty() {
            work.release(open).await?;
        }
        work.commit().await
    }
}
