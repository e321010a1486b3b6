//! Splits an interchange into segments. Written here because no kept library reads both syntaxes as a stream.
//!
//! White space between segments is skipped: interchanges are often stored with a line break behind each terminator.

use std::io::{BufRead, Read as _};

use super::segment::Segment;
use super::{FormatError, malformed, quoted};

/// Maximum length of a segment, in bytes.
const MAX_SEGMENT_BYTES: usize = 64 * 1024;

/// Length of ISA with its terminator. All its elements have a fixed length (X12.5, interchange control structures).
const ISA_BYTES: usize = 106;
/// Positions of the element separators of ISA.
const ISA_SEPARATORS: [usize; 16] = [
    3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103,
];
/// Length of UNA (ISO 9735, annex B): its name and six characters.
const UNA_BYTES: usize = 9;

/// The characters with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) element: u8,
    pub(crate) component: u8,
    pub(crate) terminator: u8,
    /// Takes the meaning from the next character; X12 has none.
    pub(crate) release: Option<u8>,
    /// The decimal mark, if the interchange states one.
    pub(crate) decimal: Option<u8>,
}

impl Syntax {
    /// EDIFACT without UNA (ISO 9735, 5.1: level A).
    const LEVEL_A: Self = Self {
        element: b'+',
        component: b':',
        terminator: b'\'',
        release: Some(b'?'),
        decimal: None,
    };

    /// EDIFACT level B without UNA (ISO 9735, 5.2): the information separators 3, 1 and 4.
    const LEVEL_B: Self = Self {
        element: 0x1d,
        component: 0x1f,
        terminator: 0x1c,
        release: None,
        decimal: None,
    };

    fn check(self) -> Result<Self, FormatError> {
        let Self {
            element,
            component,
            terminator,
            release,
            ..
        } = self;
        let characters = [Some(element), Some(component), Some(terminator), release];
        let mut seen = Vec::new();
        for character in characters.into_iter().flatten() {
            if character.is_ascii_alphanumeric() || character == b' ' || !character.is_ascii() {
                let shown = char::from(character);
                return Err(malformed(1, format_args!("{shown:?} is not a separator")));
            }
            if seen.contains(&character) {
                let shown = char::from(character);
                return Err(malformed(
                    1,
                    format_args!("{shown:?} is two separators at once"),
                ));
            }
            seen.push(character);
        }
        Ok(self)
    }
}

/// Reads segments.
#[derive(Debug)]
pub(crate) struct Tokenizer<R> {
    input: R,
    syntax: Syntax,
    /// The bytes of the segment; in the beginning what was read of it already.
    raw: Vec<u8>,
    /// Whether `raw` is the first segment as a whole.
    is_whole: bool,
    segment: Segment,
    number: u64,
}

impl<R: BufRead> Tokenizer<R> {
    /// Reads the separators of an X12 interchange from ISA, which is the first segment.
    pub(crate) fn x12(mut input: R) -> Result<Self, FormatError> {
        skip_white_space(&mut input)?;
        let mut raw = Vec::new();
        input
            .by_ref()
            .take(ISA_BYTES as u64)
            .read_to_end(&mut raw)?;
        if !raw.starts_with(b"ISA") {
            return Err(not_an_interchange("X12", "ISA", &raw));
        }
        let separator = raw.get(3).copied().unwrap_or_default();
        let is_separator = |position: &usize| raw.get(*position) == Some(&separator);
        if raw.len() < ISA_BYTES || !ISA_SEPARATORS.iter().all(is_separator) {
            return Err(malformed(
                1,
                "the elements of ISA do not have their fixed lengths",
            ));
        }
        let syntax = Syntax {
            element: separator,
            component: raw[ISA_BYTES - 2],
            terminator: raw[ISA_BYTES - 1],
            release: None,
            decimal: None,
        };
        raw.pop();
        Ok(Self::new(input, syntax.check()?, raw, true))
    }

    /// Reads the separators of an EDIFACT interchange from UNA, if it is there. UNB is the first segment.
    pub(crate) fn edifact(mut input: R) -> Result<Self, FormatError> {
        skip_white_space(&mut input)?;
        let mut raw = Vec::new();
        input.by_ref().take(4).read_to_end(&mut raw)?;
        let syntax = match raw.as_slice() {
            [b'U', b'N', b'A', _] => {
                let rest = (UNA_BYTES - raw.len()) as u64;
                input.by_ref().take(rest).read_to_end(&mut raw)?;
                let &[.., component, element, decimal, release, _, terminator] = raw.as_slice()
                else {
                    return Err(malformed(1, "UNA is truncated"));
                };
                if raw.len() < UNA_BYTES {
                    return Err(malformed(1, "UNA is truncated"));
                }
                skip_white_space(&mut input)?;
                raw.clear();
                Syntax {
                    element,
                    component,
                    terminator,
                    // A blank: not used.
                    release: Some(release).filter(|&release| release != b' '),
                    decimal: Some(decimal),
                }
            }
            b"UNB+" => Syntax::LEVEL_A,
            b"UNB\x1d" => Syntax::LEVEL_B,
            _ => return Err(not_an_interchange("EDIFACT", "UNA or UNB", &raw)),
        };
        Ok(Self::new(input, syntax.check()?, raw, false))
    }

