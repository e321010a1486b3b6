//! One reader of events, from where it was to where everybody is, and on from there.
//!
//! It is polled only when its connection takes more. While it waits it holds an offset and nothing else: of the log while it
//! catches up, of the feed after that. The few that read the log, and that wait for the bandwidth of all, hold a frame.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use domain::ports::{ChangesRead, StoreError};
use domain::position::Position;
use futures_util::stream::{self, Stream};
use metrics::EventMetrics;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::budget::Budget;
use super::feed::{Feed, Next, Place, Seat};
use super::frames::{self, Frame};
use super::{Live, LivePorts};
use crate::failure;
use crate::shutdown::Shutdown;

/// Longest silence.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Pause before a look at the log that is not there yet, or that is held back.
const PAUSE: Duration = Duration::from_millis(100);

/// Entries that one reader reads of the log at a time while it catches up.
const PAGE: u32 = 4;

pub(super) struct Reader {
    ports: Arc<LivePorts>,
    feed: Arc<Feed>,
    budget: Arc<Budget>,
    /// Few read the log at a time.
    catching_up: Arc<Semaphore>,
    shutdown: Shutdown,
    moves: watch::Receiver<()>,
    _seat: Seat,
    counted: Counted,
    /// It has everything up to here.
    after: Position,
    /// Whether it was sent a reset, and nothing after it.
    was_reset: bool,
    state: State,
}

/// Counts the reader in the metrics until it is gone.
struct Counted(EventMetrics);

impl Counted {
    fn new(metrics: EventMetrics) -> Self {
        metrics.readers.inc();
        Self(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.readers.dec();
    }
}

enum State {
    Opening,
    /// So many frames of the log entry that comes next are sent.
    CatchingUp(usize),
    Following(Place),
    Ended,
}

/// What was found in the log.
enum Read {
    /// The frame that is sent next.
    Frame(Frame),
    /// No entry yet.
    Nothing,
    /// Another entry than before, which has fewer frames.
    Other,
    /// Entries after the offset are no longer known.
    Gone,
}

/// What a step came to.
enum Step {
    Send(Bytes),
    /// Send it, and it was the last.
    End(Bytes),
    Again,
    /// There is nothing before something moves.
    Idle,
}

impl Reader {
    pub(super) fn new(
        live: &Live,
        seat: Seat,
        metrics: EventMetrics,
        shutdown: Shutdown,
        after: Position,
    ) -> Self {
        Self {
            ports: Arc::clone(&live.ports),
            moves: live.feed.moves(),
            feed: Arc::clone(&live.feed),
            budget: Arc::clone(&live.budget),
            catching_up: Arc::clone(&live.catching_up),
            counted: Counted::new(metrics),
            shutdown,
            _seat: seat,
            after,
            was_reset: false,
            state: State::Opening,
        }
    }

    /// Everything that is sent, until the stream ends.
    pub(super) fn stream(self) -> impl Stream<Item = Bytes> {
        let silence = Box::pin(sleep(HEARTBEAT));
        stream::unfold((self, silence), |(mut reader, mut silence)| async move {
            let bytes = match reader.at_once() {
                Some(bytes) => bytes,
                None => reader.next(&mut silence).await?,
            };
            Some((bytes, (reader, silence)))
        })
    }

    /// What is given most of the time, without waiting for anything: the next frame of the feed.
    fn at_once(&mut self) -> Option<Bytes> {
        let State::Following(mut place) = self.state else {
            return None;
        };
        if self.shutdown.is_announced() {
            return None;
        }
        let Next::Frame(frame) = self.feed.next(&mut place) else {
            return None;
        };
        let is_there = self.budget.try_take(frame.bytes.len());
        is_there.then(|| self.give(place, frame))
    }

    async fn next(&mut self, silence: &mut Pin<Box<Sleep>>) -> Option<Bytes> {
        silence.as_mut().reset(Instant::now() + HEARTBEAT);
        loop {
            if matches!(self.state, State::Ended) {
                return None;
            }
            if self.shutdown.is_announced() {
                self.state = State::Ended;
                return Some(frames::closing());
            }
            self.moves.mark_unchanged();
            let shutdown = self.shutdown.clone();
            let step = tokio::select! {
                step = self.step() => step,
                () = shutdown.announced() => Step::Again,
                () = silence.as_mut() => Step::Send(frames::heartbeat()),
            };
            match step {
                Step::Send(bytes) => return Some(bytes),
                Step::End(bytes) => {
                    self.state = State::Ended;
                    return Some(bytes);
                }
                Step::Again => {}
                Step::Idle => tokio::select! {
                    _ = self.moves.changed() => {}
                    () = self.shutdown.announced() => {}
                    () = silence.as_mut() => return Some(frames::heartbeat()),
                },
            }
        }
    }

    /// May be given up at any `await`: its state moves on only after the last one.
    async fn step(&mut self) -> Step {
        match &mut self.state {
            State::Opening => {
                self.state = State::CatchingUp(0);
                Step::Send(frames::opening(self.after))
            }
            State::CatchingUp(sent) => {
                let sent = *sent;
                self.catch_up(sent).await
            }
            State::Following(place) => {
                let place = *place;
                self.follow(place).await
            }
            State::Ended => Step::Idle,
        }
    }

