//! Counts what the queue holds, at intervals, for readiness and the metrics: they are asked more often than the broker
//! should be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ports::{Backlog, Observer, OrderQueue};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Longest wait for one count.
const COUNT_TIMEOUT: Duration = Duration::from_secs(20);

/// What the queue held when it was counted last. Cloning shares it.
#[derive(Clone, Default)]
pub struct LastBacklog(Arc<Mutex<Option<Backlog>>>);

impl LastBacklog {
    /// The last count; none if the queue could not be counted.
    #[must_use]
    pub fn get(&self) -> Option<Backlog> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Backlog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts until told to stop.
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
                debug!(%error, "the queue cannot be counted");
                None
            }
            Err(_) => None,
        };
        *last.lock() = counted;
        tokio::select! {
            () = sleep(COUNT_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::{MockObserver, MockOrderQueue, QueueError};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_count_is_kept_until_a_count_fails() {
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
                _ => Err(QueueError::Unavailable("away".to_owned())),
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
        let look = async {
            sleep(COUNT_EVERY / 2).await;
            assert_eq!(last.get(), Some(backlog));
            sleep(COUNT_EVERY).await;
            assert_eq!(last.get(), None);
            stop.cancel();
        };
        tokio::join!(run(&queue, &observer, &last, &stop), look);
    }
}
