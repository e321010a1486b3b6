//! Telling that something takes a while: a spinner or a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// Elsewhere than on a terminal, a bar prints a line each time it has passed another such part.
const PARTS: u64 = 10;

/// Something under way.
#[derive(Debug)]
pub(crate) struct Progress {
    message: String,
    bar: Option<ProgressBar>,
    total: u64,
    parts_shown: u64,
}

impl Progress {
    /// Begins something of unknown length.
    pub(crate) fn spinner(message: impl Into<String>) -> Self {
        Self::new(message.into(), 0, ProgressBar::new_spinner)
    }

    /// Begins something of which only the steps that are done are known.
    pub(crate) fn count(message: impl Into<String>) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {human_pos}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::new(message.into(), 0, || {
            ProgressBar::new_spinner().with_style(style)
        })
    }

    /// Begins something of `total` steps.
    pub(crate) fn bar(message: impl Into<String>, total: u64) -> Self {
        let style = ProgressStyle::with_template("{msg} {bar:30} {human_pos}/{human_len} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self::new(message.into(), total, || {
            ProgressBar::new(total).with_style(style)
        })
    }

    fn new(message: String, total: u64, bar: impl FnOnce() -> ProgressBar) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let bar = bar().with_message(message.clone());
            bar.enable_steady_tick(TICK);
            Some(bar)
        } else {
            eprintln!("{message} …");
            None
        };
        Self {
            message,
            bar,
            total,
            parts_shown: 0,
        }
    }

    /// Says how many steps are done.
    pub(crate) fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        if self.total == 0 {
            return;
        }
        let parts = done * PARTS / self.total;
        if parts > self.parts_shown && done < self.total {
            self.parts_shown = parts;
            eprintln!("{} … {done} of {}", self.message, self.total);
        }
    }

    /// Ends it with a line that says what came of it.
    pub(crate) fn finish(self, result: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{result}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
