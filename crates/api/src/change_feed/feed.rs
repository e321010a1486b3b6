//! The frames that all subscribers receive: rendered once, kept in a buffer of bounded bytes and frames, and read by each
//! subscriber at its own pace. A subscriber holds only its index into the buffer, so a slow one costs no memory here. The
//! cached frames of older entries, for subscribers that resume, count towards the same bound.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::change_offset::ChangeOffset;
use tokio::sync::watch;

use super::catch_up_cache::CatchUpCache;
use super::frames::Frame;

/// Maximum number of frames in the buffer: every frame has an overhead, however small it is.
const MAX_FRAMES: usize = 16_384;

/// The frames of this process, and its subscribers.
pub(super) struct Feed {
    buffer: Mutex<EventBuffer>,
    /// Notified of every change of the buffer.
    changed: watch::Sender<()>,
    subscribers: AtomicUsize,
    max_subscribers: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct EventBuffer {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The index of the first frame in the buffer, counted since the start of the process.
    first: u64,
    /// The frames contain all entries read so far after this change-log offset; `None` while there are no subscribers.
    base: Option<ChangeOffset>,
    /// Incremented at each restart, which invalidates all frame indexes.
    epoch: u64,
    /// Frames of older entries.
    catch_up_cache: CatchUpCache,
}

/// The index of the next frame that a subscriber reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameIndex {
    epoch: u64,
    number: u64,
}

/// The result of reading the buffer at an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Frame(Frame),
    /// No frame yet.
    Pending,
    /// The frame was evicted: the subscriber was too slow.
    Evicted,
    /// The feed was restarted.
    Restarted,
}

