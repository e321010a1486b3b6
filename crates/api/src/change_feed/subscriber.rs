//! One subscriber of the event stream. It reads the cache of the feed at its cursor; an entry that is too old for the cache is
//! read from the log into it.
//!
//! The stream is polled only when its connection can send more. While it waits, it holds only its cursor. Only subscribers
//! that read the log or wait for bandwidth with a permit hold a frame.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use domain::change_offset::ChangeOffset;
use domain::ports::{ChangesRead, StoreError};
use futures_util::stream::{self, Stream};
use metrics::EventMetrics;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::bandwidth::BandwidthLimiter;
use super::feed::{Cursor, Feed, Frame, Next, Subscription};
use super::frames;
use super::handle::ChangeFeedHandle;
use super::ports::ChangeFeedPorts;
use crate::failure;
use crate::shutdown::Shutdown;

/// Maximum time between two sends.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Maximum time to wait for the feed before reading a log whose next entry does not exist yet or is held back.
const LOG_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Number of log entries per read while a subscriber catches up.
const PAGE: u32 = 4;

pub(super) struct Subscriber {
    ports: Arc<ChangeFeedPorts>,
    feed: Arc<Feed>,
    limiter: Arc<BandwidthLimiter>,
    /// Limits concurrent reads of the log.
    log_reads: Arc<Semaphore>,
    shutdown: Shutdown,
    feed_changes: watch::Receiver<()>,
    _subscription: Subscription,
    counted: Counted,
    cursor: Cursor,
    /// Whether the last event sent was a reset.
    was_reset: bool,
    state: State,
}

/// Counts the subscriber in the metrics until it is dropped.
struct Counted(EventMetrics);

impl Counted {
    fn new(metrics: EventMetrics) -> Self {
        metrics.streams.inc();
        Self(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.streams.dec();
    }
}

#[derive(Clone, Copy)]
enum State {
    Opening,
    Open,
    Ended,
}

/// The result of reading the log.
enum LogRead {
    /// The next frame to send.
    Frame(Frame),
    /// No entry yet.
    Empty,
    /// Entries after the offset are no longer kept.
    Gone,
}

/// The result of a step.
enum Step {
    Send(Bytes),
    /// Send the bytes and end the stream.
    End(Bytes),
    Continue,
    /// Wait until the feed changes.
    Idle,
}

impl Subscriber {
    pub(super) fn new(
        change_feed: &ChangeFeedHandle,
        subscription: Subscription,
        metrics: EventMetrics,
        shutdown: Shutdown,
        after: ChangeOffset,
    ) -> Self {
        Self {
            ports: Arc::clone(&change_feed.ports),
            feed_changes: change_feed.feed.changes(),
            feed: Arc::clone(&change_feed.feed),
            limiter: Arc::clone(&change_feed.limiter),
            log_reads: Arc::clone(&change_feed.log_reads),
            counted: Counted::new(metrics),
            shutdown,
            _subscription: subscription,
            cursor: Cursor::new(after),
            was_reset: false,
            state: State::Opening,
        }
    }

    /// The bytes of the stream.
    pub(super) fn stream(self) -> impl Stream<Item = Bytes> {
        let silence = Box::pin(sleep(HEARTBEAT));
        stream::unfold(
            (self, silence),
            |(mut subscriber, mut silence)| async move {
                let bytes = match subscriber.try_next() {
                    Some(bytes) => bytes,
                    None => subscriber.next(&mut silence).await?,
                };
                Some((bytes, (subscriber, silence)))
            },
        )
    }

    /// The fast path: the next frame in the cache, if it can be sent without waiting.
    fn try_next(&mut self) -> Option<Bytes> {
        if !matches!(self.state, State::Open) || self.shutdown.is_announced() {
            return None;
        }
        match self.feed.next(&mut self.cursor) {
            Next::Frame(frame) if self.limiter.try_consume(frame.bytes.len()) => self.send(frame),
            _ => None,
        }
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
            self.feed_changes.mark_unchanged();
            let shutdown = self.shutdown.clone();
            let step = tokio::select! {
                step = self.step() => step,
                () = shutdown.announced() => Step::Continue,
                () = silence.as_mut() => Step::Send(frames::heartbeat()),
            };
            match step {
                Step::Send(bytes) => return Some(bytes),
                Step::End(bytes) => {
                    self.state = State::Ended;
                    return Some(bytes);
                }
                Step::Continue => {}
                Step::Idle => tokio::select! {
                    _ = self.feed_changes.changed() => {}
                    () = self.shutdown.announced() => {}
                    () = silence.as_mut() => return Some(frames::heartbeat()),
                },
            }
        }
    }

