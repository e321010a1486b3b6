//! Splits a text into rows and fields. Stricter than most readers: what would be read differently from what was written is
//! an error.

use std::io::BufRead;

use memchr::{memchr, memchr3};

use super::malformed;
use super::row::Row;
use crate::excerpt::excerpt;
use crate::format::FormatError;
use crate::format::columns::MAX_COLUMNS;

/// Maximum length of a field, in bytes.
pub(super) const MAX_FIELD_BYTES: usize = 64 * 1024;
/// Maximum length of all fields of a row, in bytes.
pub(super) const MAX_ROW_BYTES: usize = 4 * 1024 * 1024;

/// How fields are separated and quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
}

/// The rows of a text.
#[derive(Debug)]
pub(super) struct Rows<R> {
    text: R,
    splitter: Splitter,
    row: Row,
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(text: R, dialect: Dialect) -> Self {
        Self {
            text,
            splitter: Splitter {
                dialect,
                state: State::RowStart,
                line: 1,
                line_ends: None,
                is_after_cr: false,
                quote_line: 0,
                row_line: 1,
                bytes: Vec::new(),
                ends: Vec::new(),
            },
            row: Row::default(),
        }
    }

    /// Skips a first line such as `sep=;`, which spreadsheet programs write and hide. It must agree with the dialect.
    pub(super) fn skip_separator_line(&mut self) -> Result<(), FormatError> {
        let delimiter = self.splitter.dialect.delimiter;
        let start = self.text.fill_buf()?;
        let start = start.strip_prefix(b"\"").unwrap_or(start);
        let Some((name, [separator, rest @ ..])) = start.split_at_checked(4) else {
            return Ok(());
        };
        let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        let is_alone = matches!(rest.first(), None | Some(b'\r' | b'\n'));
        if !name.eq_ignore_ascii_case(b"sep=") || !separator.is_ascii() || !is_alone {
            return Ok(());
        }
        let separator = *separator;
        if separator != delimiter {
            return Err(malformed(
                1,
                &format!(
                    "the file states that fields are separated by {:?}, but format.delimiter is {:?}",
                    char::from(separator),
                    char::from(delimiter)
                ),
            ));
        }
        self.skip_line()
    }

    /// Skips a line, whatever is on it.
    pub(super) fn skip_line(&mut self) -> Result<(), FormatError> {
        self.advance(Splitter::skip_line).map(|_| ())
    }

    /// The next row. Blank lines are skipped.
    pub(super) fn next(&mut self) -> Result<Option<&Row>, FormatError> {
        self.splitter.begin();
        let is_row = self.advance(Splitter::split)? || self.splitter.finish()?;
        if !is_row {
            return Ok(None);
        }
        self.row.line = self.splitter.row_line;
        // The text is valid UTF-8, and it is cut at ASCII characters.
        self.row
            .take(&mut self.splitter.bytes, &mut self.splitter.ends)
            .map_err(|_| malformed(self.splitter.row_line, "invalid UTF-8"))?;
        Ok(Some(&self.row))
    }

    /// Passes the text on until `step` is done; `false` if the text ends before.
    fn advance(
        &mut self,
        step: fn(&mut Splitter, &[u8]) -> Result<Step, FormatError>,
    ) -> Result<bool, FormatError> {
        loop {
            let chunk = self.text.fill_buf()?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let (taken, is_done) = step(&mut self.splitter, chunk)?;
            self.text.consume(taken);
            if is_done {
                return Ok(true);
            }
        }
    }
}

/// The number of bytes that were taken, and whether the row, or the line, ends with them.
type Step = (usize, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RowStart,
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote in a quoted field: it closes the field, or is the first of two.
    QuoteInQuoted,
}

/// The line end of a text. A text with both kinds could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnds {
    /// LF or CR LF.
    LineFeed,
    /// CR only.
    CarriageReturn,
}

#[derive(Debug)]
struct Splitter {
    dialect: Dialect,
    state: State,
    /// Number of the current line.
    line: u64,
    line_ends: Option<LineEnds>,
    /// Whether the last byte was a CR, whose LF may follow.
    is_after_cr: bool,
    /// The line on which the last quoted field begins.
    quote_line: u64,
    row_line: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    fn begin(&mut self) {
        self.row_line = self.line;
        self.bytes.clear();
        self.ends.clear();
    }

