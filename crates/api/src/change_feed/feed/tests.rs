//! The cache with small bounds: who reads what, what is evicted, and who follows.

use super::*;

fn at(number: u64) -> ChangeOffset {
    ChangeOffset::new(number, 0)
}

/// An entry with frames of these sizes.
fn entry(number: u64, frames: &[usize]) -> Entry {
    Entry {
        offset: at(number),
        frames: frames.iter().map(|size| vec![b'x'; *size].into()).collect(),
    }
}

fn started(max_bytes: usize, end: u64) -> Feed {
    let feed = Feed::new(9, max_bytes);
    feed.start(at(end));
    feed
}

/// Reads all frames at a cursor. Returns the numbers of the entries that they end, and the result after them.
fn read(feed: &Feed, cursor: &mut Cursor) -> (Vec<u64>, Next) {
    let mut read = Vec::new();
    loop {
        match feed.next(cursor) {
            Next::Frame(frame) => {
                cursor.advance(&frame);
                read.extend(frame.last_of.map(ChangeOffset::group));
            }
            next => return (read, next),
        }
    }
}

fn next_after(feed: &Feed, number: u64) -> Next {
    feed.next(&mut Cursor::new(at(number)))
}

fn bytes(feed: &Feed) -> usize {
    let cache = feed.cache();
    let cached: usize = cache.entries.values().map(Entry::bytes).sum();
    assert_eq!(cached, cache.new.bytes + cache.older.bytes);
    cached
}

#[test]
fn subscribers_read_independently() {
    let feed = Feed::new(9, 1_000);
    assert_eq!(next_after(&feed, 4), Next::Unread);
    feed.start(at(4));
    assert_eq!(next_after(&feed, 3), Next::Unread);
    let mut early = Cursor::new(at(4));
    assert_eq!(feed.next(&mut early), Next::Pending);
    feed.push(vec![entry(5, &[1]), entry(7, &[1, 0, 1])]);
    let mut ahead = Cursor::new(at(7));
    assert_eq!(feed.next(&mut ahead), Next::Pending);
    assert_eq!(next_after(&feed, 8), Next::Behind);
    feed.push(vec![entry(8, &[1])]);
    assert_eq!(read(&feed, &mut early), (vec![5, 7, 8], Next::Pending));
    assert_eq!(read(&feed, &mut ahead), (vec![8], Next::Pending));
    assert_eq!(read(&feed, &mut Cursor::new(at(5))).0, [7, 8]);
    assert_eq!(feed.end(), Some(at(8)));
}

#[test]
fn oldest_entries_beyond_the_bound_are_evicted() {
    let feed = started(100, 0);
    let (mut slow, mut other) = (Cursor::new(at(0)), Cursor::new(at(0)));
    assert_eq!(feed.next(&mut slow), Next::Pending);
    feed.push(vec![entry(1, &[40]), entry(2, &[40])]);
    assert_eq!(read(&feed, &mut other).0, [1, 2]);
    feed.push(vec![entry(3, &[20, 20])]);
    assert_eq!(feed.next(&mut slow), Next::Evicted);
    assert_eq!(read(&feed, &mut other).0, [3]);
    // A subscriber that did not follow reads the log.
    assert_eq!(next_after(&feed, 0), Next::Unread);
    assert_eq!(read(&feed, &mut Cursor::new(at(1))).0, [2, 3]);
    feed.push((4..20_000).map(|number| entry(number, &[0])).collect());
    assert_eq!(feed.cache().new.frames, MAX_FRAMES);
    assert_eq!(feed.next(&mut other), Next::Evicted);
}

