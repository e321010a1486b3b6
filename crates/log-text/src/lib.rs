//! Makes external text safe for a log line, an error or a terminal: on one line, without control characters. Text from a vendor,
//! a broker or a settings file could otherwise forge log lines or control a terminal.

/// Returns the text with its control characters escaped, as in `\n` and `\u{1b}`.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        push_escaped(&mut line, character);
    }
    line
}

/// Returns the text with its control characters escaped, truncated to `max_chars` characters including a final `…`.
#[must_use]
pub fn excerpt(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut chars = 0;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let mut escaped = String::new();
        push_escaped(&mut escaped, character);
        chars += escaped.chars().count();
        let is_last = rest.peek().is_none();
        if chars > max_chars || chars == max_chars && !is_last {
            line.push('…');
            break;
        }
        line.push_str(&escaped);
    }
    line
}

fn push_escaped(line: &mut String, character: char) {
    if character.is_control() {
        line.extend(character.escape_default());
    } else {
        line.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            one_line("a\nb\u{1b}[31m\u{9b}ü"),
            "a\\nb\\u{1b}[31m\\u{9b}ü"
        );
    }

    #[test]
    fn excerpt_is_truncated_to_its_maximum() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöüß", 3), "äö…");
        assert_eq!(excerpt("a\n", 3), "a\\n");
        assert_eq!(excerpt("a\nb", 3), "a…");
        let long = excerpt(&"\u{1b}".repeat(1_000), 80);
        assert!(long.chars().count() <= 80 && long.ends_with('…'), "{long}");
    }
}
