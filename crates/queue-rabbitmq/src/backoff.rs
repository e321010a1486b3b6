//! Delays between connection attempts.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use crossbeam_channel::{Receiver, RecvTimeoutError};

/// Initial delay. Each delay is twice the previous one, plus up to 100 % jitter.
const MIN_DELAY: Duration = Duration::from_millis(100);

/// Maximum delay, including jitter.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Uptime after which a session counts as healthy and the backoff is reset.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// Exponential backoff between connection attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: ExponentialBackoff,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { pauses: pauses() }
    }

    /// Returns the delay after a failed attempt.
    pub(crate) fn after_failure(&mut self) -> Duration {
        self.pauses.next().unwrap_or(MAX_DELAY).min(MAX_DELAY)
    }

    /// Returns the delay after a session of length `uptime`: zero after a healthy session, so that reconnecting after a
    /// broker restart is fast; a growing delay after a short session, so that a flapping connection is not retried in a
    /// tight loop.
    pub(crate) fn after_session(&mut self, uptime: Duration) -> Duration {
        if uptime >= HEALTHY_AFTER {
            self.pauses = pauses();
            return Duration::ZERO;
        }
        self.after_failure()
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(MIN_DELAY)
        .with_max_delay(MAX_DELAY)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Sleeps for `length` and rejects commands that arrive meanwhile. Returns `false` if all command senders were dropped.
pub(crate) fn pause<C>(
    commands: &Receiver<C>,
    length: Duration,
    mut reject: impl FnMut(C),
) -> bool {
    let until = Instant::now() + length;
    loop {
        match commands.recv_deadline(until) {
            Ok(command) => reject(command),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_reset_after_a_healthy_session() {
        let mut backoff = Backoff::new();
        let first = backoff.after_failure();
        assert!(first >= MIN_DELAY && first <= MIN_DELAY * 2, "{first:?}");
        for _ in 0..20 {
            assert!(backoff.after_failure() <= MAX_DELAY);
        }
        assert!(
            backoff.after_session(Duration::from_secs(1)) > Duration::from_secs(2),
            "a short session does not reset the backoff"
        );
        assert_eq!(backoff.after_session(HEALTHY_AFTER), Duration::ZERO);
        assert!(backoff.after_failure() <= MIN_DELAY * 2);
    }

    #[test]
    fn a_pause_rejects_commands_and_ends_when_all_senders_are_dropped() {
        let (sender, receiver) = crossbeam_channel::unbounded();
        sender.send(1).unwrap();
        let mut seen = Vec::new();
        assert!(pause(&receiver, Duration::from_millis(5), |command| seen
            .push(command)));
        assert_eq!(seen, [1]);
        drop(sender);
        assert!(!pause(&receiver, Duration::from_secs(30), |_| {}));
    }
}
