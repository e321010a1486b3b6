//! Frames of log entries that are older than the feed: kept for a bounded number of bytes, so that subscribers that come back
//! at the same time share what one of them has read.

use std::collections::{HashMap, VecDeque};

use domain::position::Position;

use super::frames::Frame;

/// Most frames that are kept: a small one takes more room than its bytes.
const MAX_FRAMES: usize = 4_096;

/// The entries, by the offset before each: the entry that follows an offset stays the same.
#[derive(Default)]
pub(super) struct Past {
    entries: HashMap<Position, Vec<Frame>>,
    /// The oldest first.
    order: VecDeque<Position>,
    frames: usize,
    bytes: usize,
}

impl Past {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A frame of the entry after an offset.
    pub(super) fn frame(&self, after: Position, number: usize) -> Option<Frame> {
        self.entries.get(&after)?.get(number).cloned()
    }

    /// Keeps the frames of the entry after an offset.
    pub(super) fn insert(&mut self, after: Position, frames: Vec<Frame>) {
        if self.entries.contains_key(&after) {
            return;
        }
        self.frames += frames.len();
        self.bytes += size(&frames);
        self.entries.insert(after, frames);
        self.order.push_back(after);
    }

    /// Drops the oldest entries beyond this size, but never the last one: the subscriber that has read it sends it yet.
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

    fn at(number: u64) -> Position {
        Position::new(number, 0)
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
    fn the_oldest_entries_go_first_and_the_last_one_stays() {
        let mut past = Past::default();
        for number in 0..4 {
            past.insert(at(number), frames(number + 1, &[30, 20]));
        }
        past.insert(at(3), frames(4, &[1_000]));
        assert_eq!(past.bytes(), 200);
        past.shrink(120);
        assert_eq!(past.bytes(), 100);
        assert!(past.frame(at(1), 0).is_none());
        assert_eq!(past.frame(at(2), 1).unwrap().bytes.len(), 20);
        assert!(past.frame(at(2), 2).is_none());
        past.shrink(0);
        assert_eq!(past.bytes(), 50);
        assert!(past.frame(at(3), 0).is_some());
    }

    #[test]
    fn small_frames_are_bounded_by_their_number() {
        let mut past = Past::default();
        for number in 0..10_000 {
            past.insert(at(number), frames(number + 1, &[1]));
        }
        past.shrink(1 << 20);
        assert_eq!(past.frames, MAX_FRAMES);
    }
}
