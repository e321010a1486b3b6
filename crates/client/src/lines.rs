//! Lists as one streamed response with one JSON object per line (NDJSON).

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::ClientError;
use crate::error::quote;
use crate::transport::{Transport, from_http};

const MEDIA_TYPE: &str = "application/x-ndjson";

/// Maximum length of a line.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A streamed list, item by item as it arrives. The service reads its store only as fast as the client reads the stream.
#[must_use]
pub struct Lines<T> {
    response: Response,
    buffer: LineBuffer,
    /// Timeout for each chunk.
    read_timeout: Duration,
    ended: bool,
    item: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Lines<T> {
    pub(crate) async fn open(
        transport: &Transport,
        path: &[&str],
        query: &[(&'static str, String)],
    ) -> Result<Self, ClientError> {
        let request = transport.get(transport.url_with(path, query)?);
        Ok(Self {
            response: transport.open(request, MEDIA_TYPE).await?,
            buffer: LineBuffer::default(),
            read_timeout: transport.timeout,
            ended: false,
            item: PhantomData,
        })
    }

    /// Returns the next item; `None` at the end of the complete list, and after an error.
    ///
    /// # Errors
    /// [`ClientError::NoResponse`] if the response was truncated, [`ClientError::UnexpectedResponse`] if a line is not a valid
    /// item.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let next = self.read().await;
        self.ended = !matches!(next, Ok(Some(_)));
        next
    }

    async fn read(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(line) = self.buffer.line() {
                let item = serde_json::from_slice(line);
                let reason = |error| format!("{error} in line {}", quote(line));
                return item
                    .map(Some)
                    .map_err(|error| ClientError::unexpected(200, reason(error)));
            }
            if self.buffer.pending_len() > MAX_LINE_BYTES {
                let reason = format!("a line has more than {MAX_LINE_BYTES} bytes");
                return Err(ClientError::unexpected(200, reason));
            }
            let chunk = timeout(self.read_timeout, self.response.chunk()).await;
            match chunk
                .map_err(ClientError::no_response)?
                .map_err(from_http)?
            {
                Some(chunk) => self.buffer.add(&chunk),
                None if self.buffer.pending_len() == 0 => return Ok(None),
                None => {
                    let reason = "the stream ends within a line";
                    return Err(ClientError::unexpected(200, reason));
                }
            }
        }
    }
}

/// A buffer of received bytes that is read line by line.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    /// Offset of the first line that was not returned.
    start: usize,
    /// Offset up to which the bytes were searched for a line feed.
    scanned: usize,
}

impl LineBuffer {
    fn add(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// Returns the next complete line without its line feed.
    fn line(&mut self) -> Option<&[u8]> {
        let mut unscanned = self.bytes[self.scanned..].iter();
        let Some(length) = unscanned.position(|byte| *byte == b'\n') else {
            self.scanned = self.bytes.len();
            return None;
        };
        let line = self.start..self.scanned + length;
        self.start = line.end + 1;
        self.scanned = self.start;
        Some(&self.bytes[line])
    }

    /// Returns the number of buffered bytes of an incomplete line.
    fn pending_len(&self) -> usize {
        self.bytes.len() - self.start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_chunk_boundaries(text in "[a\n]{0,40}", cuts in prop::collection::vec(0..40usize, 0..6)) {
            let mut buffer = LineBuffer::default();
            let mut lines = Vec::new();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            for part in cuts.windows(2) {
                buffer.add(&text.as_bytes()[part[0]..part[1]]);
                while let Some(line) = buffer.line() {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            let mut expected: Vec<&str> = text.split('\n').collect();
            let rest = expected.pop().unwrap_or_default();
            prop_assert_eq!(lines, expected);
            prop_assert_eq!(buffer.pending_len(), rest.len());
        }
    }
}
