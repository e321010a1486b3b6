//! Documents with one JSON object a line.

use std::io::{BufRead, Read as _};

use domain::timestamp::Timestamp;

use super::json::{Beginning, ItemFields};
use super::{Format, FormatError};
use crate::decode::Document;
use crate::excerpt::excerpt;
use crate::options::{FieldOptions, JsonItems};
use crate::record::{Place, RecordSink, Unit};

/// Maximum length of a line, in bytes.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Reads documents with one JSON object a line. Blank lines are skipped.
#[derive(Debug)]
pub(crate) struct Ndjson {
    fields: ItemFields,
}

impl Ndjson {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(fields: &FieldOptions) -> Result<Self, String> {
        let fields = ItemFields::new(fields, JsonItems::List)?;
        Ok(Self { fields })
    }
}

impl Format for Ndjson {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let mut text = document.into_text(|_| None)?;
        // An empty document is a report without products, as the file of a program that found none.
        let beginning = Beginning::of(&mut text)?;
        if let Some(problem) = beginning.problem().filter(|_| !beginning.is_empty()) {
            return Err(FormatError::Malformed(problem));
        }
        let mut slots = self.fields.empty_slots();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let limit = MAX_LINE_BYTES as u64 + 1;
            if text.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let malformed =
                |problem: &str| Err(FormatError::Malformed(format!("line {number}: {problem}")));
            if line.len() > MAX_LINE_BYTES {
                return malformed(&format!("longer than {MAX_LINE_BYTES} bytes"));
            }
            let json = line.trim_ascii();
            match json.first() {
                None => continue,
                Some(b'{') => {}
                Some(_) => {
                    let shown = excerpt(&String::from_utf8_lossy(json));
                    return malformed(&format!("expected a JSON object, found {shown}"));
                }
            }
            if let Err(error) = self.fields.read(json, &mut slots) {
                let hint = if error.is_eof() {
                    " (each line must be a whole object)"
                } else {
                    ""
                };
                return malformed(&format!("invalid JSON: {}{hint}", reason(&error)));
            }
            let unit = Unit::Line;
            let place = Place { unit, number };
            if slots
                .pass_to(records, place, None, self.fields.quantities())
                .is_break()
            {
                break;
            }
        }
        Ok(None)
    }
}

/// The reason of an error with its column: the line of the error is always 1.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((reason, column)) => format!("{} at column {column}", excerpt(reason)),
        None => excerpt(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::{fields, read};

    fn lines(text: &str) -> Result<Vec<String>, String> {
        let format = Ndjson::new(&fields("/sku", &["/qty"])).unwrap();
        read(&format, text).map(|(records, _)| records)
    }

    #[test]
    fn each_line_is_a_record() {
        let text = "{\"sku\":\"A\",\"qty\":1}\r\n\n  \n{\"qty\":2,\"sku\":7,\"more\":[{}]} \n{\"x\":\"\\ud800\"}";
        assert_eq!(
            lines(text).unwrap(),
            [
                r#"line 1: Text("A") [Number("1")]"#,
                r#"line 4: Number("7") [Number("2")]"#,
                "line 5: Missing [Missing]",
            ]
        );
        assert_eq!(lines("").unwrap(), [""; 0]);
        assert_eq!(lines("\n").unwrap(), [""; 0]);
    }

    #[test]
    fn invalid_line_is_named() {
        let first = "{\"sku\":\"A\",\"qty\":1}\n";
        for (text, problem) in [
            ("[1]\n", "line 2: expected a JSON object, found [1]"),
            ("oops\n", "line 2: expected a JSON object, found oops"),
            (
                "{\"sku\":\n\"B\"}\n",
                "line 2: invalid JSON: EOF while parsing a value at column 7 (each line must be a whole object)",
            ),
            (
                "{\"sku\":\"B\"} {}\n",
                "line 2: invalid JSON: trailing characters at column 13",
            ),
            (
                "{\"sku\":nul}\n",
                "line 2: invalid JSON: expected ident at column 11",
            ),
        ] {
            let problem_found = lines(&format!("{first}{text}")).unwrap_err();
            assert_eq!(problem_found, problem, "{text}");
        }
        let problem = lines("<html><body>Sign in").unwrap_err();
        assert_eq!(
            problem,
            "the document is HTML or XML, expected JSON; it begins with <html><body>Sign in"
        );
    }
}