    fn new(input: R, syntax: Syntax, raw: Vec<u8>, is_whole: bool) -> Self {
        Self {
            input,
            syntax,
            raw,
            is_whole,
            segment: Segment::default(),
            number: 0,
        }
    }

    /// The decimal mark, if the interchange states one with its separators.
    pub(crate) fn decimal_mark(&self) -> Option<u8> {
        self.syntax.decimal
    }

    /// The next segment; `None` at the end of the document. The last segment of an interchange may lack its terminator, because
    /// its control number shows whether it is whole.
    pub(crate) fn next_segment(&mut self) -> Result<Option<&Segment>, FormatError> {
        // Of the first segment the beginning was read in advance.
        if self.number > 0 {
            self.raw.clear();
            skip_white_space(&mut self.input)?;
        }
        let is_terminated = std::mem::take(&mut self.is_whole) || self.read_to_terminator()?;
        if self.raw.is_empty() && !is_terminated {
            return Ok(None);
        }
        self.number += 1;
        self.split()?;
        if !is_terminated && !matches!(self.segment.name(), "IEA" | "UNZ") {
            return Err(malformed(
                self.number,
                "the document ends before the segment does: it is truncated",
            ));
        }
        Ok(Some(&self.segment))
    }

    /// Whether the terminator was there; it is removed.
    fn read_to_terminator(&mut self) -> Result<bool, FormatError> {
        let terminator = self.syntax.terminator;
        loop {
            let left = (MAX_SEGMENT_BYTES + 1).saturating_sub(self.raw.len());
            let input = self.input.by_ref();
            let read = input
                .take(left as u64)
                .read_until(terminator, &mut self.raw)?;
            if self.raw.len() > MAX_SEGMENT_BYTES {
                let number = self.number + 1;
                return Err(malformed(
                    number,
                    format_args!("longer than {MAX_SEGMENT_BYTES} bytes"),
                ));
            }
            if read == 0 || self.raw.last() != Some(&terminator) {
                let length = self.raw.trim_ascii_end().len();
                self.raw.truncate(length);
                return Ok(false);
            }
            self.raw.pop();
            let is_release = |byte: &&u8| Some(**byte) == self.syntax.release;
            let releases = self.raw.iter().rev().take_while(is_release).count();
            if releases % 2 == 0 {
                return Ok(true);
            }
            self.raw.push(terminator);
        }
    }

    /// Splits `raw`, and removes its release characters.
    fn split(&mut self) -> Result<(), FormatError> {
        let Self {
            syntax,
            raw,
            segment,
            number,
            ..
        } = self;
        segment.begin(*number);
        let component = Some(syntax.component).filter(|_| !is_isa(raw));
        let mut length = 0;
        let mut position = 0;
        // Separators are ASCII, so that all components begin and end between characters.
        while let Some(&byte) = raw.get(position) {
            let mut kept = Some(byte);
            if byte == syntax.element {
                segment.end_element(length);
            } else if Some(byte) == component {
                segment.end_component(length);
            } else if Some(byte) == syntax.release {
                position += 1;
                kept = raw.get(position).copied();
            }
            if let Some(kept) = kept {
                raw[length] = kept;
                length += 1;
            }
            position += 1;
        }
        raw.truncate(length);
        segment
            .finish(raw)
            .map_err(|_| malformed(*number, "not UTF-8"))?;
        let name = segment.name();
        let is_name = (2..=3).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_name {
            let found = quoted(segment.text());
            return Err(malformed(
                *number,
                format_args!("expected the name of a segment, found {found}"),
            ));
        }
        Ok(())
    }
}

/// The last element of ISA is the component separator itself.
fn is_isa(raw: &[u8]) -> bool {
    raw.len() == ISA_BYTES - 1 && raw.starts_with(b"ISA")
}

fn skip_white_space(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let available = input.fill_buf()?;
        let length = available
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let is_end = length < available.len() || available.is_empty();
        input.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

fn not_an_interchange(syntax: &str, beginning: &str, found: &[u8]) -> FormatError {
    let found = quoted(&String::from_utf8_lossy(found));
    FormatError::Malformed(format!(
        "expected an {syntax} interchange, which begins with {beginning}, found {found}"
    ))
}
