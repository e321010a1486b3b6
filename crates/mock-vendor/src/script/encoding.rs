//! From the text of a document to the bytes of a response or a file: encoding and compression.

use std::io::{self, Cursor, Write as _};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use serde::{Deserialize, Deserializer, de};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The encoding of a text.
#[derive(Debug, Clone)]
pub(crate) struct Charset {
    /// The name as the script has it.
    label: String,
    encoding: &'static Encoding,
}

impl Default for Charset {
    fn default() -> Self {
        Self {
            label: "UTF-8".to_owned(),
            encoding: UTF_8,
        }
    }
}

impl<'de> Deserialize<'de> for Charset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = String::deserialize(deserializer)?;
        match Encoding::for_label(label.as_bytes()) {
            Some(encoding) => Ok(Self { label, encoding }),
            None => Err(de::Error::custom(format!(
                "{label:?} is not an encoding, expected a name such as \"windows-1252\" or \"utf-16le\""
            ))),
        }
    }
}

impl Charset {
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn is_utf8(&self) -> bool {
        self.encoding == UTF_8
    }

    /// The encoding of a document that declares another one.
    pub(crate) fn latin_1() -> Self {
        Self {
            label: "windows-1252".to_owned(),
            encoding: WINDOWS_1252,
        }
    }

    /// Encodes a text; UTF-16 begins with a byte order mark. A character that the encoding does not have is an error.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u8>, String> {
        let marked = || std::iter::once(0xfeff).chain(text.encode_utf16());
        // encoding_rs decodes UTF-16 only.
        if self.encoding == UTF_16LE {
            return Ok(marked().flat_map(u16::to_le_bytes).collect());
        }
        if self.encoding == UTF_16BE {
            return Ok(marked().flat_map(u16::to_be_bytes).collect());
        }
        let (bytes, _, has_unmappable) = self.encoding.encode(text);
        if has_unmappable {
            let label = &self.label;
            return Err(format!(
                "a character of the document does not exist in {label}"
            ));
        }
        Ok(bytes.into_owned())
    }
}

/// The compression of a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Compression {
    // With braces, so that other keys are refused.
    None {},
    Gzip {
        /// The number of gzip members, which are compressed parts of the document.
        #[serde(default = "one")]
        members: usize,
        /// Whether the compression belongs to the transfer, and not to the file.
        #[serde(default)]
        content_encoding: bool,
    },
    Zip {
        /// The name of the document in the archive.
        entry: String,
    },
}

impl Default for Compression {
    fn default() -> Self {
        Self::None {}
    }
}

fn one() -> usize {
    1
}

impl Compression {
    /// The value of `Content-Encoding`.
    pub(crate) fn content_encoding(&self) -> Option<&'static str> {
        match self {
            Self::Gzip {
                content_encoding: true,
                ..
            } => Some("gzip"),
            _ => None,
        }
    }

    /// The media type of a compressed file.
    pub(crate) fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::Gzip {
                content_encoding: false,
                ..
            } => Some("application/gzip"),
            Self::Zip { .. } => Some("application/zip"),
            _ => None,
        }
    }

    pub(crate) fn compress(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let compressed = match self {
            Self::None {} => return Ok(bytes),
            Self::Gzip { members: 0, .. } => {
                return Err("compression.members is 0, expected 1 or more".to_owned());
            }
            Self::Gzip { members, .. } => gzip(&bytes, *members),
            Self::Zip { entry } => zip(&bytes, entry),
        };
        compressed.map_err(|error| error.to_string())
    }
}

fn gzip(bytes: &[u8], members: usize) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let mut rest = bytes;
    for left in (1..=members).rev() {
        let (part, others) = rest.split_at(rest.len() / left);
        rest = others;
        let mut encoder = GzEncoder::new(compressed, Level::default());
        encoder.write_all(part)?;
        compressed = encoder.finish()?;
    }
    Ok(compressed)
}

fn zip(bytes: &[u8], entry: &str) -> io::Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(entry, SimpleFileOptions::default())?;
    writer.write_all(bytes)?;
    Ok(writer.finish()?.into_inner())
}
