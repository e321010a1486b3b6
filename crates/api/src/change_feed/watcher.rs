//! The task that polls the store for all waiters and all subscribers of the process.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::ports::{ChangesRead, Listener, StoreError, Topic};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::frames;
use super::handle::ChangeFeedHandle;
use super::poll_budget::PollBudget;
use crate::panic::panic_message;

/// Maximum time between two polls: a notification may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Poll interval while committed changes cannot be read yet, because no notification will follow.
const HELD_BACK_POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Minimum time between two updates of the feed, per subscriber: every update is sent to all of them, so more subscribers
/// mean larger updates.
const FEED_INTERVAL_PER_SUBSCRIBER: Duration = Duration::from_micros(50);

/// Bounds of the minimum time between two updates of the feed.
const MIN_FEED_INTERVAL: Duration = Duration::from_millis(5);
const MAX_FEED_INTERVAL: Duration = Duration::from_millis(100);

/// Time without waiters and subscribers after which the listener is closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Number of log entries per read.
const PAGE: u32 = 64;

/// The time of the next update of the feed, and the state of the log.
struct FeedSchedule {
    due: Instant,
    log: LogState,
    failures: FailureLog,
}

/// The state of the change log after an update of the feed.
enum LogState {
    CaughtUp,
    /// The log could not be read.
    Failed,
    /// Committed entries cannot be read yet.
    HeldBack,
    /// The log was not read to its end.
    More,
}

impl FeedSchedule {
    fn new() -> Self {
        Self {
            due: Instant::now(),
            log: LogState::More,
            failures: FailureLog::new("cannot read the change log; events are delayed"),
        }
    }

    /// The maximum time to wait for a notification.
    fn poll_timeout(&self) -> Duration {
        match self.log {
            LogState::CaughtUp => POLL_INTERVAL,
            LogState::HeldBack => HELD_BACK_POLL_INTERVAL,
            LogState::More | LogState::Failed => self.due.saturating_duration_since(Instant::now()),
        }
    }
}

/// Minimum time between two updates of the feed.
fn feed_interval(subscribers: usize) -> Duration {
    let subscribers = u32::try_from(subscribers).unwrap_or(u32::MAX);
    FEED_INTERVAL_PER_SUBSCRIBER
        .saturating_mul(subscribers)
        .clamp(MIN_FEED_INTERVAL, MAX_FEED_INTERVAL)
}

/// Waits for a notification, forever without a listener.
async fn wait(listener: &mut Option<Box<dyn Listener>>) {
    match listener {
        Some(listener) => listener.wait(POLL_INTERVAL).await,
        None => pending().await,
    }
}

/// Polls the store after every change, and notifies waiters and subscribers.
pub(crate) struct Watcher {
    change_feed: ChangeFeedHandle,
    serves_waiters: bool,
    serves_subscribers: bool,
}

impl Watcher {
    pub(super) fn new(change_feed: ChangeFeedHandle) -> Self {
        Self {
            change_feed,
            serves_waiters: true,
            serves_subscribers: true,
        }
    }

    /// Splits the watcher into one that serves only waiters and one that serves only subscribers.
    pub(crate) fn split(self) -> (Self, Self) {
        let waiters = Self {
            change_feed: self.change_feed.clone(),
            serves_waiters: true,
            serves_subscribers: false,
        };
        let subscribers = Self {
            serves_waiters: false,
            ..self
        };
        (waiters, subscribers)
    }

    /// Whether there are waiters or subscribers to serve.
    fn is_in_use(&self) -> bool {
        let ChangeFeedHandle { feed, waiters, .. } = &self.change_feed;
        (self.serves_subscribers && feed.has_subscribers())
            || (self.serves_waiters && !waiters.is_empty())
    }

    /// Waits until a waiter or subscriber is added.
    async fn added(&self) {
        tokio::select! {
            () = self.change_feed.waiter_added.notified(), if self.serves_waiters => {}
            () = self.change_feed.subscriber_added.notified(), if self.serves_subscribers => {}
        }
    }

    /// Runs until the future is dropped. Without this task, waiters and subscribers are never notified.
    pub(crate) async fn run(self) {
        loop {
            if !self.is_in_use() {
                self.added().await;
            }
            let result = AssertUnwindSafe(self.run_until_idle()).catch_unwind().await;
            if let Err(panic) = result {
                let panic = panic_message(panic.as_ref());
                error!(panic, "change feed watcher panicked; restarting");
                sleep(POLL_INTERVAL).await;
            }
        }
    }

    /// Listens and polls until there were no waiters and no subscribers for `IDLE_TIMEOUT`.
    async fn run_until_idle(&self) {
        let listen = &self.change_feed.ports.listeners;
        let mut changes = listen(Topic::Changes);
        // Only events are made of accepted orders.
        let mut accepted = None;
        let notifications = &self.change_feed.notifications;
        let listening = self.serves_waiters.then(|| notifications.listen());
        let mut last_in_use = Instant::now();
        let mut failures =
            FailureLog::new("cannot read settled orders; waiting requests are delayed");
        let mut schedule = FeedSchedule::new();
        let mut budget = PollBudget::default();
        while last_in_use.elapsed() < IDLE_TIMEOUT {
            if !(self.serves_subscribers && self.change_feed.feed.has_subscribers()) {
                accepted = None;
            } else if accepted.is_none() {
                accepted = Some(listen(Topic::Outbox));
            }
            let started = Instant::now();
            let polled = self.poll(&mut schedule).await;
            if self.is_in_use() {
                last_in_use = Instant::now();
            }
            failures.record(&polled);
            if polled.is_err() {
                sleep(POLL_INTERVAL).await;
                continue;
            }
            let pause = budget.polled(started.elapsed());
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let waiting = Instant::now();
            tokio::select! {
                () = changes.wait(schedule.poll_timeout()) => {
                    if let Some(listening) = &listening {
                        listening.received();
                    }
                }
                () = wait(&mut accepted) => {}
                () = self.added() => {}
            }
            budget.waited(waiting.elapsed());
        }
    }

