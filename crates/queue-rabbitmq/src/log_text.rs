//! Makes external text (from the broker, the system or a message) safe for a log line: one line of limited length.

use std::fmt::Display;

/// Maximum characters of external text in a log line or an error.
const MAX_CHARS: usize = 300;

/// Returns the text on one line, with control characters escaped, truncated to [`MAX_CHARS`].
pub(crate) fn one_line(text: impl Display) -> String {
    bounded(&text.to_string(), MAX_CHARS)
}

/// Returns the text on one line, with control characters escaped, truncated to `max_chars`.
pub(crate) fn bounded(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == max_chars {
            line.push('…');
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_the_length_is_bounded() {
        assert_eq!(one_line("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(bounded("äöü", 2), "äö…");
        assert_eq!(bounded("äöü", 3), "äöü");
    }
}
