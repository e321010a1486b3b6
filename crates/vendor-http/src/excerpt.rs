//! Showing what a vendor sent, without letting it fill or garble a log.

/// Most characters of a foreign text that are shown.
const MAX_CHARS: usize = 80;

/// The text with control characters escaped, cut off after 80 characters.
pub(crate) fn excerpt(text: &str) -> String {
    bounded(text, MAX_CHARS)
}

/// The text with control characters escaped, cut off after `max_chars` characters.
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
    fn is_short_and_printable() {
        assert_eq!(excerpt("a\n\u{9b}ü"), "a\\n\\u{9b}ü");
        let long = excerpt(&"\u{1b}".repeat(1_000));
        assert!(long.chars().count() <= MAX_CHARS, "{long}");
        assert!(long.ends_with('…'));
    }
}
