//! One subscriber of the event stream: catches up from the change log, then follows the feed.
//!
//! The stream is polled only when its connection can send more. While it waits, it holds only an offset: of the log while it
//! catches up, of the feed after that. Only subscribers that read the log or wait for bandwidth with a permit hold a frame.

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
use super::feed::{Feed, FrameIndex, Next, Subscription};
use super::frames::{self, Frame};
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
    /// The change-log offset up to which the subscriber has received every entry.
    after: ChangeOffset,
    /// Whether the last event sent was a reset.
    was_reset: bool,
    state: State,
}

/// Counts the subscriber in the metrics until it is dropped.
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
    /// The number of frames already sent of the next log entry.
    CatchingUp(usize),
    Following(FrameIndex),
    Ended,
}

/// The result of reading the log.
enum LogRead {
    /// The next frame to send.
    Frame(Frame),
    /// No entry yet.
    Empty,
    /// A different entry than before, with fewer frames.
    Different,
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
            after,
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

    /// The fast path: the next frame of the feed, if it can be sent without waiting.
    fn try_next(&mut self) -> Option<Bytes> {
        let State::Following(mut index) = self.state else {
            return None;
        };
        if self.shutdown.is_announced() {
            return None;
        }
        let Next::Frame(frame) = self.feed.next(&mut index) else {
            return None;
        };
        let may_send = self.limiter.try_consume(frame.bytes.len());
        may_send.then(|| self.send(index, frame))
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

    /// Cancel safe: the state changes only after the last `await`.
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
            State::Following(index) => {
                let index = *index;
                self.follow(index).await
            }
            State::Ended => Step::Idle,
        }
    }

    /// Holds no frame while it waits for a permit, so the next frame may be evicted in the meantime.
    async fn follow(&mut self, from: FrameIndex) -> Step {
        let limiter = Arc::clone(&self.limiter);
        let mut index = from;
        let permit = match self.feed.next(&mut index) {
            Next::Frame(_) => Some(limiter.acquire().await),
            _ => None,
        };
        index = from;
        match (self.feed.next(&mut index), permit) {
            (Next::Frame(frame), Some(permit)) => {
                permit.consume(frame.bytes.len()).await;
                Step::Send(self.send(index, frame))
            }
            (Next::Frame(_), None) => Step::Continue,
            (Next::Pending, _) => Step::Idle,
            (Next::Evicted, _) => {
                self.counted.0.dropped.inc();
                Step::End(frames::dropped())
            }
            (Next::Restarted, _) => {
                self.state = State::CatchingUp(0);
                Step::Continue
            }
        }
    }

    /// Sends a frame of the feed, and advances to the index after it.
    fn send(&mut self, next: FrameIndex, frame: Frame) -> Bytes {
        self.state = State::Following(next);
        self.was_reset = false;
        if frame.is_last {
            self.after = frame.position;
        }
        frame.bytes
    }

    /// Follows the feed if it contains all missing entries, else continues with the log.
    async fn catch_up(&mut self, sent: usize) -> Step {
        if sent == 0 {
            if self.feed.is_behind(self.after) {
                // Wait for the feed. If it does not reach the offset, reading the log shows the reason.
                let _ = timeout(LOG_POLL_INTERVAL, self.feed_changes.changed()).await;
            }
            if let Some(index) = self.feed.index_after(self.after) {
                self.state = State::Following(index);
                return Step::Continue;
            }
        }
        if self.feed.cached_frame(self.after, sent).is_some() {
            // Wait for a permit without the frame, which may be evicted in the meantime.
            let limiter = Arc::clone(&self.limiter);
            let permit = limiter.acquire().await;
            if let Some(frame) = self.feed.cached_frame(self.after, sent) {
                permit.consume(frame.bytes.len()).await;
                return self.send_from_log(sent, frame);
            }
        }
        self.read_log(sent).await
    }

    /// Reads the log, and sends a frame of its next entry.
    async fn read_log(&mut self, sent: usize) -> Step {
        let log_reads = Arc::clone(&self.log_reads);
        let Ok(permit) = log_reads.acquire().await else {
            return Step::Idle;
        };
        let read = match self.feed.cached_frame(self.after, sent) {
            // Another subscriber read the entry in the meantime.
            Some(frame) => Ok(LogRead::Frame(frame)),
            None => self.read_page(sent).await,
        };
        match read {
            Ok(LogRead::Frame(frame)) => {
                // The semaphore permit is still held, so few subscribers hold a frame while they wait.
                self.limiter
                    .acquire()
                    .await
                    .consume(frame.bytes.len())
                    .await;
                self.send_from_log(sent, frame)
            }
            Ok(LogRead::Empty) => {
                drop(permit);
                self.was_reset = false;
                // The feed is about to start, or the next entry is held back.
                let _ = timeout(LOG_POLL_INTERVAL, self.feed_changes.changed()).await;
                Step::Continue
            }
            Ok(LogRead::Different) => {
                self.state = State::CatchingUp(0);
                Step::Continue
            }
            Ok(LogRead::Gone) if self.was_reset => abort(&StoreError::Unavailable(
                "the change log cannot be read from its newest offset".to_owned(),
            )),
            Ok(LogRead::Gone) => match self.ports.changes.newest_change().await {
                Ok(newest) => {
                    self.after = newest;
                    self.was_reset = true;
                    self.state = State::CatchingUp(0);
                    Step::Send(frames::reset(newest))
                }
                Err(error) => abort(&error),
            },
            Err(error) => abort(&error),
        }
    }

    /// Reads a page of the log, caches the frames of its first entries for all subscribers, and returns the wanted frame of
    /// the first entry.
    async fn read_page(&self, sent: usize) -> Result<LogRead, StoreError> {
        let entries = match self.ports.changes.read_changes(self.after, PAGE).await? {
            ChangesRead::Next { entries, .. } if entries.is_empty() => return Ok(LogRead::Empty),
            ChangesRead::Next { entries, .. } => entries,
            ChangesRead::Gone => return Ok(LogRead::Gone),
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
            self.feed.cache_entry(after, frames);
            after = last;
        }
        Ok(wanted.map_or(LogRead::Different, LogRead::Frame))
    }

    /// Sends a frame of the next log entry.
    fn send_from_log(&mut self, sent: usize, frame: Frame) -> Step {
        self.was_reset = false;
        self.state = State::CatchingUp(if frame.is_last {
            self.after = frame.position;
            0
        } else {
            sent + 1
        });
        if frame.bytes.is_empty() {
            Step::Continue
        } else {
            Step::Send(frame.bytes)
        }
    }
}

fn abort(failure: &StoreError) -> Step {
    failure::log_aborted_response(failure);
    Step::End(frames::store_unavailable())
}
