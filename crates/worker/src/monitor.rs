//! Counts the messages in the queues at intervals, for readiness and metrics, which are read more often than the broker
//! should be queried.

use std::time::Duration;

use domain::ports::{Backlog, Observer, OrderQueue};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// Timeout of one count.
const COUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// The last count of the queues. Clones share it.
#[derive(Clone, Default)]
pub struct LastBacklog(watch::Sender<Option<Backlog>>);

impl LastBacklog {
    /// The last count; `None` if it failed.
    #[must_use]
    pub fn get(&self) -> Option<Backlog> {
        *self.0.borrow()
    }
}

/// Counts until `stop` is cancelled.
pub async fn run(
    queue: &dyn OrderQueue,
    observer: &dyn Observer,
    last: &LastBacklog,
    stop: &CancellationToken,
) {
    loop {
        let counted = match timeout(COUNT_TIMEOUT, queue.backlog()).await {
            Ok(Ok(backlog)) => {
                observer.backlog(&backlog);
                Some(backlog)
            }
            Ok(Err(error)) => {
                debug!(%error, "the queues cannot be counted");
                None
            }
            Err(_) => None,
        };
        last.0.send_replace(counted);
        tokio::select! {
            () = sleep(COUNT_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::{MockObserver, MockOrderQueue, QueueError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn last_count_is_kept_until_a_count_fails() {
        let backlog = Backlog {
            waiting: 7,
            surplus: 2,
            dead: 1,
        };
        let mut queue = MockOrderQueue::new();
        let mut counts = 0;
        queue.expect_backlog().returning(move || {
            counts += 1;
            match counts {
                1 => Ok(backlog),
                _ => Err(QueueError::Unavailable("refused".to_owned())),
            }
        });
        let mut observer = MockObserver::new();
        observer
            .expect_backlog()
            .withf(move |seen| *seen == backlog)
            .times(1)
            .return_const(());
        let (last, stop) = (LastBacklog::default(), CancellationToken::new());
        assert_eq!(last.get(), None);
        let checks = async {
            sleep(COUNT_INTERVAL / 2).await;
            assert_eq!(last.get(), Some(backlog));
            sleep(COUNT_INTERVAL).await;
            assert_eq!(last.get(), None);
            stop.cancel();
        };
        tokio::join!(run(&queue, &observer, &last, &stop), checks);
    }
}
