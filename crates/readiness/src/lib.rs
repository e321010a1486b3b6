//! The response to `GET /readyz`, the same for every program, and the task health that it is based on. Each program chooses
//! which dependencies and tasks it includes.

mod cached;
mod cause;
mod task_health;
mod write_prober;

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use async_trait::async_trait;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub use cached::Cached;
pub use cause::Cause;
pub use task_health::{Attempt, FAILING_AFTER, TaskHealth};
pub use write_prober::probe_writes;

/// Lifetime of the cached state of dependencies: the endpoint is unauthenticated, so requests must not load the store.
pub const DEPENDENCY_CACHE_TTL: Duration = Duration::from_secs(1);

/// Replaces error messages, which the unauthenticated endpoint must not show.
pub const SEE_LOG: &str = "see the log";

/// `Retry-After` of a 503 response, in seconds.
const RETRY_AFTER_S: &str = "1";

/// Determines whether a process is ready.
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// Returns the current readiness. MUST return within a few seconds, because probes have deadlines.
    async fn readiness(&self) -> Readiness;
}

/// Whether a process is ready, and the reasons if it is not.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Why the process accepts no work, such as a shutdown.
    pub closed: Option<&'static str>,
    /// The dependencies of the process.
    pub dependencies: Dependencies,
    /// Age of the oldest outbox entry: zero if the outbox is empty, `None` if unknown.
    pub outbox_lag: Option<Duration>,
    /// Lag of the change feed; `None` for a process without a change feed.
    pub change_feed: Option<ChangeFeed>,
    /// Dead letters, which require an operator. They do not affect readiness.
    pub dead_letters: DeadLetters,
    /// Counts of the queues; `None` for a process that does not use them.
    pub queues: Option<Queues>,
    /// Background tasks by name; `None` for a process without background tasks.
    pub tasks: Option<BTreeMap<String, Task>>,
}

/// Lag of the change feed behind the committed changes. The lag does not affect readiness: orders are accepted while events
/// are delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeFeed {
    /// Age of the oldest committed change that is not in the change feed yet, in milliseconds; 0 if there is none.
    pub held_back_ms: u64,
    /// Age of the oldest open transaction with a write, in any database of the server, in milliseconds; null if there is
    /// none, or the role of the store may not see it.
    #[schema(required, minimum = 0)]
    pub oldest_transaction_ms: Option<u64>,
}

/// Counts of dead letters, null if unknown to this process. They do not affect readiness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetters {
    /// Dead-lettered orders that are still `PENDING`.
    #[schema(required, minimum = 0)]
    pub orders: Option<u64>,
    /// Messages that cannot be decoded or exceeded the delivery limit.
    #[schema(required, minimum = 0)]
    pub messages: Option<u64>,
}

/// Counts of the messages in the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Queues {
    /// Ready messages in all queues.
    pub waiting: u64,
    /// Ready messages in queues beyond the configured number; included in `waiting`.
    pub surplus: u64,
}

/// The dependencies of a process: the store and the queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(
    missing_docs,
    reason = "the types are documented; OpenAPI has no text next to a reference"
)]
pub struct Dependencies {
    pub database: Dependency,
    pub broker: Dependency,
}

/// State of one dependency.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(
    missing_docs,
    reason = "the types are documented; OpenAPI has no text next to a reference"
)]
pub struct Dependency {
    pub state: DependencyState,
    /// The reason if the dependency is down.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
}

/// The state of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyState {
    /// It responds.
    Up,
    /// It does not respond, or fails.
    Down,
    /// The process does not use it.
    NotUsed,
    /// It is part of the process.
    InProcess,
}

/// State of one background task.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(
    missing_docs,
    reason = "the types are documented; OpenAPI has no text next to a reference"
)]
pub struct Task {
    pub state: TaskState,
    /// The reason if the task does not run.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
    /// Number of restarts.
    pub restarts: u64,
    /// Where to find the error of the last restart, if there was one.
    #[schema(required)]
    pub last_error: Option<&'static str>,
}

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// The task runs.
    Running,
    /// The task has ended and is about to be restarted.
    Restarting,
    /// The task has no connection to the queue.
    Disconnected,
    /// The task retries the same work.
    Stuck,
}

impl Dependency {
    /// A dependency that responds.
    #[must_use]
    pub fn up() -> Self {
        Self {
            state: DependencyState::Up,
            detail: None,
        }
    }

    /// A dependency that is down for this cause.
    #[must_use]
    pub fn down(cause: Cause) -> Self {
        Self {
            state: DependencyState::Down,
            detail: Some(cause.text()),
        }
    }
}

impl Task {
    /// A task that runs.
    #[must_use]
    pub fn running() -> Self {
        Self {
            state: TaskState::Running,
            detail: None,
            restarts: 0,
            last_error: None,
        }
    }

