//! Commits under way, and whether one hangs.
//!
//! A commit can wait outside the server's limits on time: for a standby that has to confirm it. It is never cancelled,
//! because a cancelled one is visible and may not be on the standby. Its session is kept open, outside the pool's use but
//! within its number, until the server responds; meanwhile no other transaction is begun.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::ports::StoreError;

/// A commit that takes longer than this hangs, unless it is allowed even less.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// The commits under way in one store.
#[derive(Debug)]
pub(crate) struct CommitWatch {
    /// How long a use case waits for a commit.
    pub(crate) timeout: Duration,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    /// When each began: the oldest is the first.
    began: BTreeMap<u64, Instant>,
}

impl CommitWatch {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            under_way: Mutex::default(),
        }
    }

    /// A commit begins; it ends when what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> CommitUnderWay {
        let mut under_way = self.lock();
        let number = under_way.next;
        under_way.next += 1;
        under_way.began.insert(number, Instant::now());
        CommitUnderWay {
            watch: Arc::clone(self),
            number,
        }
    }

    /// Fails while a commit hangs: another one would hang as well.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let oldest = {
            let under_way = self.lock();
            under_way.began.values().next().map(Instant::elapsed)
        };
        match oldest {
            Some(age) if age >= HANGS_AFTER.min(self.timeout) => {
                Err(StoreError::Unavailable(format!(
                    "commits hang: the oldest has waited for {} s",
                    age.as_secs()
                )))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A commit of which no outcome is known yet.
#[derive(Debug)]
pub(crate) struct CommitUnderWay {
    watch: Arc<CommitWatch>,
    number: u64,
}

impl CommitUnderWay {
    pub(crate) fn age(&self) -> Duration {
        let began = self.watch.lock().began.get(&self.number).copied();
        began.map(|began| began.elapsed()).unwrap_or_default()
    }
}

impl Drop for CommitUnderWay {
    fn drop(&mut self) {
        self.watch.lock().began.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_commit_decides_and_an_end_is_enough_to_begin_again() {
        let watch = Arc::new(CommitWatch::new(Duration::from_millis(20)));
        watch.check().unwrap();
        let hanging = watch.begin();
        watch.check().unwrap();
        std::thread::sleep(Duration::from_millis(30));
        let quick = watch.begin();
        let refused = watch.check().unwrap_err();
        assert!(refused.is_retryable() && !refused.is_commit_unknown());
        drop(hanging);
        watch.check().unwrap();
        drop(quick);
    }
}
