//! Readiness of a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{OrderQueue, QueueError, StoreError, StoreProbe};
use readiness::{
    Cached, DEPENDENCY_CACHE_TTL, DeadLetters, Dependencies, Dependency, DependencyState, Queues,
    Readiness, ReadinessProbe, SEE_LOG, Task, TaskHealth, TaskState,
};
use tokio::time::timeout;
use tracing::warn;

use crate::consumer_state::ConsumerState;
use crate::monitor::LastBacklog;
use crate::supervisor::Supervisor;

/// A dependency that does not respond within this duration is down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

const TIMED_OUT: &str = "no response in time";

/// Maximum number of dead letters that are counted.
const MAX_DEAD_LETTERS: u32 = 100_000;

/// The state of the store and the queue, as read once.
#[derive(Clone)]
struct Snapshot {
    dependencies: Dependencies,
    outbox_lag: Option<Duration>,
    dead_orders: Option<u64>,
}

/// The inputs of a worker's readiness. Clones share the cached snapshot.
#[derive(Clone)]
pub struct Health {
    probe: Arc<dyn StoreProbe>,
    /// `None` if the queue is in this process and therefore always available. While it is full, orders stay in the outbox,
    /// whose lag is reported.
    queue: Option<Arc<dyn OrderQueue>>,
    supervisor: Supervisor,
    /// The consumers, by the names of their tasks.
    pub consumers: BTreeMap<String, ConsumerState>,
    /// The other tasks whose outcomes are recorded.
    tasks: Vec<TaskHealth>,
    snapshot: Arc<Cached<Snapshot>>,
    backlog: LastBacklog,
}

impl Health {
    /// Creates the health of a worker on this store and this queue, without tasks.
    #[must_use]
    pub fn new(
        probe: Arc<dyn StoreProbe>,
        queue: Arc<dyn OrderQueue>,
        supervisor: Supervisor,
    ) -> Self {
        Self {
            probe,
            queue: Some(queue),
            supervisor,
            consumers: BTreeMap::new(),
            tasks: Vec::new(),
            snapshot: Arc::new(Cached::new(DEPENDENCY_CACHE_TTL)),
            backlog: LastBacklog::default(),
        }
    }

    /// Sets the queue to be in this process; it is not probed.
    #[must_use]
    pub fn with_queue_in_process(mut self) -> Self {
        self.queue = None;
        self
    }

    /// Reports the last count of the queue's messages.
    #[must_use]
    pub fn with_backlog(mut self, backlog: LastBacklog) -> Self {
        self.backlog = backlog;
        self
    }

    /// Includes a task, supervised or not, in readiness.
    pub fn watch(&mut self, task: TaskHealth) {
        self.tasks.push(task);
    }

    async fn read_snapshot(&self) -> Snapshot {
        let counting = self.probe.count_dead_letters(MAX_DEAD_LETTERS);
        let (lag, dead_orders, broker) = tokio::join!(
            timeout(PROBE_TIMEOUT, self.probe.outbox_lag()),
            timeout(PROBE_TIMEOUT, counting),
            self.probe_queue(),
        );
        let lag = lag.unwrap_or_else(|_| Err(StoreError::Unavailable(TIMED_OUT.to_owned())));
        let database = match &lag {
            Ok(_) => Dependency::up(),
            Err(error) => {
                warn!(%error, "not ready: the store cannot be read");
                Dependency::down(error.into())
            }
        };
        Snapshot {
            dependencies: Dependencies { database, broker },
            outbox_lag: lag.ok().map(|lag| lag.oldest.unwrap_or_default()),
            dead_orders: dead_orders.ok().and_then(Result::ok),
        }
    }

    async fn probe_queue(&self) -> Dependency {
        let Some(queue) = &self.queue else {
            return Dependency {
                state: DependencyState::InProcess,
                detail: None,
            };
        };
        let probed = timeout(PROBE_TIMEOUT, queue.probe()).await;
        match probed.unwrap_or_else(|_| Err(QueueError::Unavailable(TIMED_OUT.to_owned()))) {
            Ok(()) => Dependency::up(),
            Err(error) => {
                warn!(%error, "not ready: the queue cannot be used");
                Dependency::down((&error).into())
            }
        }
    }

