//! The health of a consumer: its connection to the queue, and the outcomes of its settlements.

use std::sync::{Arc, Mutex, PoisonError};

use domain::ports::ConsumerProbe;
use readiness::{Cause, Task, TaskHealth, TaskState};

/// The state of one consumer, over all runs of its task. Clones share the state.
#[derive(Clone)]
pub struct ConsumerState {
    connection: Arc<Mutex<Option<Arc<dyn ConsumerProbe>>>>,
    health: TaskHealth,
}

impl ConsumerState {
    /// Creates the state of a consumer that has not started.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            connection: Arc::default(),
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
        let connection = self.connection.lock();
        match &*connection.unwrap_or_else(PoisonError::into_inner) {
            None => Some(Cause::NotStarted),
            Some(probe) => probe.probe().err().as_ref().map(Cause::from),
        }
    }

    /// The probe of the current run's connection.
    pub(crate) fn probe(&self) -> Option<Arc<dyn ConsumerProbe>> {
        let connection = self.connection.lock();
        connection.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records the start of a run with its own connection. A failure of an earlier run is cleared, because the batch that it
    /// held is redelivered.
    pub(crate) fn begin(&self, probe: Arc<dyn ConsumerProbe>) {
        let connection = self.connection.lock();
        *connection.unwrap_or_else(PoisonError::into_inner) = Some(probe);
        self.health.succeeded();
    }
}
