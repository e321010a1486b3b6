//! Runs tasks, restarts them when they end, and reports their state.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::backoff::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A task that ran for at least this duration before it ended counts as healthy: its backoff is reset.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Time for cleanup after tasks are aborted: the transaction of an aborted task is rolled back by a separate task, which
/// would end with the process.
const CLEANUP_TIMEOUT: Duration = Duration::from_millis(500);

/// The state of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskState {
    /// Whether the task is running.
    pub running: bool,
    /// Number of restarts.
    pub restarts: u64,
    /// Why the last run ended.
    pub last_error: Option<String>,
}

/// Runs tasks until [`Supervisor::stop`] is called. Clones share the tasks.
#[derive(Clone, Default)]
pub struct Supervisor {
    states: Arc<Mutex<BTreeMap<String, TaskState>>>,
    tasks: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    /// The runtime of the tasks; `None` for the current one.
    runtime: Option<Handle>,
}

impl Supervisor {
    /// Returns a clone that starts its tasks on this runtime.
    #[must_use]
    pub fn on(&self, runtime: Option<Handle>) -> Self {
        Self {
            runtime,
            ..self.clone()
        }
    }

    /// Starts a task and supervises it. `start` is called for each run, with a clone of `context` and the token that requests
    /// its end. A run that ends or panics before that is restarted after a pause.
    pub fn supervise<Context, Start, Run>(
        &self,
        name: impl Into<String>,
        context: Context,
        mut start: Start,
    ) where
        Context: Clone + Send + 'static,
        Start: FnMut(Context, CancellationToken) -> Run + Send + 'static,
        Run: Future<Output = Result<(), String>> + Send + 'static,
    {
        let name = name.into();
        self.set(&name, |state| state.running = true);
        let supervisor = self.clone();
        let task = async move {
            let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            loop {
                let started = Instant::now();
                let mut run = tokio::spawn(start(context.clone(), supervisor.soft.clone()));
                let ended = tokio::select! {
                    ended = &mut run => ended,
                    () = supervisor.hard.cancelled() => {
                        run.abort();
                        // The run is dropped when it is polled next; its result does not matter after an abort.
                        let _ = (&mut run).await;
                        return;
                    }
                };
                if supervisor.soft.is_cancelled() {
                    if let Err(panicked) = ended {
                        error!(task = %name, %panicked, "task panicked while stopping");
                    }
                    supervisor.set(&name, |state| state.running = false);
                    return;
                }
                let reason = match ended {
                    Ok(Ok(())) => "ended unexpectedly".to_owned(),
                    Ok(Err(reason)) => reason,
                    Err(panicked) => format!("panicked: {panicked}"),
                };
                if started.elapsed() >= HEALTHY_AFTER {
                    backoff.reset();
                }
                let pause = backoff.next();
                error!(task = %name, reason, restart_in_ms = pause.as_millis(), "task ended; restarting");
                supervisor.set(&name, |state| {
                    state.running = false;
                    state.restarts += 1;
                    state.last_error = Some(reason);
                });
                tokio::select! {
                    () = sleep(pause) => {}
                    () = supervisor.soft.cancelled() => return,
                }
                supervisor.set(&name, |state| state.running = true);
            }
        };
        match &self.runtime {
            Some(runtime) => self.tasks.spawn_on(task, runtime),
            None => self.tasks.spawn(task),
        };
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut TaskState)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.entry(name.to_owned()).or_default());
    }

    /// The state of each task, by name.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, TaskState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the supervisor is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Requests all tasks to end, waits at most `deadline`, then aborts the remaining tasks and waits for their cleanup.
    /// Returns whether all tasks ended in time.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.soft.cancel();
        self.tasks.close();
        if timeout(deadline, self.tasks.wait()).await.is_ok() {
            info!("tasks ended");
            return true;
        }
        let aborted = self.running();
        error!(
            tasks = aborted,
            waited_ms = deadline.as_millis(),
            "tasks did not end in time and are aborted"
        );
        self.hard.cancel();
        // With a timeout, because a task that never yields cannot be aborted.
        if timeout(CLEANUP_TIMEOUT, self.tasks.wait()).await.is_err() {
            warn!(tasks = aborted, "aborted tasks did not end");
        }
        sleep(CLEANUP_TIMEOUT).await;
        false
    }

    /// The names of the running tasks, separated by commas.
    fn running(&self) -> String {
        let states = self.states();
        let running = states.iter().filter(|(_, state)| state.running);
        let names: Vec<&str> = running.map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn supervise_responsive(supervisor: &Supervisor) {
        supervisor.supervise("responsive", (), |(), stop| async move {
            stop.cancelled().await;
            Ok(())
        });
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_panics_or_ends_is_restarted_and_reported() {
        let supervisor = Supervisor::default();
        let runs = Arc::new(AtomicU32::new(0));
        supervisor.supervise("flaky", Arc::clone(&runs), |runs, stop| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => panic!("boom"),
                    1 => Err("lost".to_owned()),
                    2 => Ok(()),
                    _ => {
                        stop.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        sleep(Duration::from_millis(1)).await;
        let state = supervisor.states()["flaky"].clone();
        assert!(!state.running);
        assert!(state.last_error.unwrap().contains("panicked"));

        sleep(Duration::from_mins(1)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 4);
        let state = supervisor.states()["flaky"].clone();
        assert!(state.running);
        assert_eq!(state.restarts, 3);
        assert!(supervisor.stop(Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_does_not_end_is_aborted_at_the_deadline() {
        let supervisor = Supervisor::default();
        supervisor.supervise("unresponsive", (), |(), _stop| pending());
        sleep(Duration::from_millis(1)).await;
        assert!(!supervisor.stop(Duration::from_secs(5)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn aborted_task_has_time_for_its_cleanup() {
        /// Cleans up in a separate task, as a dropped transaction does.
        struct Transaction(Arc<AtomicU32>);
        impl Drop for Transaction {
            fn drop(&mut self) {
                let cleaned_up = Arc::clone(&self.0);
                tokio::spawn(async move {
                    sleep(CLEANUP_TIMEOUT / 2).await;
                    cleaned_up.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
        let supervisor = Supervisor::default();
        let cleaned_up = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&cleaned_up);
        supervisor.supervise("unresponsive", counted, |cleaned_up, _stop| async move {
            let _transaction = Transaction(cleaned_up);
            pending().await
        });
        supervise_responsive(&supervisor);
        sleep(Duration::from_millis(1)).await;
        let stopping = supervisor.clone();
        let stop = tokio::spawn(async move { stopping.stop(Duration::from_secs(5)).await });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(supervisor.running(), "unresponsive");
        assert!(!stop.await.unwrap());
        assert_eq!(cleaned_up.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn stop_returns_immediately_when_all_tasks_end() {
        let supervisor = Supervisor::default();
        supervise_responsive(&supervisor);
        let start = Instant::now();
        assert!(supervisor.stop(Duration::from_secs(5)).await);
        assert!(start.elapsed() < Duration::from_millis(10));
    }
}
