//! What is sent to all readers of events: made once, kept for a bounded number of bytes and frames, and given to each reader
//! at its own pace. A reader holds its place and nothing else, so one that does not read costs no memory of this. Frames of
//! older entries, for readers that come back, count towards the same bound.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::position::Position;
use tokio::sync::watch;

use super::frames::Frame;
use super::past::Past;

/// Most frames that are kept: however small they are, they take some room.
const MAX_FRAMES: usize = 16_384;

/// The frames of this process.
pub(super) struct Feed {
    ring: Mutex<Ring>,
    /// Moves whenever the ring does.
    moved: watch::Sender<()>,
    readers: AtomicUsize,
    max_readers: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The number of the first frame that is kept, counted from the beginning of the process.
    first: u64,
    /// Everything after this position is in the frames, as far as it was read; none while nobody reads.
    base: Option<Position>,
    /// Rises with each new beginning: a place from before means nothing after.
    epoch: u64,
    /// Frames that are older than these.
    past: Past,
}

/// A reader's place: the next frame to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    epoch: u64,
    number: u64,
}

/// What there is at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Frame(Frame),
    /// Nothing yet.
    Wait,
    /// It is not kept any more: the reader was too slow.
    Missed,
    /// The feed began anew.
    Restarted,
}

/// One reader, counted until it is dropped.
pub(super) struct Seat(Arc<Feed>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Feed {
    pub(super) fn new(max_readers: usize, max_bytes: usize) -> Self {
        Self {
            ring: Mutex::default(),
            moved: watch::Sender::new(()),
            readers: AtomicUsize::new(0),
            max_readers,
            max_bytes,
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more reader, if there may be one.
    pub(super) fn sit_down(self: &Arc<Self>) -> Option<Seat> {
        let one_more = |readers: usize| (readers < self.max_readers).then_some(readers + 1);
        let counted = self
            .readers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        counted.is_ok().then(|| Seat(Arc::clone(self)))
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Acquire)
    }

    pub(super) fn has_readers(&self) -> bool {
        self.readers() > 0
    }

    /// Where the feed is to be carried on; none if it is to begin.
    pub(super) fn end(&self) -> Option<Position> {
        self.ring().end()
    }

    /// Begins after a position.
    pub(super) fn begin(&self, base: Position) {
        let mut ring = self.ring();
        ring.clear();
        ring.base = Some(base);
        drop(ring);
        self.moved.send_replace(());
    }

    /// Forgets everything: nobody reads.
    pub(super) fn stop(&self) {
        let mut ring = self.ring();
        if ring.base.is_some() {
            ring.clear();
        }
    }

    /// Adds frames; the oldest go when it is too much.
    pub(super) fn push(&self, frames: Vec<Frame>) {
        if frames.is_empty() {
            return;
        }
        let mut ring = self.ring();
        for frame in frames {
            ring.bytes += frame.bytes.len();
            ring.frames.push_back(frame);
        }
        ring.bound(self.max_bytes);
        drop(ring);
        self.moved.send_replace(());
    }

    /// The place of a reader that has everything up to a position; none if something after it is not in the feed, or the
    /// feed has not come so far: the log may never have.
    pub(super) fn place_after(&self, position: Position) -> Option<Place> {
        let ring = self.ring();
        let (base, end) = ring.base.zip(ring.end())?;
        if !(base..=end).contains(&position) {
            return None;
        }
        let before = ring
            .frames
            .partition_point(|frame| frame.position <= position);
        Some(Place {
            epoch: ring.epoch,
            number: ring.first + before as u64,
        })
    }

    /// Whether the feed has not come as far as a position.
    pub(super) fn is_behind(&self, position: Position) -> bool {
        self.end().is_some_and(|end| end < position)
    }

    /// What there is at a place, which moves on if that is a frame.
    pub(super) fn next(&self, place: &mut Place) -> Next {
        let ring = self.ring();
        if ring.epoch != place.epoch {
            return Next::Restarted;
        }
        let Some(index) = place.number.checked_sub(ring.first) else {
            return Next::Missed;
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match ring.frames.get(index) {
            Some(frame) => {
                place.number += 1;
                Next::Frame(frame.clone())
            }
            None => Next::Wait,
        }
    }

    /// A frame of the log entry after an offset, if it is kept.
    pub(super) fn past(&self, after: Position, number: usize) -> Option<Frame> {
        self.ring().past.frame(after, number)
    }

    /// Keeps the frames of the log entry after an offset for those that come from there.
    pub(super) fn keep_past(&self, after: Position, frames: Vec<Frame>) {
        let mut ring = self.ring();
        ring.past.insert(after, frames);
        ring.bound(self.max_bytes);
    }

    /// Bytes of all frames that are kept.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let ring = self.ring();
        ring.bytes + ring.past.bytes()
    }

    /// Hears of every move from now on.
    pub(super) fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }
}

impl Ring {
    fn end(&self) -> Option<Position> {
        self.frames.back().map(|last| last.position).or(self.base)
    }

    /// Drops what is beyond a number of bytes: older entries down to a quarter of it, then the oldest frames.
    fn bound(&mut self, max_bytes: usize) {
        let for_past = max_bytes.saturating_sub(self.bytes).max(max_bytes / 4);
        self.past.shrink(for_past);
        while self.bytes + self.past.bytes() > max_bytes || self.frames.len() > MAX_FRAMES {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            self.first += 1;
            self.base = Some(oldest.position);
        }
    }

    fn clear(&mut self) {
        self.past = Past::default();
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

    fn at(number: u64) -> Position {
        Position::new(number, 0)
    }

    fn frame(number: u64, bytes: usize) -> Frame {
        Frame {
            position: at(number),
            is_last: true,
            bytes: Bytes::from(vec![b'x'; bytes]),
        }
    }

    fn read(feed: &Feed, place: &mut Place) -> Vec<u64> {
        let mut read = Vec::new();
        while let Next::Frame(frame) = feed.next(place) {
            read.push(frame.position.group());
        }
        read
    }

    #[test]
    fn readers_read_each_at_its_own_pace() {
        let feed = Feed::new(9, 1_000);
        assert_eq!(feed.place_after(at(4)), None);
        assert!(!feed.is_behind(at(4)), "it is yet to begin");
        feed.begin(at(4));
        assert_eq!(feed.place_after(at(3)), None);
        let mut early = feed.place_after(at(4)).unwrap();
        assert_eq!(feed.next(&mut early), Next::Wait);
        feed.push(vec![frame(5, 1), frame(7, 1)]);
        let mut ahead = feed.place_after(at(7)).unwrap();
        assert_eq!(feed.place_after(at(8)), None);
        assert!(feed.is_behind(at(8)) && !feed.is_behind(at(7)));
        feed.push(vec![frame(8, 1)]);
        assert_eq!(read(&feed, &mut early), [5, 7, 8]);
        assert_eq!(read(&feed, &mut ahead), [8]);
        for (after, expected) in [(4, &[5, 7, 8][..]), (5, &[7, 8]), (6, &[7, 8]), (8, &[])] {
            let mut place = feed.place_after(at(after)).unwrap();
            assert_eq!(read(&feed, &mut place), expected);
        }
        assert_eq!(feed.end(), Some(at(8)));
    }

    #[test]
    fn what_is_too_much_goes_and_who_has_not_read_it_has_missed_it() {
        let feed = Feed::new(9, 100);
        feed.begin(at(0));
        let mut slow = feed.place_after(at(0)).unwrap();
        let mut other = slow;
        feed.push(vec![frame(1, 40), frame(2, 40)]);
        assert_eq!(read(&feed, &mut other), [1, 2]);
        feed.push(vec![frame(3, 40)]);
        assert_eq!(feed.next(&mut slow), Next::Missed);
        assert_eq!(read(&feed, &mut other), [3]);
        assert_eq!(feed.place_after(at(0)), None);
        assert!(feed.place_after(at(1)).is_some());
        feed.push((4..20_000).map(|number| frame(number, 0)).collect());
        assert_eq!(feed.ring().frames.len(), MAX_FRAMES);
        assert_eq!(feed.next(&mut other), Next::Missed);
    }

    /// Who has half an entry may not join after it.
    #[test]
    fn an_entry_that_is_kept_in_part_is_not_joined_in_its_middle() {
        let feed = Feed::new(9, 100);
        feed.begin(at(0));
        feed.push(vec![frame(1, 60), frame(1, 60)]);
        assert_eq!(feed.place_after(at(0)), None);
        let mut place = feed.place_after(at(1)).unwrap();
        assert_eq!(feed.next(&mut place), Next::Wait);
    }

    #[test]
    fn older_entries_count_towards_the_bound_and_leave_three_quarters_of_it() {
        let feed = Feed::new(9, 1_000);
        feed.begin(at(50));
        for number in 0..40 {
            feed.keep_past(at(number), vec![frame(number + 1, 90)]);
            assert!(feed.bytes() <= 1_000);
        }
        assert!(feed.past(at(28), 0).is_none());
        assert!(feed.past(at(29), 0).is_some(), "there is room for eleven");
        let mut place = feed.place_after(at(50)).unwrap();
        for number in 51..=100 {
            feed.push(vec![frame(number, 90)]);
            assert!(feed.bytes() <= 1_000);
        }
        assert_eq!(feed.next(&mut place), Next::Missed);
        assert_eq!(feed.ring().bytes, 810);
        assert!(feed.past(at(37), 0).is_none());
        assert!(feed.past(at(38), 0).is_some());
    }

    #[test]
    fn a_new_beginning_is_noticed() {
        let feed = Feed::new(9, 100);
        feed.begin(at(0));
        let mut place = feed.place_after(at(0)).unwrap();
        feed.push(vec![frame(1, 1)]);
        feed.stop();
        assert_eq!(feed.end(), None);
        assert_eq!(feed.next(&mut place), Next::Restarted);
        feed.begin(at(9));
        assert_eq!(feed.next(&mut place), Next::Restarted);
        assert_eq!(feed.place_after(at(1)), None);
    }

    #[test]
    fn there_are_no_more_readers_than_may_be() {
        let feed = Arc::new(Feed::new(2, 100));
        let (one, _two) = (feed.sit_down(), feed.sit_down());
        assert!(one.is_some() && feed.sit_down().is_none());
        drop(one);
        assert!(feed.sit_down().is_some());
        assert!(feed.has_readers());
    }
}
