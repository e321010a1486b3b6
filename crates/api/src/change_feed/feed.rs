//! The cache of rendered log entries that every subscriber reads, each at its own pace. A subscriber holds only a cursor, so
//! a slow one costs no memory here.
//!
//! The watcher appends each new entry once, for all subscribers that follow. A subscriber that resumes adds the older
//! entries that it reads from the log, so that others that resume at the same time find them. Both count towards one bound,
//! but are evicted separately: entries that the feed keeps would displace older ones before they are sent.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use domain::change_offset::ChangeOffset;
use tokio::sync::watch;

use super::frames::Entry;

/// Maximum number of frames of new entries: every frame has an overhead, however small it is.
const MAX_FRAMES: usize = 16_384;

/// Maximum number of frames of older entries.
const MAX_OLDER_FRAMES: usize = 4_096;

/// The entries of this process, and its subscribers.
pub(super) struct Feed {
    cache: Mutex<Cache>,
    /// Notified of every new entry and every start.
    changed: watch::Sender<()>,
    subscribers: AtomicUsize,
    max_subscribers: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Cache {
    /// Entries by the change-log offset before each. The entry after an offset never changes.
    entries: HashMap<ChangeOffset, Entry>,
    /// Every entry from the first one here up to `end`, for subscribers that follow.
    new: Keys,
    /// Entries that subscribers read from the log.
    older: Keys,
    /// The change-log offset up to which the feed was read; `None` while there are no subscribers.
    end: Option<ChangeOffset>,
    /// Incremented at each restart, after which no subscriber follows.
    epoch: u64,
}

/// The keys of entries, oldest first, and the size of the entries.
#[derive(Default)]
struct Keys {
    order: VecDeque<ChangeOffset>,
    bytes: usize,
    frames: usize,
}

/// The next frame of a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The change-log offset up to which the subscriber has received every entry.
    after: ChangeOffset,
    /// The number of frames that it has received of the next entry.
    sent: usize,
    /// The epoch of the feed that it follows; `None` while it catches up.
    followed: Option<u64>,
}

/// Bytes that are sent as one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// The change-log offset of the entry, if this is its last frame.
    last_of: Option<ChangeOffset>,
}

/// The result of reading the cache.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Frame(Frame),
    /// The feed has no later entry yet.
    Pending,
    /// The feed has not reached the offset of the cursor, which may not exist in the log.
    Behind,
    /// The entry has to be read from the log.
    Unread,
    /// The entry was evicted before a subscriber that follows has received it: the subscriber is too slow.
    Evicted,
}

/// A subscriber, counted until it is dropped.
pub(super) struct Subscription(Arc<Feed>);

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.subscribers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Cursor {
    /// The cursor of a subscriber that has everything up to a change-log offset.
    pub(super) fn new(after: ChangeOffset) -> Self {
        Self {
            after,
            sent: 0,
            followed: None,
        }
    }

    pub(super) fn after(&self) -> ChangeOffset {
        self.after
    }

    /// The frame of the next entry. Starts the entry again if it has fewer frames than were sent: it is another one.
    pub(super) fn frame(&mut self, entry: &Entry) -> Frame {
        if self.sent >= entry.frames.len() {
            self.sent = 0;
        }
        Frame {
            bytes: entry.frames.get(self.sent).cloned().unwrap_or_default(),
            last_of: (self.sent + 1 >= entry.frames.len()).then_some(entry.offset),
        }
    }

    /// Advances after a frame was sent.
    pub(super) fn advance(&mut self, frame: &Frame) {
        match frame.last_of {
            Some(offset) => (self.after, self.sent) = (offset, 0),
            None => self.sent += 1,
        }
    }
}

