//! Commits in progress, and detection of commits that hang.
//!
//! A commit can exceed the server's time limits while it waits for the confirmation of a standby. It is never
//! cancelled, because a cancelled commit is visible but may not be on the standby. Its session stays open and keeps its
//! slot in the pool until the server responds; meanwhile no other transaction is begun.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::ports::StoreError;

/// Age at which a commit counts as hanging; the commit timeout if that is shorter.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// The commits in progress of one store.
#[derive(Debug)]
pub(crate) struct CommitWatch {
    /// Time that a use case waits for a commit.
    pub(crate) timeout: Duration,
    pending: Mutex<PendingCommits>,
}

#[derive(Debug, Default)]
struct PendingCommits {
    next: u64,
    /// Start of each commit; the first is the oldest.
    began: BTreeMap<u64, Instant>,
}

impl CommitWatch {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            pending: Mutex::default(),
        }
    }

    /// Registers a commit, which ends when the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> PendingCommit {
        let mut pending = self.lock();
        let number = pending.next;
        pending.next += 1;
        pending.began.insert(number, Instant::now());
        PendingCommit {
            watch: Arc::clone(self),
            number,
        }
    }

    /// Fails while a commit hangs, because further commits would hang as well.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let oldest = {
            let pending = self.lock();
            pending.began.values().next().map(Instant::elapsed)
        };
        match oldest {
            Some(age) if age >= HANGS_AFTER.min(self.timeout) => {
                Err(StoreError::Unavailable(format!(
                    "commits hang: the oldest has been waiting for {} s",
                    age.as_secs()
                )))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingCommits> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A commit whose outcome is not known yet.
#[derive(Debug)]
pub(crate) struct PendingCommit {
    watch: Arc<CommitWatch>,
    number: u64,
}

impl PendingCommit {
    pub(crate) fn age(&self) -> Duration {
        let began = self.watch.lock().began.get(&self.number).copied();
        began.map(|began| began.elapsed()).unwrap_or_default()
    }
}

impl Drop for PendingCommit {
    fn drop(&mut self) {
        self.watch.lock().began.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_fails_while_the_oldest_commit_hangs_and_succeeds_after_it_ended() {
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
