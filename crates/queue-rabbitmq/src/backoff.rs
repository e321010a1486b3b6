//! How long to wait before the next attempt to connect.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use crossbeam_channel::{Receiver, RecvTimeoutError};

/// First pause; each one is twice the one before, plus jitter of up to as much again.
const SHORTEST: Duration = Duration::from_millis(100);

/// Longest pause, jitter included: a broker that comes back is found within it.
const LONGEST: Duration = Duration::from_secs(5);

/// A session that lasted this long was healthy: the pauses start over.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// The pauses between attempts to connect.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: ExponentialBackoff,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { pauses: pauses() }
    }

    /// The pause after a failed attempt.
    pub(crate) fn after_failure(&mut self) -> Duration {
        self.pauses.next().unwrap_or(LONGEST).min(LONGEST)
    }

    /// The pause after a session ended: none after a healthy one, so that a restart of the broker is over quickly; but a
    /// connection that comes and goes is not tried in a tight loop.
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
        .with_min_delay(SHORTEST)
        .with_max_delay(LONGEST)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Waits, turning away what arrives meanwhile. `false`: nobody is left to work for.
pub(crate) fn pause<C>(
    commands: &Receiver<C>,
    length: Duration,
    mut turn_away: impl FnMut(C),
) -> bool {
    let until = Instant::now() + length;
    loop {
        match commands.recv_deadline(until) {
            Ok(command) => turn_away(command),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over_after_a_healthy_session() {
        let mut backoff = Backoff::new();
        let first = backoff.after_failure();
        assert!(first >= SHORTEST && first <= SHORTEST * 2, "{first:?}");
        for _ in 0..20 {
            assert!(backoff.after_failure() <= LONGEST);
        }
        assert!(
            backoff.after_session(Duration::from_secs(1)) > Duration::from_secs(2),
            "a short session changes nothing"
        );
        assert_eq!(backoff.after_session(HEALTHY_AFTER), Duration::ZERO);
        assert!(backoff.after_failure() <= SHORTEST * 2);
    }

    #[test]
    fn a_pause_turns_away_and_ends_when_nobody_is_left() {
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