    /// While it stands in line for the budget it holds no frame, so that it may miss what is not kept for anybody else.
    async fn follow(&mut self, from: Place) -> Step {
        let budget = Arc::clone(&self.budget);
        let mut place = from;
        let turn = match self.feed.next(&mut place) {
            Next::Frame(_) => Some(budget.turn().await),
            _ => None,
        };
        place = from;
        match (self.feed.next(&mut place), turn) {
            (Next::Frame(frame), Some(turn)) => {
                turn.take(frame.bytes.len()).await;
                Step::Send(self.give(place, frame))
            }
            (Next::Frame(_), None) => Step::Again,
            (Next::Wait, _) => Step::Idle,
            (Next::Missed, _) => {
                self.counted.0.dropped.inc();
                Step::End(frames::dropped())
            }
            (Next::Restarted, _) => {
                self.state = State::CatchingUp(0);
                Step::Again
            }
        }
    }

    /// It has this frame of the feed, and goes on at the place after it.
    fn give(&mut self, next: Place, frame: Frame) -> Bytes {
        self.state = State::Following(next);
        self.was_reset = false;
        if frame.is_last {
            self.after = frame.position;
        }
        frame.bytes
    }

    /// Joins the others if everything that is missing is in the feed, else goes on with the log.
    async fn catch_up(&mut self, sent: usize) -> Step {
        if sent == 0 {
            if self.feed.is_behind(self.after) {
                // It is carried on at its pace. If it does not come so far, the log tells why.
                let _ = timeout(PAUSE, self.moves.changed()).await;
            }
            if let Some(place) = self.feed.place_after(self.after) {
                self.state = State::Following(place);
                return Step::Again;
            }
        }
        if self.feed.past(self.after, sent).is_some() {
            // It waits without the frame, which may be dropped meanwhile.
            let budget = Arc::clone(&self.budget);
            let turn = budget.turn().await;
            if let Some(frame) = self.feed.past(self.after, sent) {
                turn.take(frame.bytes.len()).await;
                return self.give_past(sent, frame);
            }
        }
        self.read_log(sent).await
    }

    /// Reads the log, and sends a frame of it.
    async fn read_log(&mut self, sent: usize) -> Step {
        let permits = Arc::clone(&self.catching_up);
        let Ok(permit) = permits.acquire().await else {
            return Step::Idle;
        };
        let read = match self.feed.past(self.after, sent) {
            // Another one has read it while this one waited.
            Some(frame) => Ok(Read::Frame(frame)),
            None => self.read_page(sent).await,
        };
        match read {
            Ok(Read::Frame(frame)) => {
                // With the permit: few hold a frame that waits.
                self.budget.turn().await.take(frame.bytes.len()).await;
                self.give_past(sent, frame)
            }
            Ok(Read::Nothing) => {
                drop(permit);
                self.was_reset = false;
                // The feed is about to begin, or what comes next is held back.
                let _ = timeout(PAUSE, self.moves.changed()).await;
                Step::Again
            }
            Ok(Read::Other) => {
                self.state = State::CatchingUp(0);
                Step::Again
            }
            Ok(Read::Gone) if self.was_reset => break_off(&StoreError::Unavailable(
                "the change log cannot be read from its newest offset".to_owned(),
            )),
            Ok(Read::Gone) => match self.ports.changes.newest_change().await {
                Ok(newest) => {
                    self.after = newest;
                    self.was_reset = true;
                    self.state = State::CatchingUp(0);
                    Step::Send(frames::reset(newest))
                }
                Err(error) => break_off(&error),
            },
            Err(error) => break_off(&error),
        }
    }

    /// Reads a page of the log, makes frames of its first entries for all that come from there, and returns one of the first.
    async fn read_page(&self, sent: usize) -> Result<Read, StoreError> {
        let entries = match self.ports.changes.read_changes(self.after, PAGE).await? {
            ChangesRead::Next { entries, .. } if entries.is_empty() => return Ok(Read::Nothing),
            ChangesRead::Next { entries, .. } => entries,
            ChangesRead::Gone => return Ok(Read::Gone),
        };
        let mut wanted = None;
        let mut after = self.after;
        for frames in frames::render_entries(&self.ports, entries).await? {
            let Some(last) = frames.last().map(|frame| frame.position) else {
                continue;
            };
            if after == self.after {
                wanted = frames.get(sent).cloned();
            }
            self.feed.keep_past(after, frames);
            after = last;
        }
        Ok(wanted.map_or(Read::Other, Read::Frame))
    }

    /// It has this frame of the log entry that came next.
    fn give_past(&mut self, sent: usize, frame: Frame) -> Step {
        self.was_reset = false;
        self.state = State::CatchingUp(if frame.is_last {
            self.after = frame.position;
            0
        } else {
            sent + 1
        });
        if frame.bytes.is_empty() {
            Step::Again
        } else {
            Step::Send(frame.bytes)
        }
    }
}

fn break_off(failure: &StoreError) -> Step {
    failure::in_answer(failure);
    Step::End(frames::broken_off())
}