    fn tasks(&self) -> BTreeMap<String, Task> {
        let watched = self.tasks.iter();
        let watched = watched.map(|task| (task.name().to_owned(), Task::from_health(task)));
        let consumers = self.consumers.iter();
        let consumers = consumers.map(|(name, consumer)| (name.clone(), consumer.task()));
        let mut tasks: BTreeMap<String, Task> = watched.chain(consumers).collect();
        for (name, run) in self.supervisor.states() {
            let task = tasks.entry(name).or_insert_with(Task::running);
            if !run.running {
                task.state = TaskState::Restarting;
                task.detail = None;
            }
            task.restarts = run.restarts;
            task.last_error = run.last_error.map(|_| SEE_LOG);
        }
        tasks
    }
}

#[async_trait]
impl ReadinessProbe for Health {
    async fn readiness(&self) -> Readiness {
        let snapshot = self.snapshot.get(self.read_snapshot()).await;
        let backlog = self.backlog.get();
        Readiness {
            closed: self.supervisor.is_stopping().then_some("shutting down"),
            dependencies: snapshot.dependencies,
            outbox_lag: snapshot.outbox_lag,
            change_feed: None,
            dead_letters: DeadLetters {
                orders: snapshot.dead_orders,
                messages: backlog.map(|backlog| backlog.dead),
            },
            queues: backlog.map(|backlog| Queues {
                waiting: backlog.waiting,
                surplus: backlog.surplus,
            }),
            tasks: Some(self.tasks()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::{MockConsumerProbe, MockOrderQueue, MockStoreProbe, OutboxLag, QueueError};
    use readiness::Cause;
    use serde_json::{Value, json};
    use tokio::time::sleep;

    use super::*;

    /// A worker with one task, which is a consumer.
    struct Worker {
        health: Health,
        state: ConsumerState,
    }

    fn store(lag: fn() -> Result<OutboxLag, StoreError>) -> Arc<dyn StoreProbe> {
        let mut probe = MockStoreProbe::new();
        probe.expect_outbox_lag().returning(lag);
        probe.expect_count_dead_letters().returning(|_| Ok(4));
        Arc::new(probe)
    }

    fn queue(probe: Result<(), QueueError>) -> Arc<dyn OrderQueue> {
        let mut queue = MockOrderQueue::new();
        queue.expect_probe().returning(move || probe.clone());
        Arc::new(queue)
    }

    fn refused() -> Result<(), QueueError> {
        Err(QueueError::Unavailable("refused".to_owned()))
    }

    /// A worker that is ready, except that the probe of the consumer's connection returns `connection`.
    fn worker(connection: Result<(), QueueError>) -> Worker {
        let supervisor = Supervisor::default();
        supervisor.supervise("consumer-1", (), |(), stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        let mut probe = MockConsumerProbe::new();
        probe.expect_probe().returning(move || connection.clone());
        let state = ConsumerState::new("consumer-1");
        state.begin(Arc::new(probe));
        let lag = || {
            Ok(OutboxLag {
                oldest: Some(Duration::from_millis(1_500)),
            })
        };
        let mut health = Health::new(store(lag), queue(Ok(())), supervisor);
        health.consumers = BTreeMap::from([("consumer-1".to_owned(), state.clone())]);
        Worker { health, state }
    }

    async fn body(health: &Health) -> Value {
        serde_json::to_value(health.readiness().await).unwrap()
    }

    #[tokio::test]
    async fn ready_if_everything_works() {
        assert_eq!(
            body(&worker(Ok(())).health).await,
            json!({
                "status": "ready",
                "dependencies": {"database": {"state": "up"}, "broker": {"state": "up"}},
                "outbox": {"lag_ms": 1_500},
                "dead_letters": {"orders": 4, "messages": null},
                "tasks": {
                    "consumer-1": {"state": "running", "restarts": 0, "last_error": null},
                },
            })
        );
    }

    #[tokio::test]
    async fn not_ready_without_the_database_or_the_broker() {
        let mut health = worker(Ok(())).health;
        health.probe = store(|| Err(StoreError::Unavailable("no route".to_owned())));
        health.queue = Some(queue(refused()));
        let body = body(&health).await;
        assert_eq!(body["status"], "not_ready");
        assert_eq!(body["outbox"], json!({"lag_ms": null}));
        let down = |cause: Cause| json!({"state": "down", "detail": cause.text()});
        assert_eq!(
            body["dependencies"],
            json!({
                "database": down(Cause::StoreUnavailable),
                "broker": down(Cause::QueueUnavailable),
            })
        );
    }

    #[tokio::test]
    async fn ready_while_the_in_process_queue_is_full() {
        let mut health = worker(Ok(())).health;
        health.queue = Some(queue(Err(QueueError::Unavailable("full".to_owned()))));
        let body = body(&health.with_queue_in_process()).await;
        assert_eq!(body["status"], "ready");
        let broker = &body["dependencies"]["broker"];
        assert_eq!(*broker, json!({"state": "in_process"}));
        assert_eq!(body["outbox"], json!({"lag_ms": 1_500}));
    }

    #[tokio::test(start_paused = true)]
    async fn restarting_task_is_reported_without_its_error() {
        let health = worker(Ok(())).health;
        let fail = |(), _| async { Err("secret path".to_owned()) };
        health.supervisor.supervise("flaky", (), fail);
        sleep(Duration::from_millis(1)).await;
        let body = body(&health).await;
        assert_eq!(body["status"], "not_ready");
        let flaky = &body["tasks"]["flaky"];
        assert_eq!(flaky["state"], "restarting");
        assert_eq!(flaky["last_error"], SEE_LOG);
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn not_ready_while_a_consumer_is_not_connected() {
        let body = body(&worker(refused()).health).await;
        assert_eq!(body["status"], "not_ready");
        let task = &body["tasks"]["consumer-1"];
        assert_eq!(task["state"], "disconnected");
        assert_eq!(task["detail"], Cause::QueueUnavailable.text());
    }

    #[tokio::test(start_paused = true)]
    async fn not_ready_within_5_s_when_a_batch_is_retried_and_ready_after_it_is_settled() {
        let Worker { health, state } = worker(Ok(()));
        let locked = StoreError::Unavailable("locked".to_owned());
        state.health().failed(Cause::from(&locked), &locked);
        sleep(Duration::from_secs(3)).await;
        state.health().failed(Cause::from(&locked), &locked);
        assert_eq!(body(&health).await["status"], "ready");
        sleep(Duration::from_secs(2)).await;
        let held = body(&health).await;
        assert_eq!(held["status"], "not_ready");
        let task = &held["tasks"]["consumer-1"];
        assert_eq!(task["state"], "stuck");
        assert_eq!(task["detail"], Cause::StoreUnavailable.text());
        state.health().succeeded();
        assert_eq!(body(&health).await["status"], "ready");
    }

    #[tokio::test(start_paused = true)]
    async fn not_ready_while_a_watched_task_keeps_failing() {
        let mut health = worker(Ok(())).health;
        let relay = TaskHealth::new("relay");
        health.watch(relay.clone());
        relay.failed(Cause::Unconfirmed, &"3 orders");
        assert_eq!(body(&health).await["status"], "ready");
        sleep(Duration::from_secs(5)).await;
        let body_of_failing = body(&health).await;
        assert_eq!(body_of_failing["status"], "not_ready");
        assert_eq!(
            body_of_failing["tasks"]["relay"],
            json!({
                "state": "stuck",
                "detail": Cause::Unconfirmed.text(),
                "restarts": 0,
                "last_error": null,
            })
        );
        relay.succeeded();
        assert_eq!(body(&health).await["status"], "ready");
    }

    #[tokio::test(start_paused = true)]
    async fn dependencies_are_read_at_most_once_per_second() {
        let mut health = worker(Ok(())).health;
        let mut probe = MockStoreProbe::new();
        let lag = || Ok(OutboxLag { oldest: None });
        probe.expect_outbox_lag().times(2).returning(lag);
        let dead = |_| Ok(0);
        probe.expect_count_dead_letters().times(2).returning(dead);
        health.probe = Arc::new(probe);
        for _ in 0..10 {
            assert!(health.readiness().await.is_ready());
        }
        sleep(Duration::from_secs(1)).await;
        assert!(health.readiness().await.is_ready());
    }

    #[tokio::test]
    async fn not_ready_while_shutting_down() {
        let health = worker(Ok(())).health;
        health.supervisor.stop(Duration::from_secs(1)).await;
        let body = body(&health).await;
        assert_eq!(body["status"], "not_ready");
        assert_eq!(body["detail"], "shutting down");
    }
}
