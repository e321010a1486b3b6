//! Publishes the outbox to the queue. Woken by notifications of new entries, and by a slow poll if a notification is lost.

use std::time::Duration;

use domain::ports::Listener;
use domain::services::Relay;
use readiness::{Cause, TaskHealth};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Relays until `stop` is cancelled; a round in progress is completed first. Records the outcome of each round.
pub async fn run(
    relay: &Relay,
    listener: &mut dyn Listener,
    poll: Duration,
    health: &TaskHealth,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while !stop.is_cancelled() {
        match relay.run_once().await {
            Ok(claimed) => {
                backoff.reset();
                health.succeeded();
                // Entries may have been added during the round: wait only if the outbox was empty.
                if claimed == 0 {
                    tokio::select! {
                        () = listener.wait(poll) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
            Err(error) => {
                health.failed(Cause::from(&error), &error);
                tokio::select! {
                    () = tokio::time::sleep(backoff.next()) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}
