//! Sweeps at intervals.

use std::time::Duration;

use domain::services::Sweeper;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

/// Sweeps until told to stop.
pub async fn run(sweeper: &Sweeper, every: Duration, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
        match sweeper.sweep().await {
            Ok(swept) if swept.requeued > 0 || swept.keys_forgotten > 0 => info!(
                requeued = swept.requeued,
                keys_forgotten = swept.keys_forgotten,
                changes_forgotten = swept.changes_forgotten,
                "swept"
            ),
            Ok(_) => {}
            Err(error) => debug!(%error, "nothing swept; the next sweep will see"),
        }
    }
}
