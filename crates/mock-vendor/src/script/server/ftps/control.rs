//! The control connection: lines of commands and replies.

use std::io;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

/// Maximum length of a command, in bytes.
const MAX_COMMAND_BYTES: u64 = 4096;

/// A control connection.
pub(super) struct Control<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Control<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Returns the connection. What was received ahead is discarded.
    pub(super) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    /// Reads a command in upper case and its argument; `None` at the end of the connection.
    pub(super) async fn command(&mut self) -> io::Result<Option<(String, String)>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(MAX_COMMAND_BYTES);
        limited.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        Ok(Some((command.to_ascii_uppercase(), argument.to_owned())))
    }

    /// Sends a reply.
    pub(super) async fn reply(&mut self, text: &str) -> io::Result<()> {
        self.stream
            .write_all(format!("{text}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }
}
