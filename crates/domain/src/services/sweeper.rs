//! The sweeper: requeues orders that were lost between outbox and settlement, and prunes old keys, changes, dead letters and
//! runs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::RelayError;
use crate::ports::{Clock, Notifier, OrderQueue, RequeueLimits, Store, StoreError, Topic};
use crate::retry;

/// Number of keys pruned in one transaction, so that it stays short.
const KEYS_PER_TRANSACTION: u32 = 5_000;

/// Number of change log entries pruned in one transaction; each may contain many orders and products.
const CHANGES_PER_TRANSACTION: u32 = 1_000;

/// Number of runs pruned in one transaction.
const RUNS_PER_TRANSACTION: u32 = 1_000;

/// Maximum number of such transactions in one sweep, so that a sweep ends.
const MAX_TRANSACTIONS: u32 = 100;

/// Number of dead letters of settled orders pruned in one transaction.
const DEAD_LETTERS_PER_TRANSACTION: u32 = 1_000;

/// Number of dead messages that the queue keeps; the oldest beyond it are removed.
pub const MAX_DEAD_MESSAGES: u64 = 10_000;

/// Number of orders requeued in one transaction by [`Sweeper::requeue_all`].
const ORDERS_PER_TRANSACTION: u32 = 1_000;

/// Settings of the sweeper.
#[derive(Debug, Clone, Copy)]
pub struct SweeperSettings {
    /// An order that is `PENDING` for longer is requeued.
    pub pending_for: Duration,
    /// Orders are not requeued while the queue holds this number of messages: the orders are most likely among them.
    pub max_queue_depth: u64,
    /// The time for which idempotency keys are kept.
    pub key_retention: Duration,
    /// The time for which change log entries are kept.
    pub change_log_retention: Duration,
    /// Number of runs of each vendor that are kept, at least 1.
    pub max_runs: u32,
}

/// The result of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Number of requeued orders.
    pub requeued: u64,
    /// Number of pruned keys.
    pub keys_pruned: u64,
    /// Number of pruned change log entries.
    pub changes_pruned: u64,
    /// Number of pruned dead letters whose orders are settled.
    pub dead_letters_pruned: u64,
    /// Number of pruned runs.
    pub runs_pruned: u64,
}

/// Requeues lost orders and prunes old rows.
#[derive(Clone)]
pub struct Sweeper {
    store: Arc<dyn Store>,
    queue: Arc<dyn OrderQueue>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    settings: SweeperSettings,
}

impl Sweeper {
    /// Creates the use case.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        queue: Arc<dyn OrderQueue>,
        notifier: Arc<dyn Notifier>,
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

