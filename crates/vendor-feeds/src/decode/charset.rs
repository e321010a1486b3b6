//! Converts text to UTF-8. Nothing is replaced: a byte that is not valid in the encoding is an error, because the replacement
//! character in a product id would be another product.

use std::fmt::Write as _;
use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::{CHUNK_BYTES, Spool, invalid};

/// Number of bytes of an invalid sequence that are shown.
const MAX_SHOWN_BYTES: usize = 8;

/// Returns the encoding of a document that begins with `start`, and the length of its byte order mark.
pub(super) fn detect(
    start: &[u8],
    charset: Option<&'static Encoding>,
    declared: fn(&[u8]) -> Option<&'static Encoding>,
) -> io::Result<(&'static Encoding, u64)> {
    if start.starts_with(&[0xff, 0xfe, 0, 0]) || start.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(invalid(
            "the document begins with a byte order mark of UTF-32, which is not supported",
        ));
    }
    Ok(match Encoding::for_bom(start) {
        Some((encoding, length)) => (encoding, length as u64),
        None => (charset.or_else(|| declared(start)).unwrap_or(UTF_8), 0),
    })
}

/// Reads a document as UTF-8.
pub(super) struct Utf8Reader {
    spool: Spool,
    encoding: &'static Encoding,
    decoder: Decoder,
    input: Box<[u8]>,
    /// The part of `input` that is not decoded yet.
    unread: std::ops::Range<usize>,
    /// Offset in the document of the first byte that is not decoded yet.
    offset: u64,
    is_end: bool,
    is_finished: bool,
    /// Decoded text that did not fit into the caller's buffer.
    left: Vec<u8>,
}

impl Utf8Reader {
    pub(super) fn new(spool: Spool, encoding: &'static Encoding, offset: u64) -> Self {
        Self {
            spool,
            encoding,
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; CHUNK_BYTES].into_boxed_slice(),
            unread: 0..0,
            offset,
            is_end: false,
            is_finished: false,
            left: Vec::new(),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let length = loop {
            match self.spool.read(&mut self.input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.unread = 0..length;
        self.is_end = length == 0;
        Ok(())
    }

    /// Decodes into `text`, which has space for at least one character.
    fn decode(&mut self, text: &mut [u8]) -> io::Result<usize> {
        while !self.is_finished {
            if self.unread.is_empty() && !self.is_end {
                self.fill()?;
            }
            let input = &self.input[self.unread.clone()];
            let (result, read, written) =
                self.decoder
                    .decode_to_utf8_without_replacement(input, text, self.is_end);
            self.unread.start += read;
            self.offset += read as u64;
            match result {
                DecoderResult::InputEmpty => self.is_finished = self.is_end,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    let start = self.offset - u64::from(after) - u64::from(length);
                    return Err(self.malformed(start, usize::from(length)));
                }
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }

    fn malformed(&mut self, offset: u64, length: usize) -> io::Error {
        let mut bytes = vec![0; length.min(MAX_SHOWN_BYTES)];
        let read = self
            .spool
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.spool.read_exact(&mut bytes));
        if let Err(error) = read {
            return error;
        }
        let mut shown = String::new();
        for byte in &bytes {
            // A write to a `String` does not fail.
            let _ = write!(shown, " {byte:02X}");
        }
        let name = self.encoding.name();
        invalid(format!(
            "the text is not valid {name} at the byte offset {offset}:{shown} (decode.charset states another encoding)"
        ))
    }
}

impl Read for Utf8Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left.is_empty() {
            // The decoder needs space for the longest character.
            if buffer.len() >= 16 {
                return self.decode(buffer);
            }
            let mut text = [0; 16];
            let length = self.decode(&mut text)?;
            self.left.extend_from_slice(&text[..length]);
        }
        let length = self.left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.left[..length]);
        self.left.drain(..length);
        Ok(length)
    }
}
