//! Putting orders back that were lost on their way, and forgetting old keys and changes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::RelayError;
use crate::ports::{Clock, Notifier, OrderQueue, RequeueLimits, Store, StoreError, Topic};
use crate::retry;

/// Keys forgotten in one transaction, so that it stays short.
const KEYS_AT_A_TIME: u32 = 5_000;

/// Entries of the change log forgotten in one transaction; each may name many orders and products.
const CHANGES_AT_A_TIME: u32 = 1_000;

/// Transactions of that size in one sweep, so that a sweep ends.
const ROUNDS: u32 = 100;

/// Dead letters of settled orders removed in one transaction.
const DEAD_LETTERS_AT_A_TIME: u32 = 1_000;

/// Dead messages that the queue keeps; beyond them the oldest are removed.
pub const MAX_DEAD_MESSAGES: u64 = 10_000;

/// Orders put back in one transaction when all of them are.
const ORDERS_AT_A_TIME: u32 = 1_000;

/// How the sweeper works.
#[derive(Debug, Clone, Copy)]
pub struct SweeperSettings {
    /// An order that is `PENDING` for longer is put back into the outbox.
    pub pending_for: Duration,
    /// It is not while this many messages wait: then the order most likely is among them.
    pub max_queue_depth: u64,
    /// How long idempotency keys are kept.
    pub key_retention: Duration,
    /// How long entries of the change log are kept.
    pub change_log_retention: Duration,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Orders put back into the outbox.
    pub requeued: u64,
    /// Keys forgotten.
    pub keys_forgotten: u64,
    /// Entries of the change log forgotten.
    pub changes_forgotten: u64,
    /// Dead letters removed whose orders are settled.
    pub dead_letters_pruned: u64,
}

/// Sweeps.
#[derive(Clone)]
pub struct Sweeper {
    store: Arc<dyn Store>,
    queue: Arc<dyn OrderQueue>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    settings: SweeperSettings,
}

impl Sweeper {
    /// Wires the use case.
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

