//! The `Prefer` header (RFC 7240): the time that a client is willing to wait.

use std::time::Duration;

use actix_web::HttpRequest;

const HEADER: &str = "Prefer";

/// States that the preference was applied.
pub(crate) const WAIT_APPLIED: (&str, &str) = ("Preference-Applied", "wait");

/// Maximum supported wait, in seconds.
const MAX_WAIT_S: u64 = 30;

/// The time that the client prefers to wait; `None` if there is no valid `wait` preference. The first preference of a name
/// applies.
pub(crate) fn wait(request: &HttpRequest) -> Option<Duration> {
    let lines = request.headers().get_all(HEADER);
    let lines = lines.filter_map(|line| line.to_str().ok());
    let preferences: Vec<(&str, Option<String>)> = lines.flat_map(preferences).collect();
    let (_, value) = preferences
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("wait"))?;
    let value = value?;
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = value.parse().ok().filter(|_| digits)?;
    (1..=MAX_WAIT_S)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

/// The preferences of one header line, each with its value. Parameters, which follow a semicolon, are ignored.
fn preferences(line: &str) -> Vec<(&str, Option<String>)> {
    let parts = split(line, ',').into_iter();
    parts
        .map(|preference| {
            let alone = split(preference, ';').swap_remove(0);
            match alone.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
                None => (alone.trim(), None),
            }
        })
        .collect()
}

/// Splits at separators outside of quotes. Returns at least one part.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut in_quotes, mut escaped) = (false, false);
    text.split(|char| {
        match char {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ => return char == separator && !in_quotes,
        }
        false
    })
    .collect()
}

/// Removes the quotes and escapes of a value, if it is quoted.
fn unquoted(value: &str) -> String {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.extend(chars.next()),
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seconds(lines: &[&str]) -> Option<u64> {
        let request = lines.iter().fold(TestRequest::post(), |request, line| {
            request.append_header((HEADER, *line))
        });
        wait(&request.to_http_request()).map(|wait| wait.as_secs())
    }

    #[test]
    fn wait_is_one_to_thirty_seconds() {
        for (line, expected) in [
            ("wait=1", 1),
            ("wait=30", 30),
            ("WAIT=7", 7),
            ("wait = 7", 7),
            ("wait=07", 7),
            ("wait=\"7\"", 7),
            ("wait=\"\\7\"", 7),
            ("wait=7; strictly", 7),
            ("respond-async, wait=7", 7),
            ("x=\"a, wait=3\", wait=7", 7),
            ("x=\"a\\\", wait=3\", wait=7", 7),
            ("foo; wait=3, wait=7", 7),
            ("return=minimal,wait=7,handling=lenient", 7),
            (",, wait=7", 7),
        ] {
            assert_eq!(seconds(&[line]), Some(expected), "{line}");
        }
    }

    #[test]
    fn invalid_preference_is_ignored() {
        for line in [
            "",
            "wait",
            "wait=",
            "wait=0",
            "wait=31",
            "wait=-1",
            "wait=+5",
            "wait=5s",
            "wait=5.0",
            "wait=99999999999999999999999",
            "wait=\"5",
            "waits=5",
            "x=\"wait=5\"",
            "respond-async; wait=5",
            "=5",
            ";;;",
            "\"",
        ] {
            assert_eq!(seconds(&[line]), None, "{line}");
        }
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn first_of_several_preferences_applies() {
        assert_eq!(seconds(&["wait=5, wait=6"]), Some(5));
        assert_eq!(seconds(&["respond-async", "wait=5", "wait=6"]), Some(5));
        assert_eq!(seconds(&["wait=soon, wait=6"]), None);
    }
}