/// A subscriber, counted until it is dropped.
pub(super) struct Subscription(Arc<Feed>);

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.subscribers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Feed {
    pub(super) fn new(max_subscribers: usize, max_bytes: usize) -> Self {
        Self {
            buffer: Mutex::default(),
            changed: watch::Sender::new(()),
            subscribers: AtomicUsize::new(0),
            max_subscribers,
            max_bytes,
        }
    }

    fn buffer(&self) -> MutexGuard<'_, EventBuffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscriber; `None` if the maximum is reached.
    pub(super) fn subscribe(self: &Arc<Self>) -> Option<Subscription> {
        let increment =
            |subscribers: usize| (subscribers < self.max_subscribers).then_some(subscribers + 1);
        let counted = self
            .subscribers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, increment);
        counted.is_ok().then(|| Subscription(Arc::clone(self)))
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Acquire)
    }

    pub(super) fn has_subscribers(&self) -> bool {
        self.subscribers() > 0
    }

    /// The change-log offset up to which the feed was read; `None` if it is not started.
    pub(super) fn end(&self) -> Option<ChangeOffset> {
        self.buffer().end()
    }

    /// Starts the feed after a change-log offset.
    pub(super) fn start(&self, base: ChangeOffset) {
        let mut buffer = self.buffer();
        buffer.clear();
        buffer.base = Some(base);
        drop(buffer);
        self.changed.send_replace(());
    }

    /// Stops the feed and drops its frames, when there are no subscribers.
    pub(super) fn stop(&self) {
        let mut buffer = self.buffer();
        if buffer.base.is_some() {
            buffer.clear();
        }
    }

    /// Appends frames, and evicts the oldest ones beyond the bound.
    pub(super) fn push(&self, frames: Vec<Frame>) {
        if frames.is_empty() {
            return;
        }
        let mut buffer = self.buffer();
        for frame in frames {
            buffer.bytes += frame.bytes.len();
            buffer.frames.push_back(frame);
        }
        buffer.evict(self.max_bytes);
        drop(buffer);
        self.changed.send_replace(());
    }

    /// The index of the next frame for a subscriber that has everything up to a change-log offset; `None` if a later entry
    /// is not in the buffer, or the feed has not reached the offset, which may not exist in the log.
    pub(super) fn index_after(&self, position: ChangeOffset) -> Option<FrameIndex> {
        let buffer = self.buffer();
        let (base, end) = buffer.base.zip(buffer.end())?;
        if !(base..=end).contains(&position) {
            return None;
        }
        let before = buffer
            .frames
            .partition_point(|frame| frame.position <= position);
        Some(FrameIndex {
            epoch: buffer.epoch,
            number: buffer.first + before as u64,
        })
    }

    /// Whether the feed has not reached a change-log offset.
    pub(super) fn is_behind(&self, position: ChangeOffset) -> bool {
        self.end().is_some_and(|end| end < position)
    }

    /// Reads the frame at an index, and increments the index if there is one.
    pub(super) fn next(&self, index: &mut FrameIndex) -> Next {
        let buffer = self.buffer();
        if buffer.epoch != index.epoch {
            return Next::Restarted;
        }
        let Some(offset) = index.number.checked_sub(buffer.first) else {
            return Next::Evicted;
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match buffer.frames.get(offset) {
            Some(frame) => {
                index.number += 1;
                Next::Frame(frame.clone())
            }
            None => Next::Pending,
        }
    }

    /// A frame of the log entry after an offset, if it is cached.
    pub(super) fn cached_frame(&self, after: ChangeOffset, number: usize) -> Option<Frame> {
        self.buffer().catch_up_cache.frame(after, number)
    }

    /// Caches the frames of the log entry after an offset, for subscribers that resume there.
    pub(super) fn cache_entry(&self, after: ChangeOffset, frames: Vec<Frame>) {
        let mut buffer = self.buffer();
        buffer.catch_up_cache.insert(after, frames);
        buffer.evict(self.max_bytes);
    }

    /// Bytes of all frames in the buffer and the cache.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let buffer = self.buffer();
        buffer.bytes + buffer.catch_up_cache.bytes()
    }

    /// Returns a receiver that is notified of every change of the buffer from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl EventBuffer {
    fn end(&self) -> Option<ChangeOffset> {
        self.frames.back().map(|last| last.position).or(self.base)
    }

    /// Evicts frames beyond the bound: cached older entries down to a quarter of it, then the oldest frames.
    fn evict(&mut self, max_bytes: usize) {
        let cache_bytes = max_bytes.saturating_sub(self.bytes).max(max_bytes / 4);
        self.catch_up_cache.shrink(cache_bytes);
        while self.bytes + self.catch_up_cache.bytes() > max_bytes || self.frames.len() > MAX_FRAMES
        {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            self.first += 1;
            self.base = Some(oldest.position);
        }
    }

    fn clear(&mut self) {
        self.catch_up_cache = CatchUpCache::default();
        self.first += self.frames.len() as u64;
        self.frames.clear();
        self.bytes = 0;
        self.base = None;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;

    use super::*;

    fn at(number: u64) -> ChangeOffset {
        ChangeOffset::new(number, 0)
    }

    fn frame(number: u64, bytes: usize) -> Frame {
        Frame {
            position: at(number),
            is_last: true,
            bytes: Bytes::from(vec![b'x'; bytes]),
        }
    }

    fn read(feed: &Feed, index: &mut FrameIndex) -> Vec<u64> {
        let mut read = Vec::new();
        while let Next::Frame(frame) = feed.next(index) {
            read.push(frame.position.group());
        }
        read
    }

    #[test]
    fn subscribers_read_independently() {
        let feed = Feed::new(9, 1_000);
        assert_eq!(feed.index_after(at(4)), None);
        assert!(!feed.is_behind(at(4)), "the feed is not started");
        feed.start(at(4));
        assert_eq!(feed.index_after(at(3)), None);
        let mut early = feed.index_after(at(4)).unwrap();
        assert_eq!(feed.next(&mut early), Next::Pending);
        feed.push(vec![frame(5, 1), frame(7, 1)]);
        let mut ahead = feed.index_after(at(7)).unwrap();
        assert_eq!(feed.index_after(at(8)), None);
        assert!(feed.is_behind(at(8)) && !feed.is_behind(at(7)));
        feed.push(vec![frame(8, 1)]);
        assert_eq!(read(&feed, &mut early), [5, 7, 8]);
        assert_eq!(read(&feed, &mut ahead), [8]);
        for (after, expected) in [(4, &[5, 7, 8][..]), (5, &[7, 8]), (6, &[7, 8]), (8, &[])] {
            let mut index = feed.index_after(at(after)).unwrap();
            assert_eq!(read(&feed, &mut index), expected);
        }
        assert_eq!(feed.end(), Some(at(8)));
    }

    #[test]
    fn oldest_frames_beyond_the_bound_are_evicted() {
        let feed = Feed::new(9, 100);
        feed.start(at(0));
        let mut slow = feed.index_after(at(0)).unwrap();
        let mut other = slow;
        feed.push(vec![frame(1, 40), frame(2, 40)]);
        assert_eq!(read(&feed, &mut other), [1, 2]);
        feed.push(vec![frame(3, 40)]);
        assert_eq!(feed.next(&mut slow), Next::Evicted);
        assert_eq!(read(&feed, &mut other), [3]);
        assert_eq!(feed.index_after(at(0)), None);
        assert!(feed.index_after(at(1)).is_some());
        feed.push((4..20_000).map(|number| frame(number, 0)).collect());
        assert_eq!(feed.buffer().frames.len(), MAX_FRAMES);
        assert_eq!(feed.next(&mut other), Next::Evicted);
    }

    /// A subscriber that received part of an entry must not continue after it.
    #[test]
    fn partly_evicted_entry_cannot_be_resumed() {
        let feed = Feed::new(9, 100);
        feed.start(at(0));
        feed.push(vec![frame(1, 60), frame(1, 60)]);
        assert_eq!(feed.index_after(at(0)), None);
        let mut index = feed.index_after(at(1)).unwrap();
        assert_eq!(feed.next(&mut index), Next::Pending);
    }

    #[test]
    fn cached_entries_use_at_most_a_quarter_of_the_bound_under_pressure() {
        let feed = Feed::new(9, 1_000);
        feed.start(at(50));
        for number in 0..40 {
            feed.cache_entry(at(number), vec![frame(number + 1, 90)]);
            assert!(feed.bytes() <= 1_000);
        }
        assert!(feed.cached_frame(at(28), 0).is_none());
        assert!(feed.cached_frame(at(29), 0).is_some(), "eleven fit");
        let mut index = feed.index_after(at(50)).unwrap();
        for number in 51..=100 {
            feed.push(vec![frame(number, 90)]);
            assert!(feed.bytes() <= 1_000);
        }
        assert_eq!(feed.next(&mut index), Next::Evicted);
        assert_eq!(feed.buffer().bytes, 810);
        assert!(feed.cached_frame(at(37), 0).is_none());
        assert!(feed.cached_frame(at(38), 0).is_some());
    }

    #[test]
    fn restart_invalidates_indexes() {
        let feed = Feed::new(9, 100);
        feed.start(at(0));
        let mut index = feed.index_after(at(0)).unwrap();
        feed.push(vec![frame(1, 1)]);
        feed.stop();
        assert_eq!(feed.end(), None);
        assert_eq!(feed.next(&mut index), Next::Restarted);
        feed.start(at(9));
        assert_eq!(feed.next(&mut index), Next::Restarted);
        assert_eq!(feed.index_after(at(1)), None);
    }

    #[test]
    fn subscribers_beyond_the_maximum_are_rejected() {
        let feed = Arc::new(Feed::new(2, 100));
        let (one, _two) = (feed.subscribe(), feed.subscribe());
        assert!(one.is_some() && feed.subscribe().is_none());
        drop(one);
        assert!(feed.subscribe().is_some());
        assert!(feed.has_subscribers());
    }
}
