//! What is written in one transaction, and who waits for it.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use super::job::{Caller, Job, Outcome};
use super::{PlaceOrderError, writer, writer_died, writer_is_gone};
use crate::ports::{Acceptance, NewOrder, StoreError};

/// Jobs of one transaction: all their orders one after the other, and for each job its caller and how many are its own.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) orders: Vec<NewOrder>,
    jobs: Vec<(Caller, usize)>,
    /// Whether a commit was sent whose outcome is not known yet.
    committing: AtomicBool,
}

/// The writer ended in the middle, by a panic or because it was dropped.
impl Drop for Transaction {
    fn drop(&mut self) {
        let committing = self.committing.load(Ordering::Relaxed);
        for (caller, _) in self.jobs.drain(..) {
            let error = if committing {
                writer_died()
            } else {
                writer_is_gone()
            };
            caller.fail(error.into());
        }
    }
}

impl Transaction {
    /// A commit is about to be sent, or its outcome is known.
    pub(super) fn set_committing(&self, committing: bool) {
        self.committing.store(committing, Ordering::Relaxed);
    }

    /// Takes a job in. A caller that went away meanwhile is spared the write.
    pub(super) fn add(&mut self, job: Job) {
        if !job.caller.is_gone() {
            self.jobs.push((job.caller, job.orders.len()));
            self.orders.extend(job.orders);
        }
    }

    /// Whether there is one job, which cannot be divided.
    pub(super) fn is_single(&self) -> bool {
        self.jobs.len() == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn halve(mut self) -> (Self, Self) {
        let middle = self.jobs.len() / 2;
        let older = self.jobs[..middle].iter().map(|(_, orders)| orders).sum();
        let newer = Self {
            orders: self.orders.split_off(older),
            jobs: self.jobs.split_off(middle),
            committing: AtomicBool::new(false),
        };
        (self, newer)
    }

    /// The jobs that may not be committed: of which orders were created although the job is refused. Those of a job of
    /// one order are all or nothing by themselves.
    pub(super) fn misfits(&self, accepted: &[Acceptance]) -> Vec<usize> {
        let mut misfits = Vec::new();
        let mut first = 0;
        for (at, (_, count)) in self.jobs.iter().enumerate() {
            let own = first..first + count;
            first += count;
            if *count == 1 {
                continue;
            }
            let (Some(orders), Some(accepted)) = (self.orders.get(own.clone()), accepted.get(own))
            else {
                continue;
            };
            let any_created = accepted.iter().any(|it| it.created().is_some());
            let outcome = any_created.then(|| Outcome::of(orders, accepted.to_vec()));
            if matches!(outcome, Some(Outcome::KeyReused | Outcome::Torn)) {
                misfits.push(at);
            }
        }
        misfits
    }

    /// Takes these jobs out and answers them with what became of each.
    pub(super) fn refuse(mut self, misfits: &[usize], accepted: Vec<Acceptance>) -> Self {
        let mut rest = Self::default();
        let mut orders = mem::take(&mut self.orders).into_iter();
        let mut accepted = accepted.into_iter();
        for (at, (caller, count)) in mem::take(&mut self.jobs).into_iter().enumerate() {
            let own: Vec<NewOrder> = orders.by_ref().take(count).collect();
            let of_own: Vec<Acceptance> = accepted.by_ref().take(count).collect();
            if misfits.contains(&at) {
                caller.answer(Outcome::of(&own, of_own));
            } else {
                rest.orders.extend(own);
                rest.jobs.push((caller, count));
            }
        }
        rest
    }

    /// Answers everybody, after the commit.
    pub(super) fn answer(mut self, accepted: Vec<Acceptance>) {
        let jobs = mem::take(&mut self.jobs);
        let mut orders = self.orders.as_slice();
        let mut accepted = accepted.into_iter();
        for (caller, count) in jobs {
            let (own, others) = orders.split_at(count.min(orders.len()));
            orders = others;
            caller.answer(Outcome::of(own, accepted.by_ref().take(count).collect()));
        }
    }

    pub(super) fn fail(mut self, error: &StoreError) {
        for (caller, _) in mem::take(&mut self.jobs) {
            caller.fail(writer::copy_of(error).into());
        }
    }

    pub(super) fn fail_alone(mut self, error: StoreError) {
        if let Some((caller, _)) = mem::take(&mut self.jobs).into_iter().next() {
            caller.fail(PlaceOrderError::from(error));
        }
    }
}
