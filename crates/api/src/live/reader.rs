//! One reader of events, from where it was to where everybody is, and on from there.
//!
//! It is polled only when its connection takes more. So it holds what it needs to go on, and at most one frame that is not
//! taken yet: ids of a few entries while it catches up with the log, a place in the feed after that.

use std::collections::VecDeque;
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
use super::frames::{self, Frame, Slice};
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
    /// These are read of the log and not sent yet.
    CatchingUp(VecDeque<Slice>),
    Following(Place),
    Ended,
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
                self.state = State::CatchingUp(VecDeque::new());
                Step::Send(frames::opening(self.after))
            }
            State::CatchingUp(slices) if slices.is_empty() => self.join_or_read().await,
            State::CatchingUp(_) => self.send_slice().await,
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
                self.state = State::CatchingUp(VecDeque::new());
                Step::Again
            }
        }
    }

    /// It has this frame of the feed, and goes on at the place after it.
    fn give(&mut self, next: Place, frame: Frame) -> Bytes {
        self.state = State::Following(next);
        if frame.is_last {
            self.after = frame.position;
        }
        frame.bytes
    }

    /// Joins the others if everything that is missing is in the feed, else reads a page of the log.
    async fn join_or_read(&mut self) -> Step {
        if self.feed.is_behind(self.after) {
            // It is carried on at its pace. If it does not come so far, the log tells why.
            let _ = timeout(PAUSE, self.moves.changed()).await;
        }
        if let Some(place) = self.feed.place_after(self.after) {
            self.state = State::Following(place);
            return Step::Again;
        }
        let read = {
            let Ok(_permit) = self.catching_up.acquire().await else {
                return Step::Idle;
            };
            self.ports.changes.read_changes(self.after, PAGE).await
        };
        match read {
            Ok(ChangesRead::Next { entries, .. }) if entries.is_empty() => {
                // The feed is about to begin, or what comes next is held back.
                let _ = timeout(PAUSE, self.moves.changed()).await;
                Step::Again
            }
            Ok(ChangesRead::Next { entries, .. }) => {
                self.state = State::CatchingUp(frames::slices(entries).into());
                Step::Again
            }
            Ok(ChangesRead::Gone) => match self.ports.changes.newest_change().await {
                Ok(newest) => {
                    self.after = newest;
                    Step::Send(frames::reset(newest))
                }
                Err(error) => break_off(&error),
            },
            Err(error) => break_off(&error),
        }
    }

    async fn send_slice(&mut self) -> Step {
        let State::CatchingUp(slices) = &self.state else {
            return Step::Again;
        };
        let Some(slice) = slices.front().cloned() else {
            return Step::Again;
        };
        let rendered = {
            let Ok(_permit) = self.catching_up.acquire().await else {
                return Step::Idle;
            };
            let rendered = frames::render(&self.ports, &[slice]).await;
            let frame = rendered.map(|frames| frames.into_iter().next());
            if let Ok(Some(frame)) = &frame {
                // Meanwhile nobody else reads instead: few hold a frame that waits.
                self.budget.turn().await.take(frame.bytes.len()).await;
            }
            frame
        };
        let frame = match rendered {
            Ok(frame) => frame,
            Err(error) => return break_off(&error),
        };
        if let State::CatchingUp(slices) = &mut self.state {
            slices.pop_front();
        }
        match frame {
            Some(frame) => {
                if frame.is_last {
                    self.after = frame.position;
                }
                Step::Send(frame.bytes)
            }
            None => Step::Again,
        }
    }
}

fn break_off(failure: &StoreError) -> Step {
    failure::in_answer(failure);
    Step::End(frames::broken_off())
}
