//! Waiting for what must come true, and no longer than that takes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::consumer::Consumer;
use crate::process::Process;

/// Longest wait for anything that must come true.
const PATIENCE: Duration = Duration::from_secs(90);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until a look finds something. What is waited for is named in the failure.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until a process says that it is ready.
pub(crate) async fn ready(process: &Process, client: &Consumer) {
    let started = Instant::now();
    while !client
        .try_get("/readyz")
        .await
        .is_ok_and(|answer| answer.status().is_success())
    {
        assert!(
            started.elapsed() < PATIENCE,
            "{} did not become ready; its log:\n{}",
            process.name(),
            process.log()
        );
        sleep(LOOK_EVERY).await;
    }
}
