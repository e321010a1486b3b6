//! Exponential backoff.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// An endless sequence of growing pauses with jitter, from `first` to `longest`.
pub(crate) struct Backoff {
    builder: ExponentialBuilder,
    pauses: ExponentialBackoff,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(first)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter();
        Self {
            builder,
            pauses: builder.build(),
            longest,
        }
    }

    /// Returns the next pause.
    pub(crate) fn next(&mut self) -> Duration {
        // The jitter is added to the maximum delay.
        let pause = self.pauses.next().unwrap_or(self.longest);
        pause.min(self.longest)
    }

    /// Restarts at the first pause, after a success.
    pub(crate) fn reset(&mut self) {
        self.pauses = self.builder.build();
    }
}
