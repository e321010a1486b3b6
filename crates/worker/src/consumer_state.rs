//! The health of a consumer: its connection to the queue, and the outcomes of its settlements.

use std::sync::Arc;

use domain::ports::ConsumerProbe;
use readiness::{Cause, Task, TaskHealth, TaskState};
use tokio::sync::watch;

/// The state of one consumer, over all runs of its task. Clones share the state.
#[derive(Clone)]
pub struct ConsumerState {
    connection: watch::Sender<Option<Arc<dyn ConsumerProbe>>>,
    health: TaskHealth,
}

impl ConsumerState {
    /// Creates the state of a consumer that has not started.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            connection: watch::Sender::default(),
            health: TaskHealth::new(name),
        }
    }

    /// The outcomes of the consumer's settlements.
    #[must_use]
    pub fn health(&self) -> &TaskHealth {
        &self.health
    }

    /// The consumer as readiness reports it.
    #[must_use]
    pub fn task(&self) -> Task {
        let mut task = Task::from_health(&self.health);
        // A failing settlement takes precedence: it concerns messages that have been received.
        if task.state == TaskState::Running
            && let Some(cause) = self.disconnected()
        {
            task.state = TaskState::Disconnected;
            task.detail = Some(cause.text());
        }
        task
    }

    fn disconnected(&self) -> Option<Cause> {
        match &*self.connection.borrow() {
            None => Some(Cause::NotStarted),
            Some(probe) => probe.probe().err().as_ref().map(Cause::from),
        }
    }

    /// The probe of the current run's connection.
    pub(crate) fn probe(&self) -> Option<Arc<dyn ConsumerProbe>> {
        self.connection.borrow().clone()
    }

    /// Records the start of a run with its own connection. A failure of an earlier run is cleared, because the batch that it
    /// held is redelivered.
    pub(crate) fn begin(&self, probe: Arc<dyn ConsumerProbe>) {
        self.connection.send_replace(Some(probe));
        self.health.succeeded();
    }
}
