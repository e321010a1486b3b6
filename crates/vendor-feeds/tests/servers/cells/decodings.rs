//! How a document is packed and encoded before it is sent.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::formats::Document;
use crate::gzip as gzip_member;

/// A document as it is sent.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    /// `decode.charset`.
    pub(super) charset: Option<&'static str>,
    /// Whether the transfer names gzip as its `Content-Encoding`.
    pub(super) is_compressed: bool,
}

impl Sent {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            charset: None,
            is_compressed: false,
        }
    }
}

/// As it is.
pub(super) fn plain(document: &Document) -> Sent {
    Sent::new(document.bytes.clone())
}

/// In two members, as concatenated files are.
pub(super) fn gzip(document: &Document) -> Sent {
    let (first, second) = document.bytes.split_at(document.bytes.len() / 2);
    Sent::new([gzip_member(first), gzip_member(second)].concat())
}

/// The only file of an archive, in a directory.
pub(super) fn zip(document: &Document) -> Sent {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    writer.add_directory("out/", options).unwrap();
    writer.start_file("out/report", options).unwrap();
    writer.write_all(&document.bytes).unwrap();
    Sent::new(writer.finish().unwrap().into_inner())
}

/// Compressed for the transfer.
pub(super) fn content_encoding(document: &Document) -> Sent {
    Sent {
        is_compressed: true,
        ..Sent::new(gzip_member(&document.bytes))
    }
}

/// In another encoding than UTF-8.
pub(super) fn charset(document: &Document) -> Sent {
    let (bytes, charset) = document.encoded.clone().unwrap();
    Sent {
        charset,
        ..Sent::new(bytes)
    }
}
