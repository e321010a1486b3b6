//! Texts of others (the broker, the system, a bad message) made fit for a log line: one line, bounded.

use std::fmt::Display;

/// Longest text of somebody else in a log line or an error, in characters.
const MAX_CHARS: usize = 300;

/// The text on one line, control characters escaped, cut to a bound.
pub(crate) fn one_line(text: impl Display) -> String {
    bounded(&text.to_string(), MAX_CHARS)
}

/// The same with a bound of the caller's choice.
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