    /// One sweep. Without the queue's depth, that is while the broker is away, nothing is put back: the outbox holds
    /// what could not be published anyway. Each part is done whatever becomes of the others.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn sweep(&self) -> Result<Swept, RelayError> {
        let keys_forgotten = self.forget_all(KEYS_AT_A_TIME, || self.prune_keys()).await;
        let changes_forgotten = self
            .forget_all(CHANGES_AT_A_TIME, || self.prune_changes())
            .await;
        let dead_letters_pruned = self
            .forget_all(DEAD_LETTERS_AT_A_TIME, || self.prune_dead_letters())
            .await;
        let requeued = self.requeue_lost().await;
        Ok(Swept {
            requeued: requeued?,
            keys_forgotten: keys_forgotten?,
            changes_forgotten: changes_forgotten?,
            dead_letters_pruned: dead_letters_pruned?,
        })
    }

    async fn requeue_lost(&self) -> Result<u64, RelayError> {
        let backlog = self.queue.backlog().await?;
        if backlog.dead > MAX_DEAD_MESSAGES {
            self.prune_dead_messages().await;
        }
        let room = self
            .settings
            .max_queue_depth
            .saturating_sub(backlog.waiting);
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
            Err(error) => warn!(%error, "too many dead messages, and none can be removed now"),
        }
    }

    /// Puts every order that is `PENDING` and not in the outbox back into it, and returns how many. For a queue that died
    /// with the process that held it: nothing is on its way then, so nothing needs to be waited for. It MUST be done before
    /// a relay runs on the new queue, which would otherwise hand over what is put back, and put it back again.
    ///
    /// # Errors
    /// [`StoreError`]; what was put back before stays so.
    pub async fn requeue_all(&self) -> Result<u64, StoreError> {
        let limits = RequeueLimits {
            pending_for: Duration::ZERO,
            limit: ORDERS_AT_A_TIME,
        };
        let mut total = 0;
        loop {
            let requeued = retry::on_conflict(&self.clock, || self.requeue(limits)).await?;
            total += requeued;
            if requeued < u64::from(ORDERS_AT_A_TIME) {
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

    /// Forgets in transactions of at most so many, until one finds fewer.
    async fn forget_all<F>(
        &self,
        at_a_time: u32,
        mut forget: impl FnMut() -> F,
    ) -> Result<u64, StoreError>
    where
        F: Future<Output = Result<u64, StoreError>>,
    {
        let mut total = 0;
        for _ in 0..ROUNDS {
            let forgotten = retry::on_conflict(&self.clock, &mut forget).await?;
            total += forgotten;
            if forgotten < u64::from(at_a_time) {
                break;
            }
        }
        Ok(total)
    }

    async fn prune_keys(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let before = work.store_time().await?.minus(self.settings.key_retention);
        let forgotten = work.prune_keys(before, KEYS_AT_A_TIME).await?;
        work.commit().await?;
        Ok(forgotten)
    }

    async fn prune_dead_letters(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let pruned = work.prune_dead_letters(DEAD_LETTERS_AT_A_TIME).await?;
        work.commit().await?;
        Ok(pruned)
    }

    async fn prune_changes(&self) -> Result<u64, StoreError> {
        let mut work = self.store.begin().await?;
        let before = work
            .store_time()
            .await?
            .minus(self.settings.change_log_retention);
        let forgotten = work.prune_changes(before, CHANGES_AT_A_TIME).await?;
        work.commit().await?;
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::ports::{
        MockClock, MockNotifier, MockOrderQueue, MockStore, MockUnitOfWork, UnitOfWork,
    };

    /// What one transaction answers, and whether it is committed.
    type Answer = (Result<u64, StoreError>, bool);

    /// A sweeper whose store has as many transactions as there are answers, and whose relays are woken so often.
    fn sweeper(answers: Vec<Answer>, wakings: usize) -> Sweeper {
        let works = Mutex::new(answers.into_iter());
        let mut store = MockStore::new();
        store.expect_begin().returning(move || {
            let (answer, commits) = works.lock().unwrap().next().expect("one more transaction");
            let mut work = MockUnitOfWork::new();
            let all = RequeueLimits {
                pending_for: Duration::ZERO,
                limit: ORDERS_AT_A_TIME,
            };
            work.expect_requeue_overdue()
                .withf(move |limits| *limits == all)
                .return_once(move |_| answer);
            let commits = usize::from(commits);
            work.expect_commit().times(commits).returning(|| Ok(()));
            Ok(Box::new(work) as Box<dyn UnitOfWork>)
        });
        let mut notifier = MockNotifier::new();
        notifier.expect_notify().times(wakings).return_const(());
        let mut clock = MockClock::new();
        clock.expect_sleep().returning(|_| ());
        Sweeper::new(
            Arc::new(store),
            // It is never asked: how deep a queue is says nothing about what a lost one held.
            Arc::new(MockOrderQueue::new()),
            Arc::new(notifier),
            Arc::new(clock),
            SweeperSettings {
                pending_for: Duration::from_mins(1),
                max_queue_depth: 1,
                key_retention: Duration::from_hours(24),
                change_log_retention: Duration::from_hours(1),
            },
        )
    }

    #[tokio::test]
    async fn everything_is_put_back_in_transactions_of_bounded_size() {
        let full = u64::from(ORDERS_AT_A_TIME);
        let answers = vec![(Ok(full), true), (Ok(full), true), (Ok(7), true)];
        assert_eq!(
            sweeper(answers, 1).requeue_all().await.unwrap(),
            2 * full + 7
        );
    }

    #[tokio::test]
    async fn with_nothing_to_put_back_nobody_is_woken() {
        assert_eq!(
            sweeper(vec![(Ok(0), true)], 0).requeue_all().await.unwrap(),
            0
        );
    }

    #[tokio::test]
    async fn a_conflict_is_repeated_and_a_failure_ends_it() {
        let conflict = || Err(StoreError::Conflict("busy".to_owned()));
        let answers = vec![(conflict(), false), (Ok(3), true)];
        assert_eq!(sweeper(answers, 1).requeue_all().await.unwrap(), 3);

        let away = Err(StoreError::Unavailable("away".to_owned()));
        let answers = vec![(Ok(u64::from(ORDERS_AT_A_TIME)), true), (away, false)];
        let failed = sweeper(answers, 0).requeue_all().await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))));
    }
}
