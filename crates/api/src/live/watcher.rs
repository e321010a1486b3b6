//! The one task that looks for all who wait and all who read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::ports::{ChangesRead, StoreError};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::{Live, frames};
use crate::app::panic_message;

/// How long to wait for a notification before looking without one: it may have been lost.
const POLL: Duration = Duration::from_secs(1);

/// The same when changes are there already that cannot be read yet: nobody will notify of those.
const HELD_BACK_POLL: Duration = Duration::from_millis(25);

/// Shortest time between two looks: what is changed meanwhile is seen by one.
const PACE: Duration = Duration::from_millis(5);

/// Time between two steps of the feed for each of its readers: a step is sent to all of them, so the more there are, the more
/// is made of one.
const PACE_PER_READER: Duration = Duration::from_micros(50);

/// However many they are.
const SLOWEST_PACE: Duration = Duration::from_millis(100);

/// How long to go on listening when nobody waits any more: the next one may come soon.
const LINGER: Duration = Duration::from_mins(1);

/// Entries read of the log at a time.
const PAGE: u32 = 64;

/// When the feed is to be carried on, and why.
struct FeedTurn {
    due: Instant,
    ahead: Ahead,
    failing: Failing,
}

/// What is to be expected of the log.
enum Ahead {
    Nothing,
    /// It could not be read.
    Failed,
    /// Something is there that cannot be read yet.
    HeldBack,
    /// It was not read to its end.
    More,
}

impl FeedTurn {
    fn new() -> Self {
        Self {
            due: Instant::now(),
            ahead: Ahead::More,
            failing: Failing::new("the change log cannot be read; events wait"),
        }
    }

    /// How long to wait for a notification.
    fn poll(&self) -> Duration {
        match self.ahead {
            Ahead::Nothing => POLL,
            Ahead::HeldBack => HELD_BACK_POLL,
            Ahead::More | Ahead::Failed => self.due.saturating_duration_since(Instant::now()),
        }
    }
}

/// Shortest time between two steps of the feed.
fn feed_pace(readers: usize) -> Duration {
    let readers = u32::try_from(readers).unwrap_or(u32::MAX);
    PACE_PER_READER
        .saturating_mul(readers)
        .clamp(PACE, SLOWEST_PACE)
}

/// Looks whether what requests wait for has come, whenever something has changed.
pub struct Watcher {
    live: Live,
}

impl Watcher {
    pub(super) fn new(live: Live) -> Self {
        Self { live }
    }

    /// Runs until it is dropped. Those who wait are served by nobody else.
    pub async fn run(self) {
        loop {
            if !self.live.is_of_interest() {
                self.live.interest.notified().await;
            }
            let watched = AssertUnwindSafe(self.watch()).catch_unwind().await;
            if let Err(panic) = watched {
                let panic = panic_message(panic.as_ref());
                error!(panic, "looking for changes panicked; it begins anew");
                sleep(POLL).await;
            }
        }
    }

    /// Listens and looks until nobody has waited for some time.
    async fn watch(&self) {
        let mut listener = (self.live.ports.listeners)();
        let mut last_of_interest = Instant::now();
        let mut failing = Failing::new(
            "the store does not say which orders are settled; requests that wait go on waiting",
        );
        let mut turn = FeedTurn::new();
        while last_of_interest.elapsed() < LINGER {
            let began = Instant::now();
            let looked = self.look(&mut turn).await;
            if self.live.is_of_interest() {
                last_of_interest = Instant::now();
            }
            failing.report(&looked);
            if looked.is_err() {
                sleep(POLL).await;
                continue;
            }
            // A store for which a look is work gets as much time without one.
            sleep(began.elapsed().max(PACE)).await;
            tokio::select! {
                () = listener.wait(turn.poll()) => {}
                () = self.live.interest.notified() => {}
            }
        }
    }

