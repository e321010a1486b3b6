//! Lists in one streamed answer, one JSON object a line.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::ClientError;
use crate::error::quote;
use crate::exchange::{Exchange, of_http};

const MEDIA_TYPE: &str = "application/x-ndjson";

/// Longest line that is taken for an item.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A list, item by item as it arrives. The service reads on only as far as this is read.
#[must_use]
pub struct Lines<T> {
    response: Response,
    buffer: LineBuffer,
    /// Longest wait for more.
    patience: Duration,
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
        exchange: &Exchange,
        path: &[&str],
        query: &[(&'static str, String)],
    ) -> Result<Self, ClientError> {
        let request = exchange.get(exchange.url_with(path, query)?);
        Ok(Self {
            response: exchange.open(request, MEDIA_TYPE).await?,
            buffer: LineBuffer::default(),
            patience: exchange.timeout,
            ended: false,
            item: PhantomData,
        })
    }

    /// The next item; `None` only at the end of the whole list. After an error nothing more comes.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] if the answer broke off, [`ClientError::Strange`] if a line is no such item.
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
                let wrong = |error| format!("{error} in the line {}", quote(line));
                return item
                    .map(Some)
                    .map_err(|error| ClientError::strange(200, wrong(error)));
            }
            if self.buffer.waiting() > MAX_LINE_BYTES {
                let reason = format!("a line has more than {MAX_LINE_BYTES} bytes");
                return Err(ClientError::strange(200, reason));
            }
            let chunk = timeout(self.patience, self.response.chunk()).await;
            match chunk.map_err(ClientError::no_answer)?.map_err(of_http)? {
                Some(chunk) => self.buffer.add(&chunk),
                None if self.buffer.waiting() == 0 => return Ok(None),
                None => return Err(ClientError::strange(200, "it ends within a line")),
            }
        }
    }
}

/// Bytes, taken out line by line.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the first line that was not taken begins.
    start: usize,
    /// Up to where it was looked for a line's end.
    seen: usize,
}

impl LineBuffer {
    fn add(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Option<&[u8]> {
        let mut unseen = self.bytes[self.seen..].iter();
        let Some(length) = unseen.position(|byte| *byte == b'\n') else {
            self.seen = self.bytes.len();
            return None;
        };
        let line = self.start..self.seen + length;
        self.start = line.end + 1;
        self.seen = self.start;
        Some(&self.bytes[line])
    }

    /// Bytes of a line that has not ended.
    fn waiting(&self) -> usize {
        self.bytes.len() - self.start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(text in "[a\n]{0,40}", cuts in prop::collection::vec(0..40usize, 0..6)) {
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
            prop_assert_eq!(buffer.waiting(), rest.len());
        }
    }
}
