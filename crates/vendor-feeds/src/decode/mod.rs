//! Decoding: how the bytes of a document become the text, or the workbook, that its format reads. Archives and compression are
//! recognized by their first bytes. All sizes are bounded, in memory and on disk.
//!
//! An error of the kind [`InvalidData`](io::ErrorKind::InvalidData) is about the document and is one line; any other error is
//! about this machine, for example a full disk.

mod archive;
mod charset;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use encoding_rs::Encoding;
use tempfile::SpooledTempFile;

use crate::options::DecodeOptions;

use self::charset::Utf8Reader;

/// The bytes of a document: in memory if they are few, else in a temporary file without a name.
pub(crate) type Spool = SpooledTempFile;

/// Size up to which a document is kept in memory, in bytes.
const MAX_IN_MEMORY: usize = 1024 * 1024;
/// Number of archives and compressed files that may be inside each other.
pub(crate) const MAX_LEVELS: usize = 2;
/// Size up to which `decode.max_ratio` is not checked, in bytes: a small file is no danger, whatever its ratio.
const RATIO_FREE_BYTES: u64 = 1024 * 1024;
/// Number of bytes at the beginning of a document in which its encoding is looked for.
const DECLARATION_BYTES: u64 = 1024;
/// Size of the pieces in which bytes are copied and decoded.
const CHUNK_BYTES: usize = 64 * 1024;

/// Number of bytes that are collected before they are written.
const WRITE_BYTES: usize = 256 * 1024;

/// Creates an empty spool.
fn spool() -> Spool {
    SpooledTempFile::new(MAX_IN_MEMORY)
}

/// The number of bytes in a spool, which is then at its beginning.
pub(crate) fn length(spool: &mut Spool) -> io::Result<u64> {
    let length = spool.seek(SeekFrom::End(0))?;
    spool.rewind()?;
    Ok(length)
}

/// An error about the document, as one line of text.
pub(crate) fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

/// Maximum size of a document, and how messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The size as transferred: `decode.max_bytes`.
    Transferred(u64),
    /// The size after decompression: `decode.max_decoded_bytes`.
    Decoded(u64),
    /// The size after decompression, by the size before it and `decode.max_ratio`.
    Ratio {
        /// The size.
        bytes: u64,
        /// The ratio.
        ratio: u32,
    },
}

impl Limit {
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Transferred(bytes) | Self::Decoded(bytes) | Self::Ratio { bytes, .. } => bytes,
        }
    }

    /// The limit of a document after decompression, if it has `transferred` bytes before.
    fn of_decoded(options: &DecodeOptions, transferred: u64) -> Self {
        let ratio = options.max_ratio;
        let bytes = transferred
            .saturating_mul(u64::from(ratio))
            .max(RATIO_FREE_BYTES);
        if bytes < options.max_decoded_bytes {
            Self::Ratio { bytes, ratio }
        } else {
            Self::Decoded(options.max_decoded_bytes)
        }
    }

    /// The error of a document that is larger.
    pub(crate) fn exceeded(self) -> io::Error {
        invalid(self.to_string())
    }
}

/// The problem of a document that is larger.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transferred(bytes) => {
                write!(
                    f,
                    "the report is larger than {bytes} bytes (decode.max_bytes)"
                )
            }
            Self::Decoded(bytes) => write!(
                f,
                "the report is larger than {bytes} bytes after decompression (decode.max_decoded_bytes)"
            ),
            Self::Ratio { ratio, .. } => write!(
                f,
                "the report is more than {ratio} times as large after decompression (decode.max_ratio)"
            ),
        }
    }
}

/// Copies all bytes of `from` to a new spool, at its beginning. `on_error` describes errors of `from`.
pub(crate) fn copy_to_spool(
    from: &mut dyn Read,
    limit: Limit,
    on_error: impl Fn(io::Error) -> io::Error,
) -> io::Result<Spool> {
    let mut spool = spool();
    let mut left = limit.bytes();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(on_error(error)),
        };
        left = left
            .checked_sub(length as u64)
            .ok_or_else(|| limit.exceeded())?;
        spool.write_all(&chunk[..length])?;
    }
    spool.rewind()?;
    Ok(spool)
}

