//! Bounds the memory of the parser, which keeps each tag, text and comment as a whole.

use std::io::{self, BufRead, Read};

use crate::decode::invalid;

/// Maximum length of a tag, a text, a comment or a CDATA section, in bytes.
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Limits the number of bytes that are read between two calls of [`EventLimit::reset`], and counts lines.
#[derive(Debug)]
pub(super) struct EventLimit<R> {
    inner: R,
    left: usize,
    line: u64,
}

impl<R: BufRead> EventLimit<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            left: MAX_EVENT_BYTES,
            line: 1,
        }
    }

    /// An event begins.
    pub(super) fn reset(&mut self) {
        self.left = MAX_EVENT_BYTES;
    }

    /// The line up to which the document is read, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

impl<R: BufRead> Read for EventLimit<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for EventLimit<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            let line = self.line;
            return Err(invalid(format!(
                "line {line}: a tag, a text or a comment is longer than {MAX_EVENT_BYTES} bytes"
            )));
        }
        let length = available.len().min(self.left);
        Ok(&available[..length])
    }

    fn consume(&mut self, length: usize) {
        // The bytes are still in the buffer: this reads nothing.
        if let Ok(available) = self.inner.fill_buf() {
            let consumed = &available[..length.min(available.len())];
            self.line += memchr::memchr_iter(b'\n', consumed).count() as u64;
        }
        self.left = self.left.saturating_sub(length);
        self.inner.consume(length);
    }
}
