//! Excerpts of vendor data for messages and logs.

/// Maximum length of an excerpt, in characters.
const MAX_CHARS: usize = 80;

/// Escapes control characters and truncates to [`MAX_CHARS`] characters.
pub(crate) fn excerpt(text: &str) -> String {
    log_text::excerpt(text, MAX_CHARS)
}
