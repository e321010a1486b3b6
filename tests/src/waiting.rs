//! Polling until a condition holds.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::consumer::Consumer;
use crate::process::Process;

/// Maximum wait for a condition.
const TIMEOUT: Duration = Duration::from_secs(90);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

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

/// Waits until a process is ready.
pub(crate) async fn ready(process: &Process, client: &Consumer) {
    let started = Instant::now();
    while !client
        .try_get("/readyz")
        .await
        .is_ok_and(|response| response.status().is_success())
    {
        assert!(
            started.elapsed() < TIMEOUT,
            "{} did not become ready; its log:\n{}",
            process.name(),
            process.log()
        );
        sleep(POLL_INTERVAL).await;
    }
}
