//! Probes by the process itself: one that is not ready gets no requests, so no write of a use case would show that writes
//! work again.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::WriteProbe;
use tokio::time::sleep;

use crate::{Cause, TaskHealth};

/// The pause before each probe.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// Probes once at the start, and then as long as the last write failed, every 2 s. Never returns.
///
/// A probe that hangs is waited for: each one that was given up would leave a session behind in the store.
pub async fn probe_writes(probe: Arc<dyn WriteProbe>, health: TaskHealth) {
    loop {
        match probe.probe_write().await {
            Ok(()) => health.succeeded(),
            Err(error) => health.failed(Cause::from(&error), &error),
        }
        health.until_failing().await;
        sleep(PROBE_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use domain::ports::{MockWriteProbe, StoreError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_probed_until_writes_work_and_then_no_more() {
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