impl Feed {
    pub(super) fn new(max_subscribers: usize, max_bytes: usize) -> Self {
        Self {
            cache: Mutex::default(),
            changed: watch::Sender::new(()),
            subscribers: AtomicUsize::new(0),
            max_subscribers,
            max_bytes,
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.cache().end
    }

    /// Starts the feed after a change-log offset, with an empty cache.
    pub(super) fn start(&self, end: ChangeOffset) {
        self.cache().clear(Some(end));
        self.changed.send_replace(());
    }

    /// Stops the feed and drops its entries, when there are no subscribers.
    pub(super) fn stop(&self) {
        let mut cache = self.cache();
        if cache.end.is_some() {
            cache.clear(None);
        }
    }

    /// Appends new entries, and evicts the oldest ones beyond the bound.
    pub(super) fn push(&self, entries: Vec<Entry>) {
        let mut cache = self.cache();
        for entry in entries {
            cache.push(entry);
        }
        cache.evict(self.max_bytes);
        drop(cache);
        self.changed.send_replace(());
    }

    /// Caches the entries that follow an offset in the log, for subscribers that resume there.
    pub(super) fn cache_older(&self, mut after: ChangeOffset, entries: Vec<Entry>) {
        let mut cache = self.cache();
        for entry in entries {
            let offset = entry.offset;
            if !cache.entries.contains_key(&after) {
                cache.older.add(after, &entry);
                cache.entries.insert(after, entry);
            }
            after = offset;
        }
        cache.evict(self.max_bytes);
    }

    /// The frame at a cursor. A subscriber that has reached the new entries follows the feed from then on.
    pub(super) fn next(&self, cursor: &mut Cursor) -> Next {
        let cache = self.cache();
        if cache.has_all_after(cursor.after) {
            if cursor.followed != Some(cache.epoch) {
                // An entry that the cursor is within starts again: the feed merges repeated changes, so its frames differ.
                *cursor = Cursor::new(cursor.after);
                cursor.followed = Some(cache.epoch);
            }
            if cache.end == Some(cursor.after) {
                return Next::Pending;
            }
        } else if cursor.followed.is_some_and(|epoch| epoch != cache.epoch) {
            *cursor = Cursor::new(cursor.after);
        }
        match cache.entries.get(&cursor.after) {
            Some(entry) => Next::Frame(cursor.frame(entry)),
            None if cache.end.is_some_and(|end| end < cursor.after) => Next::Behind,
            None if cursor.followed.is_some() => Next::Evicted,
            None => Next::Unread,
        }
    }

    /// Returns a receiver that is notified of every new entry and every start from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl Cache {
    /// Whether every entry after the offset, up to the end of the feed, is in the cache.
    fn has_all_after(&self, after: ChangeOffset) -> bool {
        let first = self.new.order.front().copied().or(self.end);
        first <= Some(after) && Some(after) <= self.end
    }

    fn push(&mut self, entry: Entry) {
        let Some(after) = self.end.replace(entry.offset) else {
            return;
        };
        // A subscriber that is ahead of the feed may have read it from the log already.
        if self.entries.contains_key(&after) {
            self.older.order.retain(|it| *it != after);
            self.older.remove(after, &mut self.entries);
        }
        self.new.add(after, &entry);
        self.entries.insert(after, entry);
    }

    /// Evicts entries beyond the bound: older entries down to a quarter of it, then the oldest new ones. The newest of the
    /// older entries is kept, because the subscriber that read it has yet to send it.
    fn evict(&mut self, max_bytes: usize) {
        let older_bytes = max_bytes.saturating_sub(self.new.bytes).max(max_bytes / 4);
        while self.older.order.len() > 1
            && (self.older.bytes > older_bytes || self.older.frames > MAX_OLDER_FRAMES)
        {
            self.older.evict_first(&mut self.entries);
        }
        while !self.new.order.is_empty()
            && (self.new.bytes + self.older.bytes > max_bytes || self.new.frames > MAX_FRAMES)
        {
            self.new.evict_first(&mut self.entries);
        }
    }

    fn clear(&mut self, end: Option<ChangeOffset>) {
        *self = Self {
            end,
            epoch: self.epoch + 1,
            ..Self::default()
        };
    }
}

impl Keys {
    fn add(&mut self, after: ChangeOffset, entry: &Entry) {
        self.order.push_back(after);
        self.bytes += entry.bytes();
        self.frames += entry.frames.len();
    }

    fn evict_first(&mut self, entries: &mut HashMap<ChangeOffset, Entry>) {
        if let Some(first) = self.order.pop_front() {
            self.remove(first, entries);
        }
    }

    fn remove(&mut self, after: ChangeOffset, entries: &mut HashMap<ChangeOffset, Entry>) {
        if let Some(entry) = entries.remove(&after) {
            self.bytes -= entry.bytes();
            self.frames -= entry.frames.len();
        }
    }
}

#[cfg(test)]
mod tests;
