//! Keeps tasks running, and knows how they are.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::backoff::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A task that ran for so long before it ended counts as healthy: the pauses start anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// How long what an aborted task leaves behind may take: the transaction it was in is rolled back by a task of its own, which
/// would go down with the process.
const CLEAN_UP: Duration = Duration::from_millis(500);

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
                        // It is dropped only at its next turn; whatever it comes to, it was told to end.
                        let _ = (&mut run).await;
                        return;
                    }
                };
                if supervisor.soft.is_cancelled() {
                    if let Err(panicked) = ended {
                        error!(task = %name, %panicked, "task panicked at its end");
                    }
                    supervisor.set(&name, |state| state.running = false);
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
                    () = sleep(pause) => {}
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

    /// Asks the tasks to end what they are at, waits at most `deadline` for it, then aborts what is left and gives it a
    /// moment to clean up. Returns whether all ended in time.
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
        // Bounded: a task that never awaits cannot be aborted.
        if timeout(CLEAN_UP, self.tasks.wait()).await.is_err() {
            warn!(tasks = aborted, "tasks could not even be aborted");
        }
        sleep(CLEAN_UP).await;
        false
    }

    /// The names of the tasks that run, in one line.
    fn running(&self) -> String {
        let states = self.states();
        let running = states.iter().filter(|(_, state)| state.running);
        let names: Vec<&str> = running.map(|(name, _)| name.as_str()).collect();
        names.join(", ")
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

        tokio::time::sleep(Duration::from_mins(1)).await;
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

    #[tokio::test(start_paused = true)]
    async fn what_an_aborted_task_leaves_behind_has_time_to_be_cleaned_up() {
        /// Cleans up in a task of its own, as a transaction does that is dropped.
        struct Transaction(Arc<AtomicU32>);
        impl Drop for Transaction {
            fn drop(&mut self) {
                let undone = Arc::clone(&self.0);
                tokio::spawn(async move {
                    sleep(CLEAN_UP / 2).await;
                    undone.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
        let supervisor = Supervisor::default();
        let undone = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&undone);
        supervisor.supervise("deaf", move |_stop| {
            let transaction = Transaction(Arc::clone(&counted));
            async move {
                let _transaction = transaction;
                std::future::pending::<Result<(), String>>().await
            }
        });
        supervisor.supervise("obedient", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        sleep(Duration::from_millis(1)).await;
        let stopping = supervisor.clone();
        let stop = tokio::spawn(async move { stopping.stop(Duration::from_secs(5)).await });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(supervisor.running(), "deaf");
        assert!(!stop.await.unwrap());
        assert_eq!(undone.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_when_all_tasks_end_in_time() {
        let supervisor = Supervisor::default();
        supervisor.supervise("obedient", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        let start = Instant::now();
        assert!(supervisor.stop(Duration::from_secs(5)).await);
        assert!(start.elapsed() < Duration::from_millis(10));
    }
}
