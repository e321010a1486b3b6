//! Progress output: a spinner or a bar on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// Number of lines that a bar prints if the output is not a terminal.
const PARTS: u64 = 10;

/// Progress of an operation.
#[derive(Debug)]
pub struct Progress {
    message: String,
    bar: Option<ProgressBar>,
    total: u64,
    parts_shown: u64,
}

impl Progress {
    /// Starts an operation of unknown length.
    #[must_use]
    pub fn spinner(message: impl Into<String>) -> Self {
        Self::new(message.into(), 0, ProgressBar::new_spinner)
    }

    /// Starts an operation of which only the number of completed steps is known.
    #[must_use]
    pub fn count(message: impl Into<String>) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {human_pos}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::new(message.into(), 0, || {
            ProgressBar::new_spinner().with_style(style)
        })
    }

    /// Starts an operation of `total` steps.
    #[must_use]
    pub fn bar(message: impl Into<String>, total: u64) -> Self {
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

    /// Sets the number of completed steps.
    pub fn set_position(&mut self, done: u64) {
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

    /// Ends the operation and prints its result.
    pub fn finish(self, result: &str) {
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
