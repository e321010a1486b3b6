//! Putting orders back that were lost on their way, and forgetting old keys.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::RelayError;
use crate::ports::{Clock, OrderQueue, OutboxNotifier, RequeueLimits, Store, StoreError};
use crate::retry;

/// Keys forgotten in one transaction, so that it stays short.
const KEYS_AT_A_TIME: u32 = 5_000;

/// Transactions of that size in one sweep, so that a sweep ends.
const KEY_ROUNDS: u32 = 100;

/// How the sweeper works.
#[derive(Debug, Clone, Copy)]
pub struct SweeperSettings {
    /// An order that is `PENDING` for longer is put back into the outbox.
    pub pending_for: Duration,
    /// It is not while this many messages wait: then the order most likely is among them.
    pub max_queue_depth: u64,
    /// How long idempotency keys are kept.
    pub keep_keys: Duration,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Orders put back into the outbox.
    pub requeued: u64,
    /// Keys forgotten.
    pub keys_forgotten: u64,
}

/// Sweeps.
#[derive(Clone)]
pub struct Sweeper {
    store: Arc<dyn Store>,
    queue: Arc<dyn OrderQueue>,
    notifier: Arc<dyn OutboxNotifier>,
    clock: Arc<dyn Clock>,
    settings: SweeperSettings,
}

impl Sweeper {
    /// Wires the use case.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        queue: Arc<dyn OrderQueue>,
        notifier: Arc<dyn OutboxNotifier>,
        clock: Arc<dyn Clock>,
        settings: SweeperSettings,
    ) -> Self {
        Self {
            store,
            queue,
            notifier,
            clock,
            settings,
        }
    }

    /// One sweep. Without the queue's depth, that is while the broker is away, nothing is put back: the outbox holds
    /// what could not be published anyway. Each half is done whatever becomes of the other.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn sweep(&self) -> Result<Swept, RelayError> {
        let keys_forgotten = self.forget_all_keys().await;
        let requeued = self.requeue_lost().await;
        Ok(Swept {
            requeued: requeued?,
            keys_forgotten: keys_forgotten?,
        })
    }

    async fn requeue_lost(&self) -> Result<u64, RelayError> {
        let depth = self.queue.depth().await?;
        let room = self.settings.max_queue_depth.saturating_sub(depth);
        let limits = RequeueLimits {
            pending_for: self.settings.pending_for,
            limit: u32::try_from(room).unwrap_or(u32::MAX),
        };
        let requeued = retry::on_conflict(&self.clock, || self.requeue(limits)).await?;
        if requeued > 0 {
            warn!(
                requeued,
                "orders stayed PENDING too long and go through the queue again"
            );
            self.notifier.notify();
        }
        Ok(requeued)
    }

    async fn requeue(&self, limits: RequeueLimits) -> Result<u64, StoreError> {
        if limits.limit == 0 {
            return Ok(0);
        }
        let mut work = self.store.begin().await?;
        let requeued = work.requeue_overdue(limits).await?;
        work.commit().await?;
        Ok(requeued)
    }

    async fn forget_all_keys(&self) -> Result<u64, StoreError> {
        let mut total = 0;
        for _ in 0..KEY_ROUNDS {
            let forgotten = retry::on_conflict(&self.clock, || self.forget_keys()).await?;
            total += forgotten;
            if forgotten < u64::from(KEYS_AT_A_TIME) {
                break;
            }
        }
        Ok(total)
    }

    async fn forget_keys(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let before = work.store_time().await?.minus(self.settings.keep_keys);
        let forgotten = work.forget_keys(before, KEYS_AT_A_TIME).await?;
        work.commit().await?;
        Ok(forgotten)
    }
}
