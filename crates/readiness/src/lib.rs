//! The body of `GET /readyz`, the same for every program, and the health of tasks that decides over it. Each program chooses
//! the dependencies and tasks that count.

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

pub use cached::Cached;
pub use cause::Cause;
pub use task_health::{Attempt, FAILING_AFTER, TaskHealth};
pub use write_prober::probe_writes;

/// How long the state of dependencies is kept: readiness is asked for by everyone, and must not be work for the store.
pub const DEPENDENCIES_CACHED_FOR: Duration = Duration::from_secs(1);

/// Replaces reasons that are not fixed texts: the page is open to everyone.
pub const SEE_LOG: &str = "the log says why";

/// After how many seconds whoever looked may look again.
const RETRY_AFTER_S: &str = "1";

/// Looks whether a process can do its work.
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// How it is now. MUST answer within a few seconds: those who ask have deadlines of their own.
    async fn readiness(&self) -> Readiness;
}

/// Whether a process can do its work, and what keeps it from it.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Why it takes no work at all, such as a shutdown.
    pub closed: Option<&'static str>,
    /// What it depends on.
    pub dependencies: Dependencies,
    /// The age of the oldest order that waits to be handed to the queue: zero if none does, none if that is not known.
    pub outbox_lag: Option<Duration>,
    /// How far events are behind; none for a process that sends none.
    pub change_feed: Option<ChangeFeed>,
    /// What was given up, and waits for a person. It does not keep the process from its work.
    pub dead_letters: DeadLetters,
    /// What the queues hold; none for a process that does not use them.
    pub queues: Option<Queues>,
    /// What runs in the process by itself, by name; none for a process that has no such tasks.
    pub tasks: Option<BTreeMap<String, Task>>,
}

/// How far events are behind what is committed. Not ready is a process only for what keeps it from its work: it takes orders
/// while events wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChangeFeed {
    /// The age of the oldest change that events cannot show yet, in milliseconds: 0 if there is none.
    pub held_back_ms: u64,
    /// The age of the oldest open transaction with a write, in any database of the server, in milliseconds; none if there is
    /// none, or the store may not see it.
    pub oldest_transaction_ms: Option<u64>,
}

/// What was given up; each count is none if it is not known to this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetters {
    /// Orders that settlement gave up and that are still `PENDING`.
    pub orders: Option<u64>,
    /// Messages that cannot be read, or were delivered too many times.
    pub messages: Option<u64>,
}

/// What the queues hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Queues {
    /// Messages that wait, in all queues.
    pub waiting: u64,
    /// Those of them that are in queues beyond the configured number.
    pub surplus: u64,
}

/// What a process depends on.
#[derive(Debug, Clone, Serialize)]
pub struct Dependencies {
    /// The store.
    pub database: Dependency,
    /// The queue.
    pub broker: Dependency,
}

/// One dependency.
#[derive(Debug, Clone, Serialize)]
pub struct Dependency {
    /// How it is.
    pub state: DependencyState,
    /// The reason: one of a few fixed texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
}

/// How a dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyState {
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// This process works without it.
    NotUsed,
    /// It is a part of this process.
    InProcess,
}

/// One task.
#[derive(Debug, Clone, Serialize)]
pub struct Task {
    /// How it is.
    pub state: TaskState,
    /// The reason: one of a few fixed texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
    /// How often it had to be started again.
    pub restarts: u64,
    /// Where to find the reason for the last restart, if there was one.
    pub last_error: Option<&'static str>,
}

/// How a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It works.
    Running,
    /// It has ended and is about to be started again.
    Restarting,
    /// No message can come to it.
    Disconnected,
    /// It tries the same work again and again.
    Stuck,
}

impl Dependency {
    /// It answers.
    #[must_use]
    pub fn up() -> Self {
        Self {
            state: DependencyState::Up,
            detail: None,
        }
    }

    /// It does not, for this cause.
    #[must_use]
    pub fn down(cause: Cause) -> Self {
        Self {
            state: DependencyState::Down,
            detail: Some(cause.text()),
        }
    }
}

impl Task {
    /// A task that runs and records no outcomes.
    #[must_use]
    pub fn running() -> Self {
        Self {
            state: TaskState::Running,
            detail: None,
            restarts: 0,
            last_error: None,
        }
    }

    /// A task that is never started again, such as one that serves requests.
    #[must_use]
    pub fn of_health(health: &TaskHealth) -> Self {
        let cause = health.cause();
        Self {
            state: cause.map_or(TaskState::Running, |_| TaskState::Stuck),
            detail: cause.map(Cause::text),
            ..Self::running()
        }
    }
}

impl Readiness {
    /// Whether the process can do its work.
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

    /// The answer: 200 while the process is ready, else 503.
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

impl Serialize for Readiness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            status: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'static str>,
            dependencies: &'a Dependencies,
            outbox: Outbox,
            dead_letters: DeadLetters,
            #[serde(skip_serializing_if = "Option::is_none")]
            queues: Option<Queues>,
            #[serde(skip_serializing_if = "Option::is_none")]
            change_feed: Option<ChangeFeed>,
            #[serde(skip_serializing_if = "Option::is_none")]
            tasks: Option<&'a BTreeMap<String, Task>>,
        }

        #[derive(Serialize)]
        struct Outbox {
            lag_ms: Option<u64>,
        }

        let lag_ms = |lag: Duration| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        let body = Body {
            status: if self.is_ready() {
                "ready"
            } else {
                "not_ready"
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
        };
        body.serialize(serializer)
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
    fn what_is_in_order_or_not_used_is_ready() {
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
    fn one_part_that_is_not_in_order_is_enough_not_to_be_ready() {
        let breaks: [fn(&mut Readiness); 6] = [
            |readiness| readiness.closed = Some("shutting down"),
            |readiness| readiness.dependencies.database = Dependency::down(Cause::StoreUnavailable),
            |readiness| readiness.dependencies.broker = Dependency::down(Cause::StoreUnavailable),
            |readiness| set_task(readiness, TaskState::Restarting),
            |readiness| set_task(readiness, TaskState::Disconnected),
            |readiness| set_task(readiness, TaskState::Stuck),
        ];
        for part in breaks {
            let mut readiness = ready();
            part(&mut readiness);
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
