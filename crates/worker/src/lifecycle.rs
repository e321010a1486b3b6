//! The worker's life after its start: until it is told to end, or cannot be looked after any more.

use std::future::Future;
use std::io;
use std::time::Duration;

use tracing::{error, info};

use crate::supervisor::Supervisor;

/// Returns when the tasks have ended: after `signal`, or after `pages`, which are not supposed to end by themselves.
/// Tells whether all went well, which is when a signal came and all tasks ended within `deadline`.
pub async fn run(
    supervisor: &Supervisor,
    signal: impl Future<Output = &'static str>,
    pages: impl Future<Output = io::Result<()>>,
    deadline: Duration,
) -> bool {
    // Without its pages nobody sees a worker that is stuck; one that ends is started anew.
    let told_to = tokio::select! {
        signal = signal => {
            info!(signal, "ending: settling what is held, taking nothing new");
            true
        }
        ended = pages => {
            let reason = ended.err().map(|error| error.to_string());
            error!(reason, "ending: the health pages are gone");
            false
        }
    };
    let in_time = supervisor.stop(deadline).await;
    told_to && in_time
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn supervisor(obeys: bool) -> Supervisor {
        let supervisor = Supervisor::default();
        supervisor.supervise("task", move |stop| async move {
            if !obeys {
                pending::<()>().await;
            }
            stop.cancelled().await;
            Ok(())
        });
        supervisor
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_it_well() {
        let supervisor = supervisor(true);
        assert!(run(&supervisor, ready("SIGTERM"), pending(), DEADLINE).await);
        assert!(supervisor.is_stopping());
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_must_be_aborted_are_a_failure() {
        let supervisor = supervisor(false);
        assert!(!run(&supervisor, ready("SIGTERM"), pending(), DEADLINE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_end_take_the_worker_along_and_are_a_failure() {
        for ended in [Ok(()), Err(io::Error::other("gone"))] {
            let supervisor = supervisor(true);
            assert!(!run(&supervisor, pending(), ready(ended), DEADLINE).await);
            assert!(supervisor.is_stopping());
        }
    }
}
