//! Publishes accepted orders from the outbox to the queue.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use thiserror::Error;
use tracing::debug;

use super::stage_trace::{PUBLISH, StageTrace, TracedOrder, end_step};
use crate::identifiers::OrderId;
use crate::ports::{
    Clock, NoopObserver, NoopTracer, Observer, OrderQueue, OutboxEntry, OutboxId, QueueError,
    QueuedOrder, Store, StoreError, Tracer, UnitOfWork,
};
use crate::retry;
use crate::trace::SpanKind;

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

/// The result of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Number of orders.
    pub orders: usize,
    /// Whether the batch was full, so that the outbox may have more entries. False if an entry was unreadable: the rest is found
    /// after the next notification or poll.
    pub may_have_more: bool,
}

/// Publishes outbox entries to the queue.
#[derive(Clone)]
pub struct Relay {
    store: Arc<dyn Store>,
    queue: Arc<dyn OrderQueue>,
    clock: Arc<dyn Clock>,
    settings: RelaySettings,
    observer: Arc<dyn Observer>,
    tracer: Arc<dyn Tracer>,
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
            tracer: Arc::new(NoopTracer),
        }
    }

    /// Reports the published orders to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Records the spans of traced orders with `tracer`.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Claims one batch, publishes it, removes the entries that were confirmed and releases the rest.
    ///
    /// A crash between the confirm and the removal publishes an order twice; settlement ignores the duplicate. The same
    /// happens if a crash undoes the claim or the removal, so neither waits for the disk.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn run_once(&self) -> Result<Relayed, RelayError> {
        let started = self.clock.now();
        let (work, claimed) = retry::on_conflict(&self.clock, || self.claim()).await?;
        if claimed.is_empty() {
            work.commit().await?;
            return Ok(Relayed::default());
        }
        let mut orders: Vec<QueuedOrder> = claimed
            .iter()
            .flat_map(|entry| entry.orders.iter().cloned())
            .collect();
        let mut traced = self.traced(&mut orders);
        let mut trace = (!traced.is_empty())
            .then(|| StageTrace::since(&*self.tracer, &*self.clock, PUBLISH, started));
        end_step(&mut trace, "claim outbox entries", SpanKind::Store);
        // The claim only keeps other relays from publishing the same entries: publishing need not wait for its commit, and
        // entries whose claim was lost are published again.
        let (committed, published) = join(work.commit(), self.queue.publish(&orders)).await;
        let confirmed: HashSet<OrderId> = match &published {
            Ok(ids) => ids.iter().copied().collect(),
            Err(_) => HashSet::new(),
        };
        if let Some(mut trace) = trace {
            trace.end_step("publish and confirm", SpanKind::Internal);
            traced.retain(|order| confirmed.contains(&order.id));
            trace.record(orders.len(), &traced);
        }
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
        // After a conflict nothing is left to repeat: the entries were published and removed without their claim.
        if let Err(error) = committed
            && !error.is_conflict()
        {
            return Err(error.into());
        }
        if unconfirmed == 0 {
            let may_have_more = u32::try_from(claimed.len()) == Ok(self.settings.batch);
            Ok(Relayed {
                orders: orders.len(),
                may_have_more,
            })
        } else {
            Err(RelayError::Unconfirmed(unconfirmed))
        }
    }

    /// Claims one batch. The claim holds after the commit of the returned unit of work; until then its locks keep other
    /// relays away.
    async fn claim(&self) -> Result<(Box<dyn UnitOfWork>, Vec<OutboxEntry>), StoreError> {
        let mut work = self.store.begin_relaxed().await?;
        let claimed = work.claim(self.settings.batch, self.settings.lease).await?;
        Ok((work, claimed))
    }

    /// Returns the traced orders, and gives each the span under which it is published.
    fn traced(&self, orders: &mut [QueuedOrder]) -> Vec<TracedOrder> {
        let mut traced = Vec::new();
        for order in orders {
            if let Some(parent) = order.trace {
                let published = TracedOrder::new(&*self.tracer, order.order_id, parent);
                order.trace = Some(published.context);
                traced.push(published);
            }
        }
        traced
    }

    async fn finish(
        &self,
        removable: &[OutboxId],
        retained: &[OutboxId],
    ) -> Result<(), StoreError> {
        let mut work = self.store.begin_relaxed().await?;
        if !removable.is_empty() {
            work.remove(removable).await?;
        }
        if !retained.is_empty() {
            work.release(retained).await?;
        }
        work.commit().await
    }
}