    /// Takes what belongs to the current row.
    fn split(&mut self, chunk: &[u8]) -> Result<Step, FormatError> {
        let Dialect { delimiter, quote } = self.dialect;
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            let rest = &chunk[at..];
            match self.state {
                State::Quoted => {
                    let length = memchr(quote, rest);
                    let text = &rest[..length.unwrap_or(rest.len())];
                    self.count_lines(text);
                    self.push(text)?;
                    at += text.len();
                    if length.is_some() {
                        self.is_after_cr = false;
                        self.state = State::QuoteInQuoted;
                        at += 1;
                    }
                }
                State::QuoteInQuoted if byte == quote => {
                    self.push(&[quote])?;
                    self.state = State::Quoted;
                    at += 1;
                }
                State::RowStart if self.is_after_cr => {
                    at += self.end_cr(byte)?;
                }
                State::RowStart | State::FieldStart if byte == quote => {
                    self.quote_line = self.line;
                    self.state = State::Quoted;
                    at += 1;
                }
                _ if byte == delimiter => {
                    self.end_field()?;
                    self.state = State::FieldStart;
                    at += 1;
                }
                _ if matches!(byte, b'\r' | b'\n') => {
                    at += 1;
                    self.end_line(byte)?;
                    if let Some(&next) = chunk.get(at).filter(|_| self.is_after_cr) {
                        at += self.end_cr(next)?;
                    }
                    if self.state == State::RowStart {
                        self.row_line = self.line;
                        continue;
                    }
                    self.end_field()?;
                    self.state = State::RowStart;
                    return Ok((at, true));
                }
                State::QuoteInQuoted => return Err(self.text_behind_quote(rest)),
                State::RowStart | State::FieldStart | State::Unquoted => {
                    let length = memchr3(delimiter, b'\r', b'\n', rest).unwrap_or(rest.len());
                    self.push(&rest[..length])?;
                    self.state = State::Unquoted;
                    at += length;
                }
            }
        }
        Ok((at, false))
    }

    /// Takes what belongs to the current line.
    fn skip_line(&mut self, chunk: &[u8]) -> Result<Step, FormatError> {
        let mut at = 0;
        if let Some(&byte) = chunk.first().filter(|_| self.is_after_cr) {
            at = self.end_cr(byte)?;
        }
        let mut rest = chunk[at..].iter();
        match rest.position(|byte| matches!(byte, b'\r' | b'\n')) {
            None => Ok((chunk.len(), false)),
            Some(length) => {
                at += length;
                self.end_line(chunk[at])?;
                Ok((at + 1, true))
            }
        }
    }

    /// Ends the last row, where the text ends; `false` if there is none.
    fn finish(&mut self) -> Result<bool, FormatError> {
        match self.state {
            State::RowStart => Ok(false),
            State::Quoted => Err(malformed(
                self.quote_line,
                "a quote is opened here and never closed",
            )),
            State::FieldStart | State::Unquoted | State::QuoteInQuoted => {
                self.end_field()?;
                self.state = State::RowStart;
                Ok(true)
            }
        }
    }

    fn end_field(&mut self) -> Result<(), FormatError> {
        if self.ends.len() == MAX_COLUMNS {
            let problem = format!("more than {MAX_COLUMNS} fields");
            return Err(malformed(self.row_line, &problem));
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    fn end_line(&mut self, byte: u8) -> Result<(), FormatError> {
        self.line += 1;
        self.is_after_cr = byte == b'\r';
        if self.is_after_cr {
            // The next byte decides.
            return Ok(());
        }
        self.require(LineEnds::LineFeed)
    }

    /// Decides what a CR at the end of a line is, by the byte behind it; returns 1 if that belongs to it.
    fn end_cr(&mut self, byte: u8) -> Result<usize, FormatError> {
        self.is_after_cr = false;
        if byte == b'\n' {
            self.require(LineEnds::LineFeed)?;
            return Ok(1);
        }
        self.require(LineEnds::CarriageReturn)?;
        Ok(0)
    }

    fn require(&mut self, line_ends: LineEnds) -> Result<(), FormatError> {
        if *self.line_ends.get_or_insert(line_ends) == line_ends {
            return Ok(());
        }
        let (found, other) = match line_ends {
            LineEnds::CarriageReturn => ("carriage return", "line feed"),
            LineEnds::LineFeed => ("line feed", "carriage return"),
        };
        let problem = format!(
            "a {found} outside of quotes, but the rows before it end with a {other}: it is not clear whether it ends the row"
        );
        Err(malformed(self.line - 1, &problem))
    }

    fn count_lines(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'\n' if self.is_after_cr => {}
                b'\r' | b'\n' => self.line += 1,
                _ => {}
            }
            self.is_after_cr = *byte == b'\r';
        }
    }

    fn push(&mut self, text: &[u8]) -> Result<(), FormatError> {
        self.bytes.extend_from_slice(text);
        if memchr(0, text).is_some() {
            return Err(malformed(
                self.line,
                "a NUL character (decode.charset states another encoding)",
            ));
        }
        let start = self.ends.last().copied().unwrap_or_default();
        if self.bytes.len() - start > MAX_FIELD_BYTES {
            let (line, hint) = match self.state {
                State::Quoted | State::QuoteInQuoted => {
                    (self.quote_line, " (is its closing quote missing?)")
                }
                _ => (self.line, ""),
            };
            let problem = format!("a field is longer than {MAX_FIELD_BYTES} bytes{hint}");
            return Err(malformed(line, &problem));
        }
        if self.bytes.len() > MAX_ROW_BYTES {
            let problem = format!("a row is longer than {MAX_ROW_BYTES} bytes");
            return Err(malformed(self.row_line, &problem));
        }
        Ok(())
    }

    /// Two fields of PHP's `fputcsv` that end in a backslash and a quote would be read as one, with all rows between them.
    fn text_behind_quote(&self, rest: &[u8]) -> FormatError {
        let start = self.ends.last().copied().unwrap_or_default();
        let field = String::from_utf8_lossy(&self.bytes[start..]);
        let rest = &rest[..rest.len().min(20)];
        let rest = String::from_utf8_lossy(rest);
        let rest = rest.lines().next().unwrap_or_default();
        let rest = rest.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let hint = if field.contains("\\\"") {
            " (PHP's fputcsv writes this after a backslash unless its escape character is \"\")"
        } else {
            ""
        };
        let on = if self.line == self.quote_line {
            String::new()
        } else {
            format!(" on line {}", self.line)
        };
        malformed(
            self.quote_line,
            &format!(
                "the quoted field that begins here is followed by {}{on}, expected {:?} or the end of the line; quotes in a quoted field must be doubled{hint}",
                excerpt(rest),
                char::from(self.dialect.delimiter)
            ),
        )
    }
}
