//! Work on a vendor's stock that does not depend on the connection of its request.
//!
//! The HTTP server drops a handler whose client has disconnected. A report that is being applied must not end between two
//! transactions for that reason, and must leave its run.

use std::panic::resume_unwind;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::problem::{Problem, ProblemKind};

/// Runs work to its end, whether its request still exists or not.
#[derive(Clone)]
pub(crate) struct DetachedWork {
    tasks: TaskTracker,
    /// The runtime of the program: that of an HTTP thread ends with the thread.
    runtime: Handle,
}

impl DetachedWork {
    /// Requires a tokio runtime.
    pub(crate) fn new() -> Self {
        Self {
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
        }
    }

    /// Runs `work` to its end, even if the caller is dropped, and returns its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let work = work.instrument(Span::current());
        match self.tasks.spawn_on(work, &self.runtime).await {
            Ok(result) => result,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(Problem::new(
                    ProblemKind::OutcomeUnknown,
                    "the service was stopped before the report was applied",
                )),
            },
        }
    }

    /// Waits until all work has ended.
    pub(crate) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
