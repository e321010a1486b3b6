//! Checks the package of a workbook before the library reads it: the library decompresses whatever the package has, trusts
//! some of its numbers, and does not read to the end of a part, where a wrong checksum would show. It takes about a tenth of the
//! time for a workbook, half of it to decompress the parts a second time.

use std::io::{self, BufReader, Read, Seek as _};

use memchr::memmem;
use tracing::warn;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::decode::{Limit, Spool, invalid};
use crate::excerpt::excerpt;
use crate::format::json::Beginning;

/// Size of the pieces in which a part is read, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// Number of bytes behind the name of an attribute in which its value begins, with blanks between them.
const ATTRIBUTE_BYTES: usize = 64;
/// Number of bytes at the end of a piece that are looked at again with the next.
const OVERLAP_BYTES: usize = 2 * ATTRIBUTE_BYTES;
/// The shortest text of the table of texts is `<si/>`.
const MIN_TEXT_BYTES: u64 = 5;

/// Reads the whole package. `limit` is the size of all its parts after decompression.
pub(super) fn check(bytes: &mut Spool, limit: Limit) -> io::Result<()> {
    require_package(bytes)?;
    let mut package = ZipArchive::new(BufReader::new(bytes)).map_err(problem)?;
    let has = |name: &str| package.index_for_name(name).is_some();
    if has("xl/workbook.bin") {
        return Err(invalid(
            "the document is an .xlsb workbook, expected an .xlsx workbook",
        ));
    }
    if !has("[Content_Types].xml") {
        return Err(invalid(
            "the document is a package of files, but not an .xlsx workbook",
        ));
    }
    if package.has_duplicate_names() {
        return Err(invalid("two parts of the workbook have one name"));
    }
    let mut left = limit.bytes();
    let mut escape = None;
    for index in 0..package.len() {
        let mut part = package.by_index(index).map_err(problem)?;
        if part.size() > left {
            return Err(limit.exceeded());
        }
        let name = part.name().map_err(problem)?.to_lowercase();
        let mut found = Part::default();
        left = found
            .read(&mut part, left)
            .map_err(|error| broken(&name, &error))?
            .ok_or_else(|| limit.exceeded())?;
        if name.ends_with("sharedstrings.xml") && found.text_count > found.size / MIN_TEXT_BYTES {
            return Err(invalid(format!(
                "the workbook is invalid: {} states {} texts, but has {} bytes",
                excerpt(&name),
                found.text_count,
                found.size
            )));
        }
        if let Some(index) = found.invalid_index {
            return Err(invalid(format!(
                "the workbook is invalid: {} refers to a shared text by {index:?}",
                excerpt(&name)
            )));
        }
        if let Some(markup) = found.markup_in_value {
            return Err(invalid(format!(
                "the workbook cannot be read: {} has {markup} in the value of a cell",
                excerpt(&name)
            )));
        }
        escape = escape.or(found.escape);
    }
    if let Some(escape) = escape {
        warn!(
            escape,
            "a text of the workbook has an escape of a character that needs none: programs that write texts unescaped (openpyxl) mean the escape itself, the standard means the character, which is what is read"
        );
    }
    Ok(())
}

fn require_package(bytes: &mut Spool) -> io::Result<()> {
    let mut start = Vec::new();
    Read::take(&mut *bytes, 4).read_to_end(&mut start)?;
    bytes.rewind()?;
    if start.starts_with(b"PK\x03\x04") {
        return Ok(());
    }
    if start.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(invalid(
            "the document is an .xls workbook, or one with a password, expected an .xlsx workbook without one",
        ));
    }
    let beginning = Beginning::of(&mut BufReader::new(bytes))?;
    let expected = "an .xlsx workbook";
    let problem = beginning.instead_of(expected);
    Err(invalid(problem.unwrap_or_else(|| {
        format!("the document is not {expected}; {beginning}")
    })))
}

/// The kind of a part.
#[derive(Debug, Default)]
struct Part {
    size: u64,
    /// The number of texts that the part states, for which the library reserves memory.
    text_count: u64,
    /// An escape `_xHHHH_` of a character that needs none.
    escape: Option<String>,
    /// Text that is not a number where a cell refers to a shared text; the library would take the first text.
    invalid_index: Option<String>,
    /// Markup in the value of a cell, where the library would read an empty cell or the digits before it.
    markup_in_value: Option<&'static str>,
}

impl Part {
    /// Reads the part to its end; returns what is left of the limit, or `None` if the part is larger.
    fn read(&mut self, part: &mut dyn Read, mut left: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; OVERLAP_BYTES + CHUNK_BYTES];
        let mut kept = 0;
        loop {
            let length = match part.read(&mut window[kept..]) {
                Ok(0) => {
                    self.look_at(&window[..kept], true);
                    return Ok(Some(left));
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.size += length as u64;
            let Some(rest) = left.checked_sub(length as u64) else {
                return Ok(None);
            };
            left = rest;
            let filled = kept + length;
            self.look_at(&window[..filled], false);
            kept = filled.min(OVERLAP_BYTES);
            window.copy_within(filled - kept..filled, 0);
        }
    }

    fn look_at(&mut self, text: &[u8], is_end: bool) {
        for at in positions(text, b"uniqueCount") {
            let behind = &text[at..];
            if behind.len() < ATTRIBUTE_BYTES && !is_end {
                // It is looked at again.
                continue;
            }
            let behind = &behind[..behind.len().min(ATTRIBUTE_BYTES)];
            let start = behind.iter().position(u8::is_ascii_digit);
            let digits = start.map(|start| &behind[start..]).unwrap_or_default();
            let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
            let count = digits.fold(0_u64, |count, digit| {
                count
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit - b'0'))
            });
            let count = if start.is_some() { count } else { u64::MAX };
            self.text_count = self.text_count.max(count);
        }
        if self.escape.is_none() {
            self.escape = needless_escape(text);
        }
        if self.invalid_index.is_none() {
            self.invalid_index = invalid_index(text);
        }
        if self.markup_in_value.is_none() {
            self.markup_in_value = markup_in_value(text);
        }
    }
}

