//! External text (from the broker, the system or a message) in log lines and errors.

use std::fmt::Display;

/// Maximum characters of external text in a log line or an error.
const MAX_CHARS: usize = 300;

/// Returns the text on one line, with control characters escaped, truncated to [`MAX_CHARS`].
pub(crate) fn one_line(text: impl Display) -> String {
    ::log_text::excerpt(&text.to_string(), MAX_CHARS)
}