    /// A task in the state that its recorded outcomes imply, without restarts.
    #[must_use]
    pub fn from_health(health: &TaskHealth) -> Self {
        let cause = health.cause();
        Self {
            state: cause.map_or(TaskState::Running, |_| TaskState::Stuck),
            detail: cause.map(Cause::text),
            ..Self::running()
        }
    }
}

impl Readiness {
    /// Whether the process is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let dependencies = [&self.dependencies.database, &self.dependencies.broker];
        let mut tasks = self.tasks.iter().flatten();
        self.closed.is_none()
            && dependencies
                .iter()
                .all(|dependency| dependency.state != DependencyState::Down)
            && tasks.all(|(_, task)| task.state == TaskState::Running)
    }

    /// The HTTP response: 200 if the process is ready, otherwise 503.
    #[must_use]
    pub fn response(&self) -> HttpResponse {
        if self.is_ready() {
            return HttpResponse::Ok().json(self);
        }
        HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, RETRY_AFTER_S))
            .json(self)
    }
}

/// The readiness of the process, and the state of its dependencies.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub struct ReadinessView<'a> {
    status: Status,
    /// Why the process accepts no work.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    dependencies: &'a Dependencies,
    outbox: Outbox,
    dead_letters: DeadLetters,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    queues: Option<Queues>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    change_feed: Option<ChangeFeed>,
    /// The background tasks of the process, by name.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<&'a BTreeMap<String, Task>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessStatus)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ready,
    NotReady,
}

/// The outbox.
#[derive(Serialize, ToSchema)]
struct Outbox {
    /// The age of the oldest order in the outbox, in milliseconds; null if unknown.
    #[schema(required, minimum = 0)]
    lag_ms: Option<u64>,
}

impl Serialize for Readiness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

impl Readiness {
    fn view(&self) -> ReadinessView<'_> {
        let lag_ms = |lag: Duration| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        ReadinessView {
            status: if self.is_ready() {
                Status::Ready
            } else {
                Status::NotReady
            },
            detail: self.closed,
            dependencies: &self.dependencies,
            outbox: Outbox {
                lag_ms: self.outbox_lag.map(lag_ms),
            },
            change_feed: self.change_feed,
            dead_letters: self.dead_letters,
            queues: self.queues,
            tasks: self.tasks.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready() -> Readiness {
        let task = Task {
            state: TaskState::Running,
            detail: None,
            restarts: 0,
            last_error: None,
        };
        Readiness {
            closed: None,
            dependencies: Dependencies {
                database: Dependency::up(),
                broker: Dependency {
                    state: DependencyState::InProcess,
                    detail: None,
                },
            },
            outbox_lag: Some(Duration::from_millis(1_500)),
            change_feed: None,
            dead_letters: DeadLetters {
                orders: Some(3),
                messages: None,
            },
            queues: Some(Queues {
                waiting: 9,
                surplus: 2,
            }),
            tasks: Some(BTreeMap::from([("relay".to_owned(), task)])),
        }
    }

    #[test]
    fn ready_if_each_dependency_is_up_or_unused() {
        let mut readiness = ready();
        assert!(readiness.is_ready());
        readiness.dependencies.broker.state = DependencyState::NotUsed;
        readiness.tasks = None;
        assert!(readiness.is_ready());
        assert_eq!(
            serde_json::to_value(&readiness).unwrap(),
            json!({
                "status": "ready",
                "dependencies": {"database": {"state": "up"}, "broker": {"state": "not_used"}},
                "outbox": {"lag_ms": 1_500},
                "dead_letters": {"orders": 3, "messages": null},
                "queues": {"waiting": 9, "surplus": 2},
            })
        );
    }

    #[test]
    fn not_ready_if_one_part_fails() {
        let failures: [fn(&mut Readiness); 6] = [
            |readiness| readiness.closed = Some("shutting down"),
            |readiness| readiness.dependencies.database = Dependency::down(Cause::StoreUnavailable),
            |readiness| readiness.dependencies.broker = Dependency::down(Cause::StoreUnavailable),
            |readiness| set_task(readiness, TaskState::Restarting),
            |readiness| set_task(readiness, TaskState::Disconnected),
            |readiness| set_task(readiness, TaskState::Stuck),
        ];
        for fail in failures {
            let mut readiness = ready();
            fail(&mut readiness);
            let response = readiness.response();
            assert_eq!(response.status(), 503, "{readiness:?}");
            assert!(response.headers().contains_key(header::RETRY_AFTER));
            let body = serde_json::to_value(&readiness).unwrap();
            assert_eq!(body["status"], "not_ready");
        }
        assert_eq!(ready().response().status(), 200);
    }

    fn set_task(readiness: &mut Readiness, state: TaskState) {
        for task in readiness.tasks.iter_mut().flat_map(BTreeMap::values_mut) {
            task.state = state;
        }
    }
}
