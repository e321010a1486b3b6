//! Unreadable messages on their way to the dead-letter queue.
//!
//! They go over a connection of their own, opened with the first of them: once a connection publishes, a broker that runs
//! short of memory stops reading from it, and the acknowledgements of good messages would be stuck with it. Until the
//! broker has taken the copy the original stays unacknowledged, and is tried again after a pause. The session goes on
//! meanwhile: to restart it would count as a failed delivery for each of the neighbours.
//!
//! When the session ends before the original is acknowledged, the message comes again and is put aside twice.

use std::collections::VecDeque;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use domain::ports::QueueError;
use tracing::warn;

use crate::backoff::Backoff;
use crate::options::RabbitOptions;
use crate::outgoing::Outgoing;
use crate::publisher::{Published, Publisher};
use crate::reply::Reply;
use crate::wording::one_line;

/// Most copies handed to the publisher at once.
const MAX_AT_ONCE: usize = 64;

/// A copy, and the delivery it was made from.
#[derive(Debug, Clone)]
struct Letter {
    tag: u64,
    copy: Outgoing,
}

/// What became of the copies of one round.
pub(crate) struct Outcome {
    round: u64,
    result: Result<Published, QueueError>,
}

/// The copies of one consumer.
pub(crate) struct SetAside {
    options: RabbitOptions,
    publisher: Option<Publisher>,
    waiting: VecDeque<Letter>,
    under_way: Vec<Letter>,
    /// Counts what was handed over, so that an outcome of an earlier session is told apart.
    round: u64,
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl SetAside {
    pub(crate) fn new(mut options: RabbitOptions) -> Self {
        options.connection_name.push_str(" (dead letters)");
        Self {
            options,
            publisher: None,
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            round: 0,
            outcomes: crossbeam_channel::unbounded(),
            backoff: Backoff::new(),
            not_before: None,
        }
    }

    /// Where outcomes arrive, to be handed to [`Self::heard`].
    pub(crate) fn outcomes(&self) -> Receiver<Outcome> {
        self.outcomes.1.clone()
    }

    /// When [`Self::send_due`] has something to do by itself.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.not_before.filter(|_| !self.waiting.is_empty())
    }

    /// Takes a copy on its way.
    pub(crate) fn add(&mut self, tag: u64, copy: Outgoing) {
        self.waiting.push_back(Letter { tag, copy });
        self.send_due();
    }

    /// Hands copies to the publisher unless some are under way or a pause is on.
    pub(crate) fn send_due(&mut self) {
        let paused = self.not_before.is_some_and(|at| at > Instant::now());
        if paused || !self.under_way.is_empty() || self.waiting.is_empty() {
            return;
        }
        self.not_before = None;
        let count = self.waiting.len().min(MAX_AT_ONCE);
        self.under_way = self.waiting.drain(..count).collect();
        self.round += 1;
        let (round, outcomes) = (self.round, self.outcomes.0.clone());
        let reply = Reply::to(move |result| {
            // The consumer may have ended.
            let _ = outcomes.send(Outcome { round, result });
        });
        let copies = self.under_way.iter().map(|it| it.copy.clone()).collect();
        self.publisher
            .get_or_insert_with(|| Publisher::start(self.options.clone()))
            .submit(copies, reply);
    }

    /// Returns the tags of the deliveries that may be acknowledged now.
    pub(crate) fn heard(&mut self, outcome: Outcome) -> Vec<u64> {
        if outcome.round != self.round || self.under_way.is_empty() {
            return Vec::new();
        }
        let letters = std::mem::take(&mut self.under_way);
        let (confirmed, reason) = match outcome.result {
            Ok(published) => (published.confirmed, published.cut_short),
            Err(error) => {
                if error == QueueError::Closed {
                    // Its threads are gone; the next round starts others.
                    self.publisher = None;
                }
                (vec![false; letters.len()], Some(one_line(error)))
            }
        };
        let mut done = Vec::new();
        for (letter, confirmed) in letters.into_iter().zip(confirmed).rev() {
            if confirmed {
                done.push(letter.tag);
            } else {
                self.waiting.push_front(letter);
            }
        }
        if self.waiting.is_empty() {
            self.backoff = Backoff::new();
        } else if done.is_empty() {
            self.not_before = Some(Instant::now() + self.backoff.after_failure());
            warn!(
                messages = self.waiting.len(),
                reason = reason.as_deref().unwrap_or("the broker refused them"),
                "unreadable messages cannot be put aside yet"
            );
        }
        self.send_due();
        done
    }

    /// The session has ended: the originals come again.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
        self.under_way.clear();
        self.round += 1;
    }
}
