//! Notifications to systemd (`sd_notify(3)`) for units of `Type=notify`: ready, stopping, and the watchdog. Without the variable
//! `NOTIFY_SOCKET` nothing is sent.

use std::sync::Arc;
use std::time::Duration;

use readiness::ReadinessProbe;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Interval of the readiness checks until the process is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Time after which a process that runs but is not ready is reported as started, so that a missing broker or database does not
/// fail its unit: the process becomes ready when the dependency is back.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reports the process as started once `probe` is ready, at the latest after 30 s, and then serves the watchdog if the unit has
/// one (`WatchdogSec=`). Returns immediately; the task ends with the runtime. Requires a tokio runtime.
///
/// The watchdog shows that the tokio runtime of the process schedules tasks. It does not depend on the database or the
/// broker: a restart would not repair them.
pub fn report(probe: Arc<dyn ReadinessProbe>) -> Option<JoinHandle<()>> {
    std::env::var_os("NOTIFY_SOCKET")?;
    let watchdog = sd_notify::watchdog_enabled();
    Some(tokio::spawn(async move {
        let is_ready = || async { probe.readiness().await.is_ready() };
        run(is_ready, watchdog, send).await;
    }))
}

/// Reports that the process shuts down.
pub(crate) fn report_stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

async fn run<F, Fut>(
    is_ready: F,
    watchdog: Option<Duration>,
    send: impl Fn(&[NotifyState<'_>]) + Send,
) where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = bool> + Send,
{
    let became_ready = async {
        while !is_ready().await {
            sleep(POLL_INTERVAL).await;
        }
    };
    let status = if timeout(READY_TIMEOUT, became_ready).await.is_ok() {
        "ready"
    } else {
        "running, but was not ready within 30 s of its start: see /readyz"
    };
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
    let Some(interval) = watchdog else { return };
    loop {
        send(&[NotifyState::Watchdog]);
        // Half of the interval, as sd_watchdog_enabled(3) recommends.
        sleep(interval / 2).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    #[derive(Clone)]
    struct Recorded {
        started: Instant,
        sent: Arc<Mutex<Vec<(u128, String)>>>,
    }

    impl Recorded {
        fn new() -> Self {
            Self {
                started: Instant::now(),
                sent: Arc::default(),
            }
        }

        fn sender(&self) -> impl Fn(&[NotifyState<'_>]) + Send + use<> {
            let recorded = self.clone();
            move |states| {
                let text: Vec<String> = states.iter().map(ToString::to_string).collect();
                let at_ms = recorded.started.elapsed().as_millis();
                recorded
                    .sent
                    .lock()
                    .unwrap()
                    .push((at_ms, text.join("\n").trim().to_owned()));
            }
        }

        fn sent(&self) -> Vec<(u128, String)> {
            self.sent.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn process_is_reported_as_started_once_it_is_ready() {
        let recorded = Recorded::new();
        let started = Instant::now();
        let is_ready = || async move { started.elapsed() >= Duration::from_secs(2) };
        run(is_ready, None, recorded.sender()).await;
        let expected = (2_000, "READY=1\nSTATUS=ready".to_owned());
        assert_eq!(recorded.sent(), [expected]);
    }

    #[tokio::test(start_paused = true)]
    async fn process_that_never_becomes_ready_is_reported_as_started_after_a_time() {
        let recorded = Recorded::new();
        run(|| async { false }, None, recorded.sender()).await;
        let sent = recorded.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].1.starts_with("READY=1\nSTATUS=running, but"));
        assert!((30_000..30_200).contains(&sent[0].0), "{sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn watchdog_is_notified_twice_per_interval() {
        let recorded = Recorded::new();
        let watchdog = Some(Duration::from_secs(10));
        let running = run(|| async { true }, watchdog, recorded.sender());
        let _ = tokio::time::timeout(Duration::from_secs(12), running).await;
        let times: Vec<_> = recorded
            .sent()
            .into_iter()
            .filter(|(_, text)| text == "WATCHDOG=1")
            .map(|(at_ms, _)| at_ms)
            .collect();
        assert_eq!(times, [0, 5_000, 10_000]);
    }
}
