//! Pauses that grow while something keeps failing.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// Growing, jittered pauses, from `first` to `longest`, without an end.
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

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        // The jitter comes on top.
        let pause = self.pauses.next().unwrap_or(self.longest);
        pause.min(self.longest)
    }

    /// It works again: the next pause is the first one.
    pub(crate) fn reset(&mut self) {
        self.pauses = self.builder.build();
    }
}
