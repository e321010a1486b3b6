//! Single flight of syncs on demand of one vendor.
//!
//! At most one sync per vendor runs at a time, for any number of concurrent callers. A caller that arrives during a sync
//! cannot use its result, which may predate the call; all such callers wait for the next sync and share its result. So a
//! caller waits for at most two syncs, and a slow vendor does not receive more requests.
//!
//! Other processes may sync the same vendor concurrently, as workers do at intervals. The lock on the vendor's row
//! serializes these syncs.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::ports::FinishedSync;
use tokio::sync::Mutex;

use crate::problem::Problem;

type SyncResult = Result<FinishedSync, Problem>;

#[derive(Default)]
pub(super) struct SingleFlight {
    /// Number of runs started.
    started: AtomicU64,
    /// The number and result of the last finished run.
    last: Mutex<Option<(u64, SyncResult)>>,
}

impl SingleFlight {
    /// Runs, or waits for a run that starts after this call, and returns its result. If the caller of a run is dropped, its
    /// run is cancelled, and the next waiting caller starts a new one.
    pub(super) async fn run<F>(&self, run: impl FnOnce() -> F) -> SyncResult
    where
        F: Future<Output = SyncResult>,
    {
        let started_before = self.started.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, result)) = &*last
            && *number > started_before
        {
            return result.clone();
        }
        let number = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        let result = run().await;
        *last = Some((number, result.clone()));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    /// A vendor that counts requests, and responds when the test releases a permit.
    struct Vendor {
        syncs: SingleFlight,
        requests: AtomicU64,
        responses: Semaphore,
    }

    impl Vendor {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                syncs: SingleFlight::default(),
                requests: AtomicU64::new(0),
                responses: Semaphore::new(0),
            })
        }

        /// Starts a sync in a task. Its result contains the number of requests so far.
        fn sync(self: &Arc<Self>) -> JoinHandle<String> {
            let vendor = Arc::clone(self);
            tokio::spawn(async move {
                let run = || async {
                    let requests = vendor.requests.fetch_add(1, Ordering::SeqCst) + 1;
                    vendor.responses.acquire().await.unwrap().forget();
                    Err(Problem::not_found(requests.to_string()))
                };
                vendor.syncs.run(run).await.unwrap_err().to_string()
            })
        }
    }

    async fn run_other_tasks() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn callers_during_a_sync_share_the_next_one() {
        let vendor = Vendor::new();
        let first = vendor.sync();
        run_other_tasks().await;
        let others: Vec<_> = (0..9).map(|_| vendor.sync()).collect();
        run_other_tasks().await;
        assert_eq!(vendor.requests.load(Ordering::SeqCst), 1);
        vendor.responses.add_permits(10);
        assert_eq!(first.await.unwrap(), "not-found: 1");
        for other in others {
            assert_eq!(other.await.unwrap(), "not-found: 2");
        }
        assert_eq!(vendor.sync().await.unwrap(), "not-found: 3");
    }

    #[tokio::test]
    async fn next_caller_starts_a_sync_when_one_is_cancelled() {
        let vendor = Vendor::new();
        let first = vendor.sync();
        run_other_tasks().await;
        let second = vendor.sync();
        run_other_tasks().await;
        first.abort();
        vendor.responses.add_permits(10);
        assert_eq!(second.await.unwrap(), "not-found: 2");
    }
}
