//! The health of one task, from the outcomes of its attempts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ports::{StoreError, WriteAttempt, WriteObserver};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::Cause;

/// A task that has failed continuously for longer than this is not ready. Because dependencies are cached for 1 s, a failure
/// is reported within 5 s.
pub const FAILING_AFTER: Duration = Duration::from_secs(4);

/// Records the outcomes of one task, over all its runs. Clones share the state.
///
/// The last outcome decides: after a success the task is healthy; after a failure it is failing, since the first failure
/// after the last success.
#[derive(Clone)]
pub struct TaskHealth {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    state: Mutex<State>,
    /// Notified when the task begins to fail.
    failing: Notify,
}

#[derive(Default)]
struct State {
    failure: Option<Failure>,
    /// Start of each attempt in progress, by its number.
    attempts: BTreeMap<u64, Instant>,
    last_attempt: u64,
}

struct Failure {
    since: Instant,
    cause: Cause,
    detail: String,
}

impl TaskHealth {
    /// Creates the health of a task without any outcome.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: name.into(),
                state: Mutex::default(),
                failing: Notify::new(),
            }),
        }
    }

    /// The task's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Records a success.
    pub fn succeeded(&self) {
        let ended = self.lock().failure.take();
        if let Some(failure) = ended.filter(|failure| failure.cause != Cause::Conflicts) {
            let failed_for_ms = failure.since.elapsed().as_millis();
            info!(task.name = self.name(), failed_for_ms, "task recovered");
        }
    }

    /// Records a failure. Logs a warning if the cause or the detail differs from the previous failure.
    pub fn failed(&self, cause: Cause, detail: &dyn Display) {
        let detail = detail.to_string();
        let is_new = {
            let mut state = self.lock();
            let known = state.failure.as_ref();
            let is_new = known.is_none_or(|known| known.cause != cause || known.detail != detail);
            let since = known.map_or_else(Instant::now, |known| known.since);
            let detail = detail.clone();
            state.failure = Some(Failure {
                since,
                cause,
                detail,
            });
            is_new
        };
        let (name, error, cause_text) = (self.name(), detail, cause.text());
        // Conflicts are retried immediately and are not worth a warning.
        if is_new && cause != Cause::Conflicts {
            warn!(
                task.name = name,
                cause = cause_text,
                error,
                "task failed; retrying"
            );
        } else {
            debug!(
                task.name = name,
                cause = cause_text,
                error,
                "task failed again; retrying"
            );
        }
        self.inner.failing.notify_waiters();
    }

    /// Records the start of an attempt; its outcome is recorded on the returned [`Attempt`]. An attempt without an outcome
    /// for longer than [`FAILING_AFTER`] makes the task not ready; an attempt that is dropped without an outcome is
    /// discarded.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        let mut state = self.lock();
        state.last_attempt += 1;
        let number = state.last_attempt;
        state.attempts.insert(number, Instant::now());
        Attempt {
            health: self.clone(),
            number,
        }
    }

    /// The cause if the task is not ready.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let state = self.lock();
        if let Some(failure) = &state.failure
            && failure.since.elapsed() > FAILING_AFTER
        {
            return Some(failure.cause);
        }
        let hangs = |began: &Instant| began.elapsed() > FAILING_AFTER;
        state
            .attempts
            .values()
            .any(hangs)
            .then_some(Cause::WriteHangs)
    }

    /// Whether the last outcome was a failure, regardless of its age.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.lock().failure.is_some()
    }

    /// Waits until the last outcome is a failure.
    pub async fn wait_until_failing(&self) {
        loop {
            let notified = self.inner.failing.notified();
            if self.is_failing() {
                return;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.inner.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt in progress.
pub struct Attempt {
    health: TaskHealth,
    number: u64,
}

impl Attempt {
    /// Records a success of the attempt.
    pub fn succeeded(self) {
        self.health.succeeded();
    }

    /// Records a failure of the attempt.
    pub fn failed(self, cause: Cause, detail: &dyn Display) {
        self.health.failed(cause, detail);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.health.lock().attempts.remove(&self.number);
    }
}

impl WriteObserver for TaskHealth {
    fn begin(&self) -> Box<dyn WriteAttempt> {
        Box::new(self.attempt())
    }
}

impl WriteAttempt for Attempt {
    fn succeeded(self: Box<Self>) {
        Attempt::succeeded(*self);
    }

    fn failed(self: Box<Self>, error: &StoreError) {
        // A row that cannot be decoded does not imply that the next write fails.
        if !matches!(error, StoreError::Corrupt { .. }) {
            Attempt::failed(*self, error.into(), error);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn failing_task_is_not_ready_after_4_s_and_ready_after_a_success() {
        let health = TaskHealth::new("relay");
        health.failed(Cause::QueueUnavailable, &"refused");
        sleep(3 * SECOND).await;
        health.failed(Cause::StoreUnavailable, &"gone");
        assert_eq!(health.cause(), None);
        sleep(2 * SECOND).await;
        assert_eq!(health.cause(), Some(Cause::StoreUnavailable));
        health.succeeded();
        assert_eq!(health.cause(), None);
        health.failed(Cause::StoreUnavailable, &"gone");
        sleep(3 * SECOND).await;
        assert_eq!(health.cause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_attempt_is_not_ready_until_it_ends() {
        let health = TaskHealth::new("batch_writer");
        let (hanging, abandoned) = (health.attempt(), health.attempt());
        sleep(5 * SECOND).await;
        assert_eq!(health.cause(), Some(Cause::WriteHangs));
        health.attempt().succeeded();
        assert_eq!(health.cause(), Some(Cause::WriteHangs));
        hanging.succeeded();
        assert_eq!(health.cause(), Some(Cause::WriteHangs));
        drop(abandoned);
        assert_eq!(health.cause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn wait_until_failing_ends_with_a_failure() {
        let health = TaskHealth::new("batch_writer");
        let failing = health.clone();
        let waiting = tokio::spawn(async move { failing.wait_until_failing().await });
        sleep(SECOND).await;
        assert!(!waiting.is_finished());
        health.failed(Cause::StoreFailed, &"full");
        waiting.await.unwrap();
        health.wait_until_failing().await;
    }

    #[tokio::test(start_paused = true)]
    async fn unreadable_row_is_not_a_failure_of_writes() {
        let health = TaskHealth::new("batch_writer");
        let unreadable = StoreError::Corrupt {
            table: "orders",
            column: "status",
            row: "1".to_owned(),
        };
        WriteObserver::begin(&health).failed(&unreadable);
        assert!(!health.is_failing());
        WriteObserver::begin(&health).failed(&StoreError::Unavailable("full".to_owned()));
        assert!(health.is_failing());
    }
}