    /// Cancel safe: a frame counts as sent only after the last `await`.
    async fn step(&mut self) -> Step {
        match self.state {
            State::Opening => {
                self.state = State::Open;
                return Step::Send(frames::opening(self.cursor.after()));
            }
            State::Open => {}
            State::Ended => return Step::Idle,
        }
        match self.feed.next(&mut self.cursor) {
            Next::Frame(_) => {
                // Wait for a permit without the frame, which may be evicted in the meantime.
                let limiter = Arc::clone(&self.limiter);
                let permit = limiter.acquire().await;
                let Next::Frame(frame) = self.feed.next(&mut self.cursor) else {
                    return Step::Continue;
                };
                permit.consume(frame.bytes.len()).await;
                self.send(frame).map_or(Step::Continue, Step::Send)
            }
            Next::Pending => {
                self.was_reset = false;
                Step::Idle
            }
            Next::Behind => {
                // If the feed does not reach the offset, reading the log shows the reason.
                let _ = timeout(LOG_POLL_INTERVAL, self.feed_changes.changed()).await;
                match self.feed.next(&mut self.cursor) {
                    Next::Behind => self.read_log().await,
                    _ => Step::Continue,
                }
            }
            Next::Unread => self.read_log().await,
            Next::Evicted => {
                self.counted.0.dropped.inc();
                Step::End(frames::dropped())
            }
        }
    }

    /// Reads the log, and sends a frame of its next entry.
    async fn read_log(&mut self) -> Step {
        let log_reads = Arc::clone(&self.log_reads);
        let Ok(permit) = log_reads.acquire().await else {
            return Step::Idle;
        };
        let read = match self.feed.next(&mut self.cursor) {
            // Another subscriber read the entry in the meantime.
            Next::Frame(frame) => Ok(LogRead::Frame(frame)),
            _ => self.read_page().await,
        };
        match read {
            Ok(LogRead::Frame(frame)) => {
                // The semaphore permit is still held, so few subscribers hold a frame while they wait.
                let limiter = Arc::clone(&self.limiter);
                limiter.acquire().await.consume(frame.bytes.len()).await;
                self.send(frame).map_or(Step::Continue, Step::Send)
            }
            Ok(LogRead::Empty) => {
                drop(permit);
                self.was_reset = false;
                // The feed is about to start, or the next entry is held back.
                let _ = timeout(LOG_POLL_INTERVAL, self.feed_changes.changed()).await;
                Step::Continue
            }
            Ok(LogRead::Gone) if self.was_reset => abort(&StoreError::Unavailable(
                "the change log cannot be read from its newest offset".to_owned(),
            )),
            Ok(LogRead::Gone) => match self.ports.changes.newest_change().await {
                Ok(newest) => {
                    self.cursor = Cursor::new(newest);
                    self.was_reset = true;
                    Step::Send(frames::reset(newest))
                }
                Err(error) => abort(&error),
            },
            Err(error) => abort(&error),
        }
    }

    /// Reads a page of the log, caches its first entries for all subscribers, and returns the frame at the cursor.
    async fn read_page(&mut self) -> Result<LogRead, StoreError> {
        let after = self.cursor.after();
        let entries = match self.ports.changes.read_changes(after, PAGE).await? {
            ChangesRead::Next { entries, .. } => entries,
            ChangesRead::Gone => return Ok(LogRead::Gone),
        };
        let part = frames::parts(&entries, frames::CATCH_UP_EVENTS).next();
        let rendered = frames::render(&self.ports, part.unwrap_or_default()).await?;
        let Some(first) = rendered.first() else {
            return Ok(LogRead::Empty);
        };
        let frame = self.cursor.frame(first);
        self.feed.cache_older(after, rendered);
        Ok(LogRead::Frame(frame))
    }

    /// Advances the cursor, and returns the bytes to send; `None` if the frame has no events.
    fn send(&mut self, frame: Frame) -> Option<Bytes> {
        self.cursor.advance(&frame);
        self.was_reset = false;
        (!frame.bytes.is_empty()).then_some(frame.bytes)
    }
}

fn abort(failure: &StoreError) -> Step {
    failure::log_aborted_response(failure);
    Step::End(frames::store_unavailable())
}