/// Writes a document that arrives in pieces. Pieces are collected, and written on a thread that may block.
pub(crate) struct SpoolWriter {
    spool: Spool,
    pieces: Vec<u8>,
    limit: Limit,
    left: u64,
}

impl SpoolWriter {
    pub(crate) fn new(limit: Limit) -> Self {
        Self {
            spool: spool(),
            pieces: Vec::new(),
            limit,
            left: limit.bytes(),
        }
    }

    /// Of the limit, `used` bytes are those of other pages of the report.
    pub(crate) fn after(mut self, used: u64) -> Self {
        self.left = self.left.saturating_sub(used);
        self
    }

    pub(crate) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| self.limit.exceeded())?;
        self.pieces.extend_from_slice(piece);
        if self.pieces.len() >= WRITE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut spool = std::mem::replace(&mut self.spool, spool());
        let mut pieces = std::mem::take(&mut self.pieces);
        let write = move || {
            spool.write_all(&pieces)?;
            pieces.clear();
            Ok::<_, io::Error>((spool, pieces))
        };
        (self.spool, self.pieces) = tokio::task::spawn_blocking(write).await??;
        Ok(())
    }

    /// The document, at its beginning.
    pub(crate) async fn finish(mut self) -> io::Result<Spool> {
        self.flush().await?;
        self.spool.rewind()?;
        Ok(self.spool)
    }
}

/// Removes archives and compression, `levels` of them at most.
pub(crate) fn unpack(spool: Spool, options: &DecodeOptions, levels: usize) -> io::Result<Document> {
    archive::unpack(spool, options, levels)
}

/// A document without archive and compression.
#[derive(Debug)]
pub(crate) struct Document {
    bytes: Spool,
    /// Maximum size after decompression.
    limit: Limit,
    charset: Option<&'static Encoding>,
    /// Whether the bytes are a workbook, or another document that consists of an archive.
    is_package: bool,
}

impl Document {
    /// The text in UTF-8, without a byte order mark. `declared` receives the first bytes and returns the encoding that the
    /// document itself declares; it is called only if the settings state none and there is no byte order mark. Bytes that
    /// are not valid in the encoding are an error with their offset.
    pub(crate) fn into_text(
        self,
        declared: fn(&[u8]) -> Option<&'static Encoding>,
    ) -> io::Result<impl BufRead + Send> {
        let Self {
            mut bytes,
            charset,
            is_package,
            ..
        } = self;
        if is_package {
            return Err(invalid(
                "the document is a workbook or another package of files, expected a text (format.type = \"xlsx\" reads workbooks)",
            ));
        }
        bytes.rewind()?;
        let mut start = Vec::new();
        Read::take(&mut bytes, DECLARATION_BYTES).read_to_end(&mut start)?;
        let (encoding, skipped) = charset::detect(&start, charset, declared)?;
        bytes.seek(SeekFrom::Start(skipped))?;
        let reader = Utf8Reader::new(bytes, encoding, skipped);
        Ok(BufReader::with_capacity(CHUNK_BYTES, reader))
    }

    /// The size in bytes.
    pub(crate) fn size(&mut self) -> io::Result<u64> {
        length(&mut self.bytes)
    }

    /// The bytes, at their beginning, and the maximum size of what is packed in them.
    pub(crate) fn into_bytes(self) -> (Spool, Limit) {
        (self.bytes, self.limit)
    }

    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let spool =
            copy_to_spool(&mut &*bytes, Limit::Transferred(u64::MAX), |error| error).unwrap();
        Self {
            bytes: spool,
            limit: Limit::Decoded(u64::MAX),
            charset: None,
            is_package: false,
        }
    }
}

#[cfg(test)]
mod tests;
