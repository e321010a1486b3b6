//! Observes the byte stream from the server to read the SQLSTATE of its last error.
//!
//! diesel keeps the kind of an error for a few SQLSTATEs and drops the code of all others, and messages are in the
//! server's language: no text of an error is matched. This module follows the frames of the protocol by their lengths and parses the errors.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Longer errors are truncated: severity and code are at the start.
const MAX_ERROR_BYTES: usize = 4096;

const HEADER_BYTES: usize = 5;
const ERROR_RESPONSE: u8 = b'E';

/// An error sent by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// The SQLSTATE.
    pub(crate) code: String,
    /// Whether the server ended the session with this error.
    pub(crate) fatal: bool,
}

impl ServerError {
    /// Returns whether the SQLSTATE is in one of these classes, which are its first two characters.
    pub(crate) fn is_of(&self, classes: &[&str]) -> bool {
        classes.iter().any(|class| self.code.starts_with(class))
    }
}

/// State of a session besides the results of its statements.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    error: Mutex<Option<ServerError>>,
    warning: Mutex<Option<String>>,
    closed: AtomicBool,
    /// Notified by a notification of the server, and when the session is closed.
    pub(crate) notified: Notify,
}

impl Signals {
    /// Stores an error, unless it only follows the first one of statements that were sent together, or the one that ended
    /// the session.
    fn report(&self, error: ServerError) {
        let mut first = lock(&self.error);
        if first
            .as_ref()
            .is_none_or(|first| error.fatal && !first.fatal)
        {
            *first = Some(error);
        }
    }

    /// Returns and clears the first error since the last call, or the one that ended the session.
    pub(crate) fn take_error(&self) -> Option<ServerError> {
        lock(&self.error).take()
    }

    /// Stores a warning that a commit is less durable than requested.
    pub(crate) fn warn(&self, message: &str) {
        *lock(&self.warning) = Some(message.to_owned());
    }

    /// Returns and clears the last such warning.
    pub(crate) fn take_warning(&self) -> Option<String> {
        lock(&self.warning).take()
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.notified.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parses the frames of a server: a tag of one byte, a length of four bytes that includes itself, and the body.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    /// Remaining bytes of the current frame's body.
    remaining: usize,
    /// The body read so far, if the frame is an error.
    error: Option<Vec<u8>>,
}

impl Frames {
    /// Parses more bytes, and calls `on_error` for each error.
    fn follow(&mut self, mut bytes: &[u8], mut on_error: impl FnMut(ServerError)) {
        while !bytes.is_empty() {
            if self.header.len() < HEADER_BYTES {
                let (taken, rest) = split(bytes, HEADER_BYTES - self.header.len());
                self.header.extend_from_slice(taken);
                bytes = rest;
                let [tag, a, b, c, d] = self.header[..] else {
                    return;
                };
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                self.remaining = length.saturating_sub(HEADER_BYTES - 1);
                self.error = (tag == ERROR_RESPONSE).then(Vec::new);
            }
            let (body, rest) = split(bytes, self.remaining);
            bytes = rest;
            self.remaining -= body.len();
            if let Some(error) = &mut self.error {
                let room = MAX_ERROR_BYTES - error.len();
                error.extend_from_slice(split(body, room).0);
            }
            if self.remaining == 0 {
                self.header.clear();
                if let Some(error) = self.error.take() {
                    on_error(parse(&error));
                }
            }
        }
    }
}

fn split(bytes: &[u8], at_most: usize) -> (&[u8], &[u8]) {
    bytes.split_at(at_most.min(bytes.len()))
}

/// Parses the fields of an error: each a type of one byte and a zero-terminated text.
fn parse(body: &[u8]) -> ServerError {
    let mut error = ServerError {
        code: String::new(),
        fatal: false,
    };
    for field in body.split(|byte| *byte == 0) {
        match field.split_first() {
            Some((b'V', severity)) => error.fatal = severity != b"ERROR",
            Some((b'C', code)) => error.code = String::from_utf8_lossy(code).into_owned(),
            _ => {}
        }
    }
    error
}

/// A stream that reports the errors it reads.
pub(crate) struct Tap<S> {
    stream: S,
    frames: Frames,
    signals: Arc<Signals>,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, signals: Arc<Signals>) -> Self {
        Self {
            stream,
            frames: Frames::default(),
            signals,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = polled {
            let Self {
                frames, signals, ..
            } = &mut *self;
            frames.follow(&buffer.filled()[before..], |error| signals.report(error));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn each_error_is_parsed_for_any_fragmentation_of_the_stream() {
        let long = [b'x'; 10_000];
        let sent = [
            frame(b'Z', b"I"),
            frame(b'E', b"SFEHLER\0VERROR\0C40P01\0Mwhatever\0\0"),
            frame(b'D', b"E\0\0\0\x05VERROR\0C99999\0\0"),
            frame(b'1', b""),
            frame(b'E', &[b"VFATAL\0C57P01\0M", &long[..], b"\0\0"].concat()),
            frame(b'Z', b"I"),
        ]
        .concat();
        for size in [1, 2, 3, 7, 64, sent.len()] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for bytes in sent.chunks(size) {
                frames.follow(bytes, |error| found.push((error.code, error.fatal)));
            }
            let expected = [("40P01".to_owned(), false), ("57P01".to_owned(), true)];
            assert_eq!(found, expected, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn an_error_after_the_end_of_the_session_does_not_replace_its_cause() {
        let signals = Signals::default();
        for (code, fatal) in [("57P01", true), ("25P02", false)] {
            signals.report(ServerError {
                code: code.to_owned(),
                fatal,
            });
        }
        assert!(signals.take_error().unwrap().fatal);
        assert_eq!(signals.take_error(), None);
    }
}