    /// Notifies waiters, and updates the feed if it is due.
    async fn poll(&self, schedule: &mut FeedSchedule) -> Result<(), StoreError> {
        self.notify_settled().await?;
        if !self.serves_subscribers {
            schedule.log = LogState::CaughtUp;
            return Ok(());
        }
        if !self.change_feed.feed.has_subscribers() {
            self.change_feed.feed.stop();
            // The first subscriber wakes this task.
            (schedule.log, schedule.due) = (LogState::CaughtUp, Instant::now());
            return Ok(());
        }
        if Instant::now() < schedule.due {
            schedule.log = LogState::More;
            return Ok(());
        }
        let updated = self.update_feed().await;
        schedule.failures.record(&updated);
        // Waiters do not depend on the log.
        let failed = |_| (LogState::Failed, POLL_INTERVAL);
        let (log, pause) = updated.map_or_else(failed, |log| {
            (log, feed_interval(self.change_feed.feed.subscribers()))
        });
        schedule.log = log;
        schedule.due = Instant::now() + pause;
        Ok(())
    }

    /// Reads the settled orders among those that have waiters, in one query, and notifies the waiters.
    async fn notify_settled(&self) -> Result<(), StoreError> {
        if !self.serves_waiters {
            return Ok(());
        }
        let ids = self.change_feed.waiters.ids();
        if ids.is_empty() {
            return Ok(());
        }
        let settled = self.change_feed.ports.orders.find_settled(&ids).await?;
        for order in &settled {
            self.change_feed.waiters.notify(order);
        }
        Ok(())
    }

    /// Brings the feed up to date, page by page, and notifies waiters between parts.
    async fn update_feed(&self) -> Result<LogState, StoreError> {
        let ChangeFeedHandle { feed, ports, .. } = &self.change_feed;
        let mut was_restarted = false;
        loop {
            let Some(end) = feed.end() else {
                feed.start(ports.changes.newest_change().await?);
                return Ok(LogState::HeldBack);
            };
            match ports.changes.read_changes(end, PAGE).await? {
                ChangesRead::Next { entries, held_back } if entries.is_empty() => {
                    return Ok(if held_back {
                        LogState::HeldBack
                    } else {
                        LogState::CaughtUp
                    });
                }
                ChangesRead::Next { mut entries, .. } => {
                    let is_full_page = u32::try_from(entries.len()) == Ok(PAGE);
                    frames::merge(&mut entries);
                    for part in frames::parts(&entries, frames::NEW_EVENTS) {
                        feed.push(frames::render(ports, part).await?);
                        self.notify_settled().await?;
                    }
                    // Entries written in the meantime are read at the next update.
                    if !is_full_page {
                        return Ok(LogState::More);
                    }
                }
                ChangesRead::Gone if was_restarted => {
                    let reason = "the change log cannot be read from its newest offset";
                    return Err(StoreError::Unavailable(reason.to_owned()));
                }
                // Each subscriber detects the gap on its own.
                ChangesRead::Gone => {
                    feed.start(ports.changes.newest_change().await?);
                    was_restarted = true;
                }
            }
        }
    }
}

/// Logs the first of consecutive failures, and the recovery.
struct FailureLog {
    message: &'static str,
    is_failing: bool,
}

impl FailureLog {
    fn new(message: &'static str) -> Self {
        Self {
            message,
            is_failing: false,
        }
    }

    fn record<T>(&mut self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) if self.is_failing => info!(failed = self.message, "recovered"),
            Err(error) if !self.is_failing => warn!(%error, "{}", self.message),
            _ => {}
        }
        self.is_failing = result.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feed_interval_grows_with_subscribers_up_to_the_maximum() {
        let intervals = [0, 1, 100, 101, 500, 2_000, 10_000, usize::MAX].map(feed_interval);
        let expected_us = [
            5_000, 5_000, 5_000, 5_050, 25_000, 100_000, 100_000, 100_000,
        ];
        assert_eq!(intervals, expected_us.map(Duration::from_micros));
    }

    #[test]
    fn poll_timeout_depends_on_the_state_of_the_log() {
        let timeout = |log, in_ms: u64| {
            let due = Instant::now() + Duration::from_millis(in_ms);
            FeedSchedule {
                due,
                log,
                ..FeedSchedule::new()
            }
            .poll_timeout()
        };
        assert_eq!(timeout(LogState::CaughtUp, 0), POLL_INTERVAL);
        assert_eq!(timeout(LogState::HeldBack, 0), HELD_BACK_POLL_INTERVAL);
        assert_eq!(timeout(LogState::More, 0), Duration::ZERO);
        for log in [LogState::More, LogState::Failed] {
            assert!(timeout(log, 60_000) > Duration::from_secs(50));
        }
    }
}
