//! Keeps tasks running, and knows how they are.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use crate::backoff::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A task that ran for so long before it ended counts as healthy: the pauses start anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// How a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Whether it runs now.
    pub running: bool,
    /// How often it had to be started again.
    pub restarts: u64,
    /// Why it ended last.
    pub last_error: Option<String>,
}

/// Runs tasks until told to stop.
#[derive(Clone, Default)]
pub struct Supervisor {
    states: Arc<Mutex<BTreeMap<String, TaskState>>>,
    tasks: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Supervisor {
    /// Supervises a task from now on. `start` is called for each run with the token that asks it to end; a run that
    /// ends or panics without being asked to is followed by another one, after a pause.
    pub fn supervise<Start, Run>(&self, name: impl Into<String>, mut start: Start)
    where
        Start: FnMut(CancellationToken) -> Run + Send + 'static,
        Run: Future<Output = Result<(), String>> + Send + 'static,
    {
        let name = name.into();
        self.set(&name, |state| state.running = true);
        let supervisor = self.clone();
        self.tasks.spawn(async move {
            let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            loop {
                let started = Instant::now();
                let mut run = tokio::spawn(start(supervisor.soft.clone()));
                let ended = tokio::select! {
                    ended = &mut run => ended,
                    () = supervisor.hard.cancelled() => {
                        run.abort();
                        return;
                    }
                };
                if supervisor.soft.is_cancelled() {
                    return;
                }
                let reason = match ended {
                    Ok(Ok(())) => "it ended by itself".to_owned(),
                    Ok(Err(reason)) => reason,
                    Err(panicked) => format!("it panicked: {panicked}"),
                };
                if started.elapsed() >= HEALTHY_AFTER {
                    backoff.reset();
                }
                let pause = backoff.next();
                error!(task = %name, reason, restart_in_ms = pause.as_millis(), "task ended");
                supervisor.set(&name, |state| {
                    state.running = false;
                    state.restarts += 1;
                    state.last_error = Some(reason);
                });
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = supervisor.soft.cancelled() => return,
                }
                supervisor.set(&name, |state| state.running = true);
            }
        });
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut TaskState)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.entry(name.to_owned()).or_insert(TaskState {
            running: false,
            restarts: 0,
            last_error: None,
        }));
    }

    /// How each task is, by name.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, TaskState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the tasks were asked to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Asks the tasks to end what they are at, waits at most `deadline` for it, then aborts what is left. Returns
    /// whether all ended in time.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.soft.cancel();
        self.tasks.close();
        let in_time = tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .is_ok();
        self.hard.cancel();
        self.tasks.wait().await;
        info!(in_time, "tasks ended");
        in_time
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_ends_is_started_again_and_shows() {
        let supervisor = Supervisor::default();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        supervisor.supervise("flaky", move |stop| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
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
        tokio::time::sleep(Duration::from_millis(1)).await;
        let state = supervisor.states()["flaky"].clone();
        assert!(!state.running);
        assert!(state.last_error.unwrap().contains("panicked"));

        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(runs.load(Ordering::SeqCst), 4);
        let state = supervisor.states()["flaky"].clone();
        assert!(state.running);
        assert_eq!(state.restarts, 3);
        assert!(supervisor.stop(Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_aborted_at_the_deadline() {
        let supervisor = Supervisor::default();
        supervisor.supervise("deaf", |_stop| async {
            std::future::pending::<()>().await;
            Ok(())
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!supervisor.stop(Duration::from_secs(5)).await);
    }
}
