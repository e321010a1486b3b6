//! The lifecycle of a worker after its start: until a stop signal, or until its health server stops.

use std::future::Future;
use std::io;
use std::time::Duration;

use tracing::{error, info};

use crate::supervisor::Supervisor;

/// Waits for `signal`, or for `pages`, which are not expected to end first; then stops the tasks. Returns whether a signal
/// was received and all tasks ended within `deadline`.
pub async fn run(
    supervisor: &Supervisor,
    signal: impl Future<Output = &'static str>,
    pages: impl Future<Output = io::Result<()>>,
    deadline: Duration,
) -> bool {
    // Without the health server a stuck worker is not noticed; a worker that ends is restarted.
    let is_signalled = tokio::select! {
        signal = signal => {
            info!(signal, "shutting down: settling the batches in progress");
            true
        }
        ended = pages => {
            let reason = ended.err().map(|error| error.to_string());
            error!(reason, "shutting down: the health server has stopped");
            false
        }
    };
    let in_time = supervisor.stop(deadline).await;
    is_signalled && in_time
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn supervisor(stops: bool) -> Supervisor {
        let supervisor = Supervisor::default();
        supervisor.supervise("task", (), move |(), stop| async move {
            if !stops {
                pending::<()>().await;
            }
            stop.cancelled().await;
            Ok(())
        });
        supervisor
    }

    #[tokio::test(start_paused = true)]
    async fn worker_ends_successfully_after_a_signal() {
        let supervisor = supervisor(true);
        assert!(run(&supervisor, ready("SIGTERM"), pending(), DEADLINE).await);
        assert!(supervisor.is_stopping());
    }

    #[tokio::test(start_paused = true)]
    async fn worker_fails_when_a_task_must_be_aborted() {
        let supervisor = supervisor(false);
        assert!(!run(&supervisor, ready("SIGTERM"), pending(), DEADLINE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn worker_fails_when_its_health_server_stops() {
        for ended in [Ok(()), Err(io::Error::other("gone"))] {
            let supervisor = supervisor(true);
            assert!(!run(&supervisor, pending(), ready(ended), DEADLINE).await);
            assert!(supervisor.is_stopping());
        }
    }
}
