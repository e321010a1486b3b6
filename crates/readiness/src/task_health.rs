//! The health of one task: the outcome of its last attempts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ports::{StoreError, WriteAttempt, WriteObserver};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::Cause;

/// A task that fails each time for longer than this is not ready. With the second for which dependencies are cached,
/// readiness shows a failure within 5 s.
pub const FAILING_AFTER: Duration = Duration::from_secs(4);

/// Records the outcomes of one task, over all of its runs. Cloning shares it.
///
/// The last outcome counts: after a success the task is healthy; after a failure it is failing since the first failure that
/// no success followed.
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
    /// When each attempt that is under way began.
    attempts: BTreeMap<u64, Instant>,
    last_attempt: u64,
}

struct Failure {
    since: Instant,
    cause: Cause,
    detail: String,
}

impl TaskHealth {
    /// A task of that name, about which nothing is known yet.
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

    /// Records that the task did its work.
    pub fn succeeded(&self) {
        let ended = self.lock().failure.take();
        if let Some(failure) = ended.filter(|failure| failure.cause != Cause::Conflicts) {
            let failed_for_ms = failure.since.elapsed().as_millis();
            info!(task.name = self.name(), failed_for_ms, "task works again");
        }
    }

    /// Records a failure. Logs the detail when it differs from the one before.
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
        // A conflict is retried at once.
        if is_new && cause != Cause::Conflicts {
            warn!(
                task.name = name,
                cause = cause_text,
                error,
                "task fails and retries"
            );
        } else {
            debug!(
                task.name = name,
                cause = cause_text,
                error,
                "task still fails"
            );
        }
        self.inner.failing.notify_waiters();
    }

    /// Records the beginning of an attempt, whose outcome is recorded on what is returned. One without an outcome for longer
    /// than [`FAILING_AFTER`] is a reason not to be ready; one that is dropped without an outcome is forgotten.
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

    /// Why the task is a reason not to be ready now, if it is one.
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

    /// Whether the last outcome was a failure, however short ago.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.lock().failure.is_some()
    }

    /// Returns once the last outcome is a failure.
    pub async fn until_failing(&self) {
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

/// An attempt that is under way.
pub struct Attempt {
    health: TaskHealth,
    number: u64,
}

impl Attempt {
    /// Records that it did its work.
    pub fn succeeded(self) {
        self.health.succeeded();
    }

    /// Records that it failed.
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
        // One row that cannot be read says nothing of the next write.
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
    async fn a_task_that_fails_each_time_is_a_cause_after_4_s_and_none_after_a_success() {
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
    async fn an_attempt_without_an_outcome_is_a_cause_until_it_ends() {
        let health = TaskHealth::new("batch_writer");
        let (hanging, given_up) = (health.attempt(), health.attempt());
        sleep(5 * SECOND).await;
        assert_eq!(health.cause(), Some(Cause::WriteHangs));
        health.attempt().succeeded();
        assert_eq!(health.cause(), Some(Cause::WriteHangs));
        hanging.succeeded();
        assert_eq!(health.cause(), Some(Cause::WriteHangs));
        drop(given_up);
        assert_eq!(health.cause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_failure_ends_with_it() {
        let health = TaskHealth::new("batch_writer");
        let failing = health.clone();
        let waiting = tokio::spawn(async move { failing.until_failing().await });
        sleep(SECOND).await;
        assert!(!waiting.is_finished());
        health.failed(Cause::StoreFailed, &"full");
        waiting.await.unwrap();
        health.until_failing().await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_unreadable_row_is_no_failure_of_writes() {
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