    /// Runs one sweep. If the queue's depth is not known, that is while the broker is unavailable, no order is requeued: the
    /// outbox still contains the orders that could not be published. A failure of one part does not prevent the others.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn sweep(&self) -> Result<Swept, RelayError> {
        let keys_pruned = self
            .prune_all(KEYS_PER_TRANSACTION, || self.prune_keys())
            .await;
        let changes_pruned = self
            .prune_all(CHANGES_PER_TRANSACTION, || self.prune_changes())
            .await;
        let dead_letters_pruned = self
            .prune_all(DEAD_LETTERS_PER_TRANSACTION, || self.prune_dead_letters())
            .await;
        let runs_pruned = self
            .prune_all(RUNS_PER_TRANSACTION, || self.prune_runs())
            .await;
        let requeued = self.requeue_lost().await;
        Ok(Swept {
            requeued: requeued?,
            keys_pruned: keys_pruned?,
            changes_pruned: changes_pruned?,
            dead_letters_pruned: dead_letters_pruned?,
            runs_pruned: runs_pruned?,
        })
    }

    async fn requeue_lost(&self) -> Result<u64, RelayError> {
        let backlog = self.queue.backlog().await?;
        if backlog.dead > MAX_DEAD_MESSAGES {
            self.prune_dead_messages().await;
        }
        let capacity = self
            .settings
            .max_queue_depth
            .saturating_sub(backlog.waiting);
        let limits = RequeueLimits {
            pending_for: self.settings.pending_for,
            limit: u32::try_from(capacity).unwrap_or(u32::MAX),
        };
        let requeued = retry::on_conflict(&self.clock, || self.requeue(limits)).await?;
        if requeued > 0 {
            warn!(requeued, "orders stayed PENDING too long and were requeued");
            self.notifier.notify(Topic::Outbox);
        }
        Ok(requeued)
    }

    async fn prune_dead_messages(&self) {
        match self.queue.prune_dead_messages(MAX_DEAD_MESSAGES).await {
            Ok(pruned) => warn!(
                pruned,
                kept = MAX_DEAD_MESSAGES,
                "too many dead messages; the oldest were removed"
            ),
            Err(error) => warn!(%error, "too many dead messages; removing the oldest failed"),
        }
    }

    /// Requeues every order that is `PENDING` and not in the outbox, and returns their number. For a queue that died with
    /// the process that held it: no message is in progress then, so the sweep need not wait. It MUST be called before a
    /// relay runs on the new queue: otherwise the relay would publish the requeued orders, and they would be requeued again.
    ///
    /// # Errors
    /// [`StoreError`]; orders that were requeued before the error stay requeued.
    pub async fn requeue_all(&self) -> Result<u64, StoreError> {
        let limits = RequeueLimits {
            pending_for: Duration::ZERO,
            limit: ORDERS_PER_TRANSACTION,
        };
        let mut total = 0;
        loop {
            let requeued = retry::on_conflict(&self.clock, || self.requeue(limits)).await?;
            total += requeued;
            if requeued < u64::from(ORDERS_PER_TRANSACTION) {
                break;
            }
        }
        if total > 0 {
            self.notifier.notify(Topic::Outbox);
        }
        Ok(total)
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

    /// Calls `prune` until it removes fewer rows than `limit`, at most [`MAX_TRANSACTIONS`] times.
    async fn prune_all<F>(
        &self,
        limit: u32,
        mut prune: impl FnMut() -> F,
    ) -> Result<u64, StoreError>
    where
        F: Future<Output = Result<u64, StoreError>>,
    {
        let mut total = 0;
        for _ in 0..MAX_TRANSACTIONS {
            let pruned = retry::on_conflict(&self.clock, &mut prune).await?;
            total += pruned;
            if pruned < u64::from(limit) {
                break;
            }
        }
        Ok(total)
    }

    async fn prune_keys(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let before = work.store_time().await?.minus(self.settings.key_retention);
        let pruned = work.prune_keys(before, KEYS_PER_TRANSACTION).await?;
        work.commit().await?;
        Ok(pruned)
    }

    async fn prune_dead_letters(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let pruned = work
            .prune_dead_letters(DEAD_LETTERS_PER_TRANSACTION)
            .await?;
        work.commit().await?;
        Ok(pruned)
    }

    async fn prune_runs(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let pruned = work
            .prune_runs(self.settings.max_runs, RUNS_PER_TRANSACTION)
            .await?;
        work.commit().await?;
        Ok(pruned)
    }

    async fn prune_changes(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let before = work
            .store_time()
            .await?
            .minus(self.settings.change_log_retention);
        let pruned = work.prune_changes(before, CHANGES_PER_TRANSACTION).await?;
        work.commit().await?;
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{MockNotifier, MockOrderQueue, MockUnitOfWork};
    use crate::services::scripted::{clock, store};

    /// The result of requeueing in one transaction, and whether it is committed.
    type TransactionResult = (Result<u64, StoreError>, bool);

    /// A sweeper whose store has one transaction per result, and whose relays are notified `notifications` times.
    fn sweeper(results: Vec<TransactionResult>, notifications: usize) -> Sweeper {
        let works = results.into_iter().map(|(result, commits)| {
            let mut work = MockUnitOfWork::new();
            let all = RequeueLimits {
                pending_for: Duration::ZERO,
                limit: ORDERS_PER_TRANSACTION,
            };
            work.expect_requeue_overdue()
                .withf(move |limits| *limits == all)
                .return_once(move |_| result);
            let commits = usize::from(commits);
            work.expect_commit().times(commits).returning(|| Ok(()));
            work
        });
        let mut notifier = MockNotifier::new();
        notifier
            .expect_notify()
            .times(notifications)
            .return_const(());
        Sweeper::new(
            store(works.collect()),
            // The queue is never queried: its depth does not matter for a lost queue.
            Arc::new(MockOrderQueue::new()),
            Arc::new(notifier),
            clock(),
            SweeperSettings {
                pending_for: Duration::from_mins(1),
                max_queue_depth: 1,
                key_retention: Duration::from_hours(24),
                change_log_retention: Duration::from_hours(1),
                max_runs: 1_000,
            },
        )
    }

    #[tokio::test]
    async fn all_orders_are_requeued_in_transactions_of_bounded_size() {
        let full = u64::from(ORDERS_PER_TRANSACTION);
        let results = vec![(Ok(full), true), (Ok(full), true), (Ok(7), true)];
        assert_eq!(
            sweeper(results, 1).requeue_all().await.unwrap(),
            2 * full + 7
        );
    }

    #[tokio::test]
    async fn relays_are_not_notified_without_requeued_orders() {
        assert_eq!(
            sweeper(vec![(Ok(0), true)], 0).requeue_all().await.unwrap(),
            0
        );
    }

    #[tokio::test]
    async fn requeueing_retries_conflicts_and_ends_at_other_failures() {
        let conflict = || Err(StoreError::Conflict("busy".to_owned()));
        let results = vec![(conflict(), false), (Ok(3), true)];
        assert_eq!(sweeper(results, 1).requeue_all().await.unwrap(), 3);

        let unavailable = Err(StoreError::Unavailable("connection refused".to_owned()));
        let results = vec![
            (Ok(u64::from(ORDERS_PER_TRANSACTION)), true),
            (unavailable, false),
        ];
        let failed = sweeper(results, 0).requeue_all().await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))));
    }
}
