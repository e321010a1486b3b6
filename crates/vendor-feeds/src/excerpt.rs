//! Excerpts of vendor data for messages and logs: short and without control characters.

/// Maximum length of an excerpt, in characters.
const MAX_CHARS: usize = 80;

/// Escapes control characters and truncates to [`MAX_CHARS`] characters.
pub(crate) fn excerpt(text: &str) -> String {
    bounded(text, MAX_CHARS)
}

/// Escapes control characters and truncates to `max_chars` characters.
pub(crate) fn bounded(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut count = 0;
    for char in text.chars() {
        let escaped: String = if char.is_control() {
            char.escape_default().collect()
        } else {
            char.to_string()
        };
        count += escaped.chars().count();
        if count >= max_chars {
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_is_short_and_printable() {
        assert_eq!(excerpt("a\n\u{9b}ü"), "a\\n\\u{9b}ü");
        let long = excerpt(&"\u{1b}".repeat(1_000));
        assert!(long.chars().count() <= MAX_CHARS, "{long}");
        assert!(long.ends_with('…'));
    }
}
