//! Settling a batch from the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use tracing::{error, info};

use crate::allocation::AllocationPolicy;
use crate::identifiers::{OrderId, ProductId, VendorId};
use crate::ports::{
    Clock, Notifier, Observer, OrderQueue, QueueError, Store, StoreError, StoreProbe, Topic,
    Unannounced, Unobserved,
};
use crate::retry::{self, AsStoreError};
use crate::settlement::{Outcome, PolicyViolation, SettledBatch, settle};

/// Why a batch was not settled. It is unchanged.
#[derive(Debug, Error)]
pub enum SettleError {
    /// Some vendor was never tried: deciding now would reject what is about to be known.
    #[error("not every vendor was tried yet")]
    TooEarly,
    /// The allocation policy broke its contract.
    #[error(transparent)]
    Policy(#[from] PolicyViolation),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An order that can never be settled could not be put aside.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl SettleError {
    /// Whether the same batch may be settled later with no other change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TooEarly | Self::Queue(_) => true,
            Self::Policy(_) => false,
            Self::Store(error) => error.is_retryable(),
        }
    }
}

impl AsStoreError for SettleError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Settles orders.
pub struct SettleOrders {
    store: Arc<dyn Store>,
    probe: Arc<dyn StoreProbe>,
    queue: Arc<dyn OrderQueue>,
    clock: Arc<dyn Clock>,
    policy: AllocationPolicy,
    vendor_ids: Vec<VendorId>,
    open: AtomicBool,
    observer: Arc<dyn Observer>,
    notifier: Arc<dyn Notifier>,
}

impl SettleOrders {
    /// Wires the use case. `vendor_ids` are the configured vendors.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        probe: Arc<dyn StoreProbe>,
        queue: Arc<dyn OrderQueue>,
        clock: Arc<dyn Clock>,
        policy: AllocationPolicy,
        vendor_ids: Vec<VendorId>,
    ) -> Self {
        Self {
            store,
            probe,
            queue,
            clock,
            policy,
            vendor_ids,
            open: AtomicBool::new(false),
            observer: Arc::new(Unobserved),
            notifier: Arc::new(Unannounced),
        }
    }

    /// Tells somebody what is settled.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Wakes those who wait for orders to be settled.
    #[must_use]
    pub fn announced_by(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = notifier;
        self
    }

    /// Settles those of the orders that are still `PENDING`, in one transaction. When it fails in a way that a retry
    /// does not cure, the batch is halved until the culprits are alone, they are put aside in the dead-letter queue, and
    /// their neighbours are settled. After `Ok` every delivery of the batch can be acknowledged.
    ///
    /// # Errors
    /// A [`SettleError`] that is retryable: settle the same batch again later. What was settled before stays settled.
    pub async fn settle(&self, order_ids: &[OrderId]) -> Result<(), SettleError> {
        self.check_open().await?;
        let mut parts = vec![order_ids];
        while let Some(part) = parts.pop() {
            let started = self.clock.now();
            let outcome = retry::on_conflict(&self.clock, || self.settle_in_one(part)).await;
            match outcome {
                Ok(batch) if batch.orders.is_empty() => {}
                Ok(batch) => {
                    self.notifier.notify(Topic::Changes);
                    self.observer
                        .settled(&batch, self.clock.now().since(started));
                    log(&batch);
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) if part.len() <= 1 => {
                    let order_id = part.first().map(|id| id.0);
                    error!(order.id = order_id, %error, "order cannot be settled and is put aside");
                    self.queue.dead_letter(part, &error.to_string()).await?;
                    self.observer.put_aside(part.len());
                }
                Err(_) => {
                    let (older, newer) = part.split_at(part.len() / 2);
                    parts.push(newer);
                    parts.push(older);
                }
            }
        }
        Ok(())
    }

    async fn settle_in_one(&self, order_ids: &[OrderId]) -> Result<SettledBatch, SettleError> {
        let mut work = self.store.begin().await?;
        let pending = work.lock_pending(order_ids).await?;
        if pending.is_empty() {
            return Ok(SettledBatch::default());
        }
        let mut product_ids: Vec<ProductId> = pending
            .iter()
            .map(|order| order.request.product_id.clone())
            .collect();
        product_ids.sort_unstable();
        product_ids.dedup();
        let stock = work.lock_stock(&product_ids).await?;
        let batch = settle(pending, stock, self.policy)?;
        work.save_settled(&batch.orders).await?;
        if !batch.stock.is_empty() {
            work.save_stock(&batch.stock).await?;
        }
        work.commit().await?;
        Ok(batch)
    }

    /// A vendor that was tried once stays tried, so once open it stays open.
    async fn check_open(&self) -> Result<(), SettleError> {
        if self.open.load(Ordering::Relaxed) {
            return Ok(());
        }
        let open = self.probe.were_tried(&self.vendor_ids).await?;
        self.open.store(open, Ordering::Relaxed);
        if open {
            Ok(())
        } else {
            Err(SettleError::TooEarly)
        }
    }
}

fn log(batch: &SettledBatch) {
    let confirmed = batch
        .orders
        .iter()
        .filter(|order| matches!(order.outcome, Outcome::Confirmed(_)))
        .count();
    info!(
        confirmed,
        rejected = batch.orders.len() - confirmed,
        first.order.id = batch.orders.first().map(|order| order.id.0),
        last.order.id = batch.orders.last().map(|order| order.id.0),
        "settled"
    );
}
