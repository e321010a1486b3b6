//! Publishes accepted orders from the outbox to the queue.

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

/// Settings of the relay.
#[derive(Debug, Clone, Copy)]
pub struct RelaySettings {
    /// Maximum number of entries claimed at a time. Each contains the orders of one transaction.
    pub batch: u32,
    /// The duration of a claim. Must be longer than a publish can take, so that no other relay claims the same entries
    /// meanwhile.
    pub lease: Duration,
}

/// The reason why a run ended early. Orders that were not confirmed are still in the outbox.
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

/// Publishes outbox entries to the queue.
#[derive(Clone)]
pub struct Relay {
    store: Arc<dyn Store>,
    queue: Arc<dyn OrderQueue>,
    clock: Arc<dyn Clock>,
    settings: RelaySettings,
    observer: Arc<dyn Observer>,
}

impl Relay {
    /// Creates the use case.
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

    /// Reports the published orders to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Claims one batch, publishes it, removes the entries that were confirmed and releases the rest. Returns the number of
    /// claimed entries: a full batch means that there may be more.
    ///
    /// A crash between the confirm and the removal publishes an order twice; settlement ignores the duplicate.
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
        // An entry with unconfirmed orders is published again as a whole; settlement ignores the duplicates.
        let is_confirmed = |order: &QueuedOrder| confirmed.contains(&order.order_id);
        let (removable, retained): (Vec<&OutboxEntry>, Vec<&OutboxEntry>) = claimed
            .iter()
            .partition(|entry| entry.orders.iter().all(is_confirmed));
        let removable: Vec<OutboxId> = removable.into_iter().map(|entry| entry.id).collect();
        let retained: Vec<OutboxId> = retained.into_iter().map(|entry| entry.id).collect();
        retry::on_conflict(&self.clock, || self.finish(&removable, &retained)).await?;
        let unconfirmed = orders.iter().filter(|order| !is_confirmed(order)).count();
        self.observer
            .relayed(orders.len() - unconfirmed, unconfirmed);
        debug!(
            orders = orders.len(),
            unconfirmed, "outbox entries published"
        );
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

    async fn finish(
        &self,
        removable: &[OutboxId],
        retained: &[OutboxId],
    ) -> Result<(), StoreError> {
        let mut work = self.store.begin().await?;
        if !removable.is_empty() {
            work.remove(removable).await?;
        }
        if !retained.is_empty() {
            work.release(retained).await?;
        }
        work.commit().await
    }
}