/// The positions behind each `needle`.
fn positions<'t>(text: &'t [u8], needle: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    memmem::find_iter(text, needle).map(|at| at + needle.len())
}

/// Finds markup in the value (`v`) of a cell: CDATA, a comment or an instruction; a reference, unless the cell is a text.
fn markup_in_value(text: &[u8]) -> Option<&'static str> {
    for (needle, shown) in [
        (b"<!".as_slice(), "CDATA or a comment"),
        (b"<?", "an instruction"),
    ] {
        if memmem::find_iter(text, needle).any(|at| is_in_value(&text[..at])) {
            return Some(shown);
        }
    }
    let is_reference = |at: usize| is_in_value(&text[..at]) && !is_in_text_cell(&text[..at]);
    memchr::memchr_iter(b'&', text)
        .any(is_reference)
        .then_some("a reference")
}

/// Whether what follows `before` is inside an element `v`.
fn is_in_value(before: &[u8]) -> bool {
    let Some(tag) = memchr::memrchr(b'<', before) else {
        return false;
    };
    let tag = &before[tag + 1..];
    let end = tag
        .iter()
        .position(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'));
    let name = &tag[..end.unwrap_or(tag.len())];
    name == b"v" || name.ends_with(b":v")
}

/// Whether the last cell that begins in `before` has a type that is read as text; so is a cell that begins before it.
fn is_in_text_cell(before: &[u8]) -> bool {
    let Some(cell) = memmem::rfind(before, b"<c") else {
        return true;
    };
    let end = memchr::memchr(b'>', &before[cell..]);
    let tag = &before[cell..][..end.unwrap_or(before.len() - cell)];
    ["str", "d", "inlineStr"].iter().any(|kind| {
        [format!("t=\"{kind}\""), format!("t='{kind}'")]
            .iter()
            .any(|attribute| memmem::find(tag, attribute.as_bytes()).is_some())
    })
}

/// Finds a cell that refers to a shared text by something else than its number.
fn invalid_index(text: &[u8]) -> Option<String> {
    positions(text, b" t=\"s\"").find_map(|at| {
        let behind = &text[at..text.len().min(at + ATTRIBUTE_BYTES)];
        let end = behind.iter().position(|byte| *byte == b'>')?;
        let inside = behind[end + 1..].trim_ascii_start().strip_prefix(b"<v>")?;
        let value = &inside[..inside.iter().position(|byte| *byte == b'<')?];
        let is_number = value.iter().all(u8::is_ascii_digit);
        (!is_number).then(|| excerpt(&String::from_utf8_lossy(value)))
    })
}

/// Finds an escape of a character that programs which escape do not escape: they do so for control characters, and for the `_`
/// of a text that looks like an escape.
fn needless_escape(text: &[u8]) -> Option<String> {
    let mut skip_to = 0;
    for at in positions(text, b"_x") {
        let Some(rest) = text.get(at..at + 5).filter(|_| at >= skip_to + 2) else {
            continue;
        };
        let Some((b'_', digits)) = rest.split_last() else {
            continue;
        };
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        let Ok(code) = u16::from_str_radix(digits, 16) else {
            continue;
        };
        skip_to = at + 5;
        let character = char::from_u32(u32::from(code));
        let is_escaped_by_all = code == u16::from(b'_') || code >= 0xfffe;
        if character.is_some_and(|character| !character.is_control()) && !is_escaped_by_all {
            return Some(format!("_x{digits}_"));
        }
    }
    None
}

fn problem(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => broken("the package", &error),
        other => invalid(format!(
            "the workbook is invalid: {}",
            excerpt(&other.to_string())
        )),
    }
}

fn broken(part: &str, error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            invalid(format!(
                "the workbook is damaged: {}: {}",
                excerpt(part),
                excerpt(&error.to_string())
            ))
        }
        kind => io::Error::new(kind, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needless_escapes_are_found() {
        for (text, expected) in [
            ("<t>SKU_x0041_1</t>", Some("_x0041_")),
            ("_x000D__x0041_", Some("_x0041_")),
            ("_x20ac_", Some("_x20ac_")),
            ("_x000D_ _x005F_x0041_ _xFFFF_", None),
            ("_x00g1_ _x41_ _x0041 _x", None),
        ] {
            assert_eq!(
                needless_escape(text.as_bytes()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn parts_are_searched_across_pieces() {
        // The pieces of the reader end anywhere.
        for length in [1, 3, 7, 64, 100, CHUNK_BYTES] {
            let text = format!(
                "<sst uniqueCount=\"12\"><si>{}_x0041_</si>",
                "x".repeat(100_000)
            );
            let mut pieces = Pieces(text.as_bytes(), length);
            let mut part = Part::default();
            assert_eq!(
                part.read(&mut pieces, 200_000).unwrap(),
                Some(200_000 - text.len() as u64)
            );
            assert_eq!(
                (part.text_count, part.escape.as_deref()),
                (12, Some("_x0041_"))
            );
        }
    }

    struct Pieces<'t>(&'t [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }
}