    /// Looks for those who wait, and for those who read if it is time for that.
    async fn look(&self, turn: &mut FeedTurn) -> Result<(), StoreError> {
        self.tell_settled().await?;
        if Instant::now() < turn.due {
            turn.ahead = Ahead::More;
            return Ok(());
        }
        let carried_on = self.carry_on().await;
        turn.failing.report(&carried_on);
        // Requests that wait do not depend on the log.
        let failed = |_| (Ahead::Failed, POLL);
        let (ahead, pause) =
            carried_on.map_or_else(failed, |ahead| (ahead, feed_pace(self.live.feed.readers())));
        turn.ahead = ahead;
        turn.due = Instant::now() + pause;
        Ok(())
    }

    /// Reads all orders that are waited for, and that are settled, at once.
    async fn tell_settled(&self) -> Result<(), StoreError> {
        let ids = self.live.waits.ids();
        if ids.is_empty() {
            return Ok(());
        }
        let settled = self.live.ports.orders.find_settled(&ids).await?;
        for order in &settled {
            self.live.waits.tell(order);
        }
        Ok(())
    }

    /// Brings the feed up to date, page by page; between two parts those who wait are looked for too.
    async fn carry_on(&self) -> Result<Ahead, StoreError> {
        let Live { feed, ports, .. } = &self.live;
        if !feed.has_readers() {
            feed.stop();
            return Ok(Ahead::Nothing);
        }
        let mut has_begun = false;
        loop {
            let Some(end) = feed.end() else {
                feed.begin(ports.changes.newest_change().await?);
                return Ok(Ahead::HeldBack);
            };
            match ports.changes.read_changes(end, PAGE).await? {
                ChangesRead::Next { entries, held_back } if entries.is_empty() => {
                    return Ok(if held_back {
                        Ahead::HeldBack
                    } else {
                        Ahead::Nothing
                    });
                }
                ChangesRead::Next { entries, .. } => {
                    let is_whole = u32::try_from(entries.len()) == Ok(PAGE);
                    let slices = frames::slices(entries);
                    for part in frames::parts(&slices) {
                        let frames = frames::render(ports, part).await?.into_iter();
                        feed.push(frames.filter(|frame| !frame.bytes.is_empty()).collect());
                        self.tell_settled().await?;
                    }
                    // What has come meanwhile is for the next time.
                    if !is_whole {
                        return Ok(Ahead::More);
                    }
                }
                ChangesRead::Gone if has_begun => {
                    let reason = "the change log cannot be read from its newest offset";
                    return Err(StoreError::Unavailable(reason.to_owned()));
                }
                // Each reader finds that out for itself.
                ChangesRead::Gone => {
                    feed.begin(ports.changes.newest_change().await?);
                    has_begun = true;
                }
            }
        }
    }
}

/// Logs the first failure of several, and the recovery.
struct Failing {
    message: &'static str,
    is_failing: bool,
}

impl Failing {
    fn new(message: &'static str) -> Self {
        Self {
            message,
            is_failing: false,
        }
    }

    fn report<T>(&mut self, looked: &Result<T, StoreError>) {
        match looked {
            Ok(_) if self.is_failing => info!(failed = self.message, "recovered"),
            Err(error) if !self.is_failing => warn!(%error, "{}", self.message),
            _ => {}
        }
        self.is_failing = looked.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_read_the_more_is_made_of_a_step() {
        let paces = [0, 1, 100, 101, 500, 2_000, 10_000, usize::MAX].map(feed_pace);
        let expected_us = [
            5_000, 5_000, 5_000, 5_050, 25_000, 100_000, 100_000, 100_000,
        ];
        assert_eq!(paces, expected_us.map(Duration::from_micros));
    }

    #[test]
    fn what_is_to_come_says_how_long_to_listen() {
        let poll = |ahead, in_ms: u64| {
            let due = Instant::now() + Duration::from_millis(in_ms);
            FeedTurn {
                due,
                ahead,
                ..FeedTurn::new()
            }
            .poll()
        };
        assert_eq!(poll(Ahead::Nothing, 0), POLL);
        assert_eq!(poll(Ahead::HeldBack, 0), HELD_BACK_POLL);
        assert_eq!(poll(Ahead::More, 0), Duration::ZERO);
        for ahead in [Ahead::More, Ahead::Failed] {
            assert!(poll(ahead, 60_000) > Duration::from_secs(50));
        }
    }
}