/// A subscriber that received part of an entry must not continue after it.
#[test]
fn evicted_entry_cannot_be_resumed() {
    let feed = started(100, 0);
    let (mut slow, mut ahead) = (Cursor::new(at(0)), Cursor::new(at(0)));
    feed.push(vec![entry(1, &[40, 40])]);
    let Next::Frame(first) = feed.next(&mut slow) else {
        panic!("no frame");
    };
    slow.advance(&first);
    assert_eq!(read(&feed, &mut ahead).0, [1]);
    feed.push(vec![entry(2, &[60, 60])]);
    assert_eq!(bytes(&feed), 0);
    assert_eq!(feed.next(&mut slow), Next::Evicted);
    assert_eq!(feed.next(&mut ahead), Next::Evicted);
    assert_eq!(next_after(&feed, 2), Next::Pending);
}

#[test]
fn older_entries_use_at_most_a_quarter_of_the_bound_under_pressure() {
    let feed = started(1_000, 50);
    for number in 0..40 {
        feed.cache_older(at(number), vec![entry(number + 1, &[60, 30])]);
        assert!(bytes(&feed) <= 1_000);
    }
    assert_eq!(next_after(&feed, 28), Next::Unread);
    assert_eq!(
        read(&feed, &mut Cursor::new(at(29))),
        ((30..=40).collect(), Next::Unread)
    );
    let mut cursor = Cursor::new(at(50));
    assert_eq!(feed.next(&mut cursor), Next::Pending);
    for number in 51..=100 {
        feed.push(vec![entry(number, &[90])]);
        assert!(bytes(&feed) <= 1_000);
    }
    assert_eq!(feed.next(&mut cursor), Next::Evicted);
    assert_eq!(feed.cache().new.bytes, 810);
    assert_eq!(next_after(&feed, 37), Next::Unread);
    assert!(matches!(next_after(&feed, 38), Next::Frame(_)));
    for number in 0..10_000 {
        feed.cache_older(at(1_000 + number), vec![entry(1_001 + number, &[0])]);
    }
    assert_eq!(feed.cache().older.frames, MAX_OLDER_FRAMES);
}

#[test]
fn newest_older_entry_is_kept() {
    let feed = started(120, 50);
    feed.cache_older(at(1), vec![entry(2, &[90]), entry(3, &[500])]);
    assert_eq!(next_after(&feed, 1), Next::Unread);
    assert!(matches!(next_after(&feed, 2), Next::Frame(_)));
    feed.cache_older(at(1), vec![entry(2, &[1_000])]);
    feed.cache_older(at(1), vec![entry(2, &[7])]);
    assert_eq!(bytes(&feed), 1_000);
    assert_eq!(next_after(&feed, 2), Next::Unread);
}

/// The feed merges repeated changes, so an entry has fewer frames there than in the log.
#[test]
fn entry_starts_again_when_its_subscriber_begins_to_follow() {
    let feed = started(1_000, 1);
    feed.cache_older(at(2), vec![entry(3, &[1, 1, 1])]);
    let mut ahead = Cursor::new(at(2));
    let Next::Frame(first) = feed.next(&mut ahead) else {
        panic!("no frame");
    };
    ahead.advance(&first);
    feed.push(vec![entry(2, &[1])]);
    assert_eq!(feed.next(&mut ahead), Next::Pending);
    feed.push(vec![entry(3, &[7, 1])]);
    let Next::Frame(first) = feed.next(&mut ahead) else {
        panic!("no frame");
    };
    assert_eq!(first.bytes.len(), 7);
    assert_eq!(read(&feed, &mut ahead), (vec![3], Next::Pending));
    assert_eq!(bytes(&feed), 9);
}

#[test]
fn after_a_restart_subscribers_catch_up() {
    let feed = started(100, 0);
    let mut cursor = Cursor::new(at(0));
    feed.push(vec![entry(1, &[1])]);
    assert!(matches!(feed.next(&mut cursor), Next::Frame(_)));
    feed.stop();
    assert_eq!(feed.end(), None);
    assert_eq!(feed.next(&mut cursor), Next::Unread);
    feed.start(at(9));
    assert_eq!(feed.next(&mut cursor), Next::Unread);
    assert_eq!(next_after(&feed, 1), Next::Unread);
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
