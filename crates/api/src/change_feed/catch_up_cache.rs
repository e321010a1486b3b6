//! A bounded cache of the frames of log entries that are older than the feed, so that subscribers that resume at the same
//! time share reads of the log.

use std::collections::{HashMap, VecDeque};

use domain::change_offset::ChangeOffset;

use super::frames::Frame;

/// Maximum number of frames in the cache: a small frame takes more memory than its bytes.
const MAX_FRAMES: usize = 4_096;

/// Frames of entries by the change-log offset before each entry. The entry after an offset never changes.
#[derive(Default)]
pub(super) struct CatchUpCache {
    entries: HashMap<ChangeOffset, Vec<Frame>>,
    /// Keys of the entries, oldest first.
    order: VecDeque<ChangeOffset>,
    frames: usize,
    bytes: usize,
}

impl CatchUpCache {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A frame of the entry after an offset.
    pub(super) fn frame(&self, after: ChangeOffset, number: usize) -> Option<Frame> {
        self.entries.get(&after)?.get(number).cloned()
    }

    /// Caches the frames of the entry after an offset.
    pub(super) fn insert(&mut self, after: ChangeOffset, frames: Vec<Frame>) {
        if self.entries.contains_key(&after) {
            return;
        }
        self.frames += frames.len();
        self.bytes += size(&frames);
        self.entries.insert(after, frames);
        self.order.push_back(after);
    }

    /// Evicts the oldest entries beyond this size, but never the newest one: the subscriber that read it has yet to send it.
    pub(super) fn shrink(&mut self, max_bytes: usize) {
        while (self.bytes > max_bytes || self.frames > MAX_FRAMES) && self.order.len() > 1 {
            let oldest = self.order.pop_front();
            if let Some(frames) = oldest.and_then(|after| self.entries.remove(&after)) {
                self.frames -= frames.len();
                self.bytes -= size(&frames);
            }
        }
    }
}

fn size(frames: &[Frame]) -> usize {
    frames.iter().map(|frame| frame.bytes.len()).sum()
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;

    use super::*;

    fn at(number: u64) -> ChangeOffset {
        ChangeOffset::new(number, 0)
    }

    fn frames(number: u64, sizes: &[usize]) -> Vec<Frame> {
        let frame = |size: &usize| Frame {
            position: at(number),
            is_last: false,
            bytes: Bytes::from(vec![b'x'; *size]),
        };
        sizes.iter().map(frame).collect()
    }

    #[test]
    fn oldest_entries_are_evicted_first_and_the_newest_is_kept() {
        let mut cache = CatchUpCache::default();
        for number in 0..4 {
            cache.insert(at(number), frames(number + 1, &[30, 20]));
        }
        cache.insert(at(3), frames(4, &[1_000]));
        assert_eq!(cache.bytes(), 200);
        cache.shrink(120);
        assert_eq!(cache.bytes(), 100);
        assert!(cache.frame(at(1), 0).is_none());
        assert_eq!(cache.frame(at(2), 1).unwrap().bytes.len(), 20);
        assert!(cache.frame(at(2), 2).is_none());
        cache.shrink(0);
        assert_eq!(cache.bytes(), 50);
        assert!(cache.frame(at(3), 0).is_some());
    }

    #[test]
    fn number_of_frames_is_bounded() {
        let mut cache = CatchUpCache::default();
        for number in 0..10_000 {
            cache.insert(at(number), frames(number + 1, &[1]));
        }
        cache.shrink(1 << 20);
        assert_eq!(cache.frames, MAX_FRAMES);
    }
}
