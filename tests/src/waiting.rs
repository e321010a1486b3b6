//! Polling until a condition holds.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Maximum wait for a condition.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);

pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until `poll` returns a value, and returns it. `condition` is named in the panic message on timeout.
pub async fn eventually<T>(condition: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "timed out after {TIMEOUT:?} waiting until {condition}"
        );
        sleep(POLL_INTERVAL).await;
    }
}
