//! Turns of syncs on demand of one vendor.
//!
//! However many ask for a sync at the same time, the vendor is asked by one of them at a time. Whoever comes while a sync
//! is under way cannot use its result, which may be of before they came; they wait for the next one, and share it. So
//! nobody waits for more than two syncs, and a vendor that is slow is not asked the more often for it.
//!
//! Other processes sync the same vendor at the same time all the same, as workers do at intervals: there the vendor's row
//! lock lets one pass after the other.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::ports::FinishedSync;
use tokio::sync::Mutex;

use crate::problem::Problem;

type Answer = Result<FinishedSync, Problem>;

#[derive(Default)]
pub(super) struct Turns {
    /// How many runs have begun.
    begun: AtomicU64,
    /// The last run that ended, by its number.
    last: Mutex<Option<(u64, Answer)>>,
}

impl Turns {
    /// Runs, or waits for a run that begins after this call, and returns its answer. A run whose caller goes away in its
    /// middle is given up, and the next in the queue begins its own.
    pub(super) async fn run<F>(&self, run: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let begun_before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number > begun_before
        {
            return answer.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = run().await;
        *last = Some((number, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    /// A vendor that answers when it is let, and counts how often it was asked.
    struct Vendor {
        turns: Turns,
        asked: AtomicU64,
        gate: Semaphore,
    }

    impl Vendor {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                turns: Turns::default(),
                asked: AtomicU64::new(0),
                gate: Semaphore::new(0),
            })
        }

        /// Asks in a task of its own; the answer says how often the vendor was asked by then.
        fn ask(self: &Arc<Self>) -> JoinHandle<String> {
            let vendor = Arc::clone(self);
            tokio::spawn(async move {
                let run = || async {
                    let asked = vendor.asked.fetch_add(1, Ordering::SeqCst) + 1;
                    vendor.gate.acquire().await.unwrap().forget();
                    Err(Problem::not_found(asked.to_string()))
                };
                vendor.turns.run(run).await.unwrap_err().to_string()
            })
        }
    }

    async fn settle_down() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_come_while_one_is_under_way_share_the_next() {
        let vendor = Vendor::new();
        let first = vendor.ask();
        settle_down().await;
        let others: Vec<_> = (0..9).map(|_| vendor.ask()).collect();
        settle_down().await;
        assert_eq!(vendor.asked.load(Ordering::SeqCst), 1);
        vendor.gate.add_permits(10);
        assert_eq!(first.await.unwrap(), "not-found: 1");
        for other in others {
            assert_eq!(other.await.unwrap(), "not-found: 2");
        }
        assert_eq!(vendor.ask().await.unwrap(), "not-found: 3");
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_the_turn_to_the_next() {
        let vendor = Vendor::new();
        let first = vendor.ask();
        settle_down().await;
        let second = vendor.ask();
        settle_down().await;
        first.abort();
        vendor.gate.add_permits(10);
        assert_eq!(second.await.unwrap(), "not-found: 2");
    }
}
