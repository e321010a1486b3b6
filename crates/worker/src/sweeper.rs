//! Runs the sweeper at intervals: it requeues lost orders and prunes old rows.

use std::time::Duration;

use domain::services::Sweeper;
use readiness::{Cause, TaskHealth};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::backoff::Backoff;

/// A failed sweep is retried after pauses from this to [`LONGEST_PAUSE`], or to the interval if that is shorter: the
/// interval may be an hour, and until the next sweep the process would stay not ready although writes work again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Sweeps at `interval` until `stop` is cancelled. Records the outcome of each sweep.
pub async fn run(
    sweeper: &Sweeper,
    interval: Duration,
    health: &TaskHealth,
    stop: &CancellationToken,
) {
    let longest = LONGEST_PAUSE.min(interval);
    let mut backoff = Backoff::new(FIRST_PAUSE.min(longest), longest);
    let mut pause = interval;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        match sweeper.sweep().await {
            Ok(swept) => {
                health.succeeded();
                backoff.reset();
                pause = interval;
                if swept.requeued > 0 || swept.keys_pruned > 0 || swept.dead_letters_pruned > 0 {
                    info!(
                        requeued = swept.requeued,
                        keys_pruned = swept.keys_pruned,
                        changes_pruned = swept.changes_pruned,
                        dead_letters_pruned = swept.dead_letters_pruned,
                        runs_pruned = swept.runs_pruned,
                        "sweep requeued orders or pruned rows"
                    );
                }
            }
            Err(error) => {
                health.failed(Cause::from(&error), &error);
                pause = backoff.next();
            }
        }
    }
}
