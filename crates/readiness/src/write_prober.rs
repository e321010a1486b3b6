//! Write probes: a process that is not ready gets no requests, so without probes no write would show that the store has
//! recovered.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::WriteProbe;
use tokio::time::sleep;

use crate::{Cause, TaskHealth};

/// Pause before each probe.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// Probes once at the start, and then every 2 s while the last write failed. Never returns.
///
/// A probe has no timeout: each abandoned probe would leave a session open in the store.
pub async fn probe_writes(probe: Arc<dyn WriteProbe>, health: TaskHealth) {
    loop {
        match probe.probe_write().await {
            Ok(()) => health.succeeded(),
            Err(error) => health.failed(Cause::from(&error), &error),
        }
        health.wait_until_failing().await;
        sleep(PROBE_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use domain::ports::{MockWriteProbe, StoreError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_are_probed_only_while_they_fail() {
        let (works, calls) = (
            Arc::new(AtomicBool::new(true)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (is_up, count) = (Arc::clone(&works), Arc::clone(&calls));
        let mut probe = MockWriteProbe::new();
        probe.expect_probe_write().returning(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let full = StoreError::Unavailable("full".to_owned());
            is_up.load(Ordering::Relaxed).then_some(()).ok_or(full)
        });
        let health = TaskHealth::new("batch_writer");
        let prober = tokio::spawn(probe_writes(Arc::new(probe), health.clone()));
        sleep(Duration::from_mins(1)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1);

        works.store(false, Ordering::Relaxed);
        health.failed(Cause::StoreUnavailable, &"full");
        sleep(Duration::from_secs(9)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 5);
        assert_eq!(health.cause(), Some(Cause::StoreUnavailable));

        works.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(health.cause(), None);
        sleep(Duration::from_mins(1)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 6);
        prober.abort();
    }
}
