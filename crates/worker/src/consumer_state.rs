//! The health of a consumer: whether messages can come to it, and whether it can settle those it has.

use std::sync::{Arc, Mutex, PoisonError};

use domain::ports::ConsumerProbe;
use readiness::{Cause, Task, TaskHealth, TaskState};

/// Shared by one consumer's task, over all of its runs, and the readiness of the process.
#[derive(Clone)]
pub struct ConsumerState {
    connection: Arc<Mutex<Option<Arc<dyn ConsumerProbe>>>>,
    health: TaskHealth,
}

impl ConsumerState {
    /// A consumer that has not started yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            connection: Arc::default(),
            health: TaskHealth::new(name),
        }
    }

    /// The outcomes of its settlements.
    #[must_use]
    pub fn health(&self) -> &TaskHealth {
        &self.health
    }

    /// The state of the consumer now.
    #[must_use]
    pub fn task(&self) -> Task {
        let mut task = Task::of_health(&self.health);
        // Settling comes first, because it is about messages that are here already.
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

    /// The connection of the current run.
    pub(crate) fn probe(&self) -> Option<Arc<dyn ConsumerProbe>> {
        let connection = self.connection.lock();
        connection.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A run begins, with a connection of its own; a batch that an earlier run held is not held any more.
    pub(crate) fn begin(&self, probe: Arc<dyn ConsumerProbe>) {
        let connection = self.connection.lock();
        *connection.unwrap_or_else(PoisonError::into_inner) = Some(probe);
        self.health.succeeded();
    }
}
