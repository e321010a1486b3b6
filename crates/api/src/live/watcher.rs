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

/// How long to go on listening when nobody waits any more: the next one may come soon.
const LINGER: Duration = Duration::from_mins(1);

/// Entries read of the log at a time.
const PAGE: u32 = 8;

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
        let mut failing = false;
        while last_of_interest.elapsed() < LINGER {
            let began = Instant::now();
            let looked = self.look().await;
            if self.live.is_of_interest() {
                last_of_interest = Instant::now();
            }
            report(&looked, &mut failing);
            let Ok(held_back) = looked else {
                sleep(POLL).await;
                continue;
            };
            // A store for which a look is work gets as much time without one.
            sleep(began.elapsed().max(PACE)).await;
            let poll = if held_back { HELD_BACK_POLL } else { POLL };
            tokio::select! {
                () = listener.wait(poll) => {}
                () = self.live.interest.notified() => {}
            }
        }
    }

    /// Looks for everybody. Returns whether some changes are held back.
    async fn look(&self) -> Result<bool, StoreError> {
        self.tell_settled().await?;
        self.carry_on().await
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

    /// Brings the feed up to date, page by page; between two pages those who wait are looked for too.
    async fn carry_on(&self) -> Result<bool, StoreError> {
        let Live { feed, ports, .. } = &self.live;
        if !feed.has_readers() {
            feed.stop();
            return Ok(false);
        }
        loop {
            let Some(end) = feed.end() else {
                feed.begin(ports.changes.newest_change().await?);
                return Ok(true);
            };
            match ports.changes.read_changes(end, PAGE).await? {
                ChangesRead::Next { entries, held_back } if entries.is_empty() => {
                    return Ok(held_back);
                }
                ChangesRead::Next { entries, .. } => {
                    let slices = frames::slices(entries);
                    feed.push(frames::render(ports, &slices).await?);
                    self.tell_settled().await?;
                }
                // Each reader finds that out for itself.
                ChangesRead::Gone => feed.begin(ports.changes.newest_change().await?),
            }
        }
    }
}

/// A store that is away is told of once.
fn report<T>(looked: &Result<T, StoreError>, failing: &mut bool) {
    match looked {
        Ok(_) if *failing => info!("changes are seen again"),
        Err(error) if !*failing => {
            warn!(%error, "the store does not tell what has changed; those who wait go on waiting");
        }
        _ => {}
    }
    *failing = looked.is_err();
}
