//! Sweeps at intervals.

use std::time::Duration;

use domain::services::Sweeper;
use readiness::{Cause, TaskHealth};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::backoff::Backoff;

/// A sweep that failed is tried again after pauses of this to [`LONGEST_PAUSE`], or to the interval if that is shorter: the
/// interval may be an hour, and until the next sweep nothing would show that writes work again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Sweeps until told to stop. Records the outcome of each sweep.
pub async fn run(
    sweeper: &Sweeper,
    every: Duration,
    health: &TaskHealth,
    stop: &CancellationToken,
) {
    let longest = LONGEST_PAUSE.min(every);
    let mut backoff = Backoff::new(FIRST_PAUSE.min(longest), longest);
    let mut pause = every;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        match sweeper.sweep().await {
            Ok(swept) => {
                health.succeeded();
                backoff.reset();
                pause = every;
                if swept.requeued > 0 || swept.keys_forgotten > 0 || swept.dead_letters_pruned > 0 {
                    info!(
                        requeued = swept.requeued,
                        keys_forgotten = swept.keys_forgotten,
                        changes_forgotten = swept.changes_forgotten,
                        dead_letters_pruned = swept.dead_letters_pruned,
                        "swept"
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
