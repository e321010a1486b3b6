//! Moves the outbox to the queue: woken by new entries, and by a slow poll in case that a waking was lost.

use std::time::Duration;

use domain::ports::Listener;
use domain::services::Relay;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Relays until told to stop; a round that has begun is ended first.
pub async fn run(
    relay: &Relay,
    listener: &mut dyn Listener,
    poll: Duration,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut last_error: Option<String> = None;
    while !stop.is_cancelled() {
        match relay.run_once().await {
            Ok(claimed) => {
                backoff.reset();
                if last_error.take().is_some() {
                    info!("orders reach the queue again");
                }
                // Whatever was there may have been joined by more meanwhile; only an empty outbox is waited at.
                if claimed == 0 {
                    tokio::select! {
                        () = listener.wait(poll) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
            Err(error) => {
                let error = error.to_string();
                if last_error.as_ref() != Some(&error) {
                    warn!(error, "orders wait in the outbox");
                    last_error = Some(error);
                }
                tokio::select! {
                    () = tokio::time::sleep(backoff.next()) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}
