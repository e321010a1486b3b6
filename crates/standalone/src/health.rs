//! Readiness of the whole process, for whoever asks the API.

use async_trait::async_trait;
use readiness::{Dependency, DependencyState, Readiness, ReadinessProbe};
use tracing::warn;
use worker::health::Health;

/// Stands for every reason: the page is open to all, and reasons are for the log.
const SEE_LOG: &str = "the log says why";

/// The worker's tasks and the store, with the queue as a part of the process.
pub(crate) struct ProcessReadiness(pub(crate) Health);

#[async_trait]
impl ReadinessProbe for ProcessReadiness {
    async fn readiness(&self) -> Readiness {
        let mut readiness = self.0.readiness().await;
        // A queue in the process is always there; while it is full, orders wait in the outbox, as its lag shows.
        readiness.dependencies.broker = Dependency {
            state: DependencyState::InProcess,
            detail: None,
        };
        if !readiness.is_ready() && readiness.closed.is_none() {
            warn!(?readiness, "not ready");
        }
        without_reasons(&mut readiness);
        readiness
    }
}

fn without_reasons(readiness: &mut Readiness) {
    let tasks = readiness.tasks.iter_mut().flatten();
    let reasons = tasks.flat_map(|(_, task)| [&mut task.detail, &mut task.last_error]);
    for reason in reasons.chain([&mut readiness.dependencies.database.detail]) {
        if reason.is_some() {
            *reason = Some(SEE_LOG.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use domain::ports::{MockOrderQueue, MockStoreProbe, OutboxLag, QueueError, StoreError};
    use readiness::TaskState;
    use worker::supervisor::Supervisor;

    use super::*;

    const REASON: &str = "secret path";

    fn process(
        lag: fn() -> Result<OutboxLag, StoreError>,
        queue: fn() -> Result<(), QueueError>,
    ) -> ProcessReadiness {
        let mut probe = MockStoreProbe::new();
        probe.expect_outbox_lag().returning(lag);
        let mut order_queue = MockOrderQueue::new();
        order_queue.expect_probe().returning(queue);
        ProcessReadiness(Health {
            probe: Arc::new(probe),
            queue: Arc::new(order_queue),
            consumers: BTreeMap::new(),
            supervisor: Supervisor::default(),
        })
    }

    #[tokio::test]
    async fn a_queue_that_is_full_keeps_nobody_from_ordering() {
        let lag = || {
            Ok(OutboxLag {
                oldest: Some(Duration::from_secs(9)),
            })
        };
        let full = || Err(QueueError::Unavailable("it is full".to_owned()));
        let readiness = process(lag, full).readiness().await;
        assert!(readiness.is_ready());
        assert_eq!(
            readiness.dependencies.broker.state,
            DependencyState::InProcess
        );
        assert_eq!(readiness.outbox_lag, Some(Duration::from_secs(9)));
    }

    #[tokio::test]
    async fn a_store_that_fails_is_not_ready_and_says_no_more() {
        let lag = || Err(StoreError::Unavailable(REASON.to_owned()));
        let readiness = process(lag, || Ok(())).readiness().await;
        assert!(!readiness.is_ready());
        assert!(!format!("{readiness:?}").contains(REASON));
    }

    #[tokio::test]
    async fn a_task_that_is_started_again_shows_without_its_reason() {
        let lag = || Ok(OutboxLag { oldest: None });
        let process = process(lag, || Ok(()));
        process
            .0
            .supervisor
            .supervise("flaky", |_| async { Err(REASON.to_owned()) });
        let readiness = loop {
            let readiness = process.readiness().await;
            if !readiness.is_ready() {
                break readiness;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(
            readiness.tasks.as_ref().unwrap()["flaky"].state,
            TaskState::Restarting
        );
        assert!(!format!("{readiness:?}").contains(REASON));
    }
}
