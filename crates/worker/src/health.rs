//! Whether a worker can do its work, and what keeps it from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{OrderQueue, StoreProbe};
use readiness::{Dependencies, Dependency, Readiness, ReadinessProbe, Task, TaskState};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::consumer_state::{ConsumerState, Hindrance};
use crate::supervisor::{self, Supervisor};

/// A dependency that does not answer within this counts as down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What readiness looks at.
#[derive(Clone)]
pub struct Health {
    /// The store.
    pub probe: Arc<dyn StoreProbe>,
    /// The queue, as the relay uses it.
    pub queue: Arc<dyn OrderQueue>,
    /// The consumers, by the names of their tasks.
    pub consumers: BTreeMap<String, ConsumerState>,
    /// The tasks.
    pub supervisor: Supervisor,
}

#[async_trait]
impl ReadinessProbe for Health {
    async fn readiness(&self) -> Readiness {
        let (lag, queue) = tokio::join!(
            timeout(PROBE_TIMEOUT, self.probe.outbox_lag()),
            timeout(PROBE_TIMEOUT, self.queue.probe()),
        );
        let dependencies = Dependencies {
            database: dependency(&lag),
            broker: dependency(&queue),
        };
        let lag = lag.ok().and_then(Result::ok);
        Readiness {
            closed: self.supervisor.is_stopping().then_some("shutting down"),
            dependencies,
            outbox_lag: lag.map(|lag| lag.oldest.unwrap_or_default()),
            tasks: Some(self.tasks()),
        }
    }
}

impl Health {
    fn tasks(&self) -> BTreeMap<String, Task> {
        let states = self.supervisor.states().into_iter();
        states
            .map(|(name, state)| {
                let consumer = self.consumers.get(&name);
                let task = task(state, consumer.and_then(ConsumerState::hindrance));
                (name, task)
            })
            .collect()
    }
}

fn dependency<T, E: ToString>(answer: &Result<Result<T, E>, Elapsed>) -> Dependency {
    match answer {
        Ok(Ok(_)) => Dependency::up(),
        Ok(Err(error)) => Dependency::down(error.to_string()),
        Err(_) => Dependency::down("it does not answer in time"),
    }
}

fn task(state: supervisor::TaskState, hindrance: Option<Hindrance>) -> Task {
    let (word, detail) = match hindrance {
        _ if !state.running => (TaskState::Restarting, None),
        None => (TaskState::Running, None),
        Some(Hindrance::Disconnected(reason)) => (TaskState::Disconnected, Some(reason)),
        Some(Hindrance::Stuck(reason)) => (TaskState::Stuck, Some(reason)),
    };
    Task {
        state: word,
        detail,
        restarts: state.restarts,
        last_error: state.last_error,
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::{
        MockConsumerProbe, MockOrderQueue, MockStoreProbe, OutboxLag, QueueError, StoreError,
    };
    use serde_json::{Value, json};
    use tokio::time::sleep;

    use super::*;

    /// A worker with one task, which is a consumer.
    struct Worker {
        health: Health,
        state: ConsumerState,
    }

    fn store(answer: fn() -> Result<OutboxLag, StoreError>) -> Arc<dyn StoreProbe> {
        let mut probe = MockStoreProbe::new();
        probe.expect_outbox_lag().returning(answer);
        Arc::new(probe)
    }

    fn queue(answer: Result<(), QueueError>) -> Arc<dyn OrderQueue> {
        let mut queue = MockOrderQueue::new();
        queue.expect_probe().returning(move || answer.clone());
        Arc::new(queue)
    }

    fn refused() -> Result<(), QueueError> {
        Err(QueueError::Unavailable("refused".to_owned()))
    }

    /// Everything is in order, but that the consumer's connection answers this.
    fn worker(connection: Result<(), QueueError>) -> Worker {
        let supervisor = Supervisor::default();
        supervisor.supervise("consumer-1", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        let mut probe = MockConsumerProbe::new();
        probe.expect_probe().returning(move || connection.clone());
        let state = ConsumerState::default();
        state.begin(Arc::new(probe));
        let lag = || {
            Ok(OutboxLag {
                oldest: Some(Duration::from_millis(1_500)),
            })
        };
        let health = Health {
            probe: store(lag),
            queue: queue(Ok(())),
            consumers: BTreeMap::from([("consumer-1".to_owned(), state.clone())]),
            supervisor,
        };
        Worker { health, state }
    }

    async fn body(health: &Health) -> Value {
        serde_json::to_value(health.readiness().await).unwrap()
    }

    #[tokio::test]
    async fn ready_with_everything_in_order() {
        assert_eq!(
            body(&worker(Ok(())).health).await,
            json!({
                "status": "ready",
                "dependencies": {"database": {"state": "up"}, "broker": {"state": "up"}},
                "outbox": {"lag_ms": 1_500},
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
        health.queue = queue(refused());
        let body = body(&health).await;
        assert_eq!(body["status"], "not_ready");
        assert_eq!(body["outbox"], json!({"lag_ms": null}));
        for (name, word) in [("database", "no route"), ("broker", "refused")] {
            let dependency = &body["dependencies"][name];
            assert_eq!(dependency["state"], "down");
            assert!(dependency["detail"].as_str().unwrap().contains(word));
        }
    }

    #[tokio::test]
    async fn not_ready_while_a_consumer_is_not_connected() {
        let body = body(&worker(refused()).health).await;
        assert_eq!(body["status"], "not_ready");
        let task = &body["tasks"]["consumer-1"];
        assert_eq!(task["state"], "disconnected");
        assert_eq!(task["detail"], "the queue cannot be reached: refused");
    }

    #[tokio::test(start_paused = true)]
    async fn not_ready_once_a_batch_has_been_retried_for_5_s() {
        let Worker { health, state } = worker(Ok(()));
        assert!(state.hold("locked"));
        sleep(Duration::from_secs(3)).await;
        assert!(!state.hold("locked"));
        assert_eq!(body(&health).await["status"], "ready");
        sleep(Duration::from_secs(3)).await;
        let held = body(&health).await;
        assert_eq!(held["status"], "not_ready");
        assert_eq!(held["tasks"]["consumer-1"]["state"], "stuck");
        assert_eq!(held["tasks"]["consumer-1"]["detail"], "locked");
        state.release();
        assert_eq!(body(&health).await["status"], "ready");
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
