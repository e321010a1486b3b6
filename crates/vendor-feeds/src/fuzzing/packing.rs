//! Packs documents as an input of a fuzz target states, and removes archives and compression again.

use std::io::{Cursor, ErrorKind, Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::decode::{Limit, copy_to_spool, unpack};
use crate::options::DecodeOptions;

/// The choices at the beginning of an input; 0 behind its end.
pub(super) struct Choices<'b>(pub(super) &'b [u8]);

impl<'b> Choices<'b> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub(super) fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// A part of the rest of the input.
    pub(super) fn piece(&mut self) -> &'b [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
}

pub(super) fn options() -> DecodeOptions {
    DecodeOptions {
        charset: None,
        entry: None,
        max_bytes: 16 * 1024 * 1024,
        max_decoded_bytes: 16 * 1024 * 1024,
        max_ratio: 100,
    }
}

/// Removes archives and compression. The error is one line.
pub(super) fn decoded(
    bytes: &[u8],
    options: &DecodeOptions,
    levels: usize,
) -> Result<Vec<u8>, String> {
    let limit = Limit::Transferred(options.max_bytes);
    let mut content = Vec::new();
    let read = copy_to_spool(&mut Cursor::new(bytes), limit, |error| error)
        .and_then(|spool| unpack(spool, options, levels))
        .and_then(|document| document.into_bytes().0.read_to_end(&mut content));
    match read {
        Ok(_) => Ok(content),
        Err(error) => {
            // Any other kind would be an error of this machine, after which the report is requested again.
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            let problem = error.to_string();
            assert!(!problem.contains(char::is_control), "{problem}");
            Err(problem)
        }
    }
}

/// A content that does not begin like an archive; `None` if it is like one nevertheless.
pub(super) fn content(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = [&b"x"[..], bytes].concat();
    (content.get(257..262) != Some(b"ustar")).then_some(content)
}

/// One member. Writing to a `Vec` does not fail.
pub(super) fn gzip_member(bytes: &[u8], level: u8) -> Vec<u8> {
    let level = Compression::new(u32::from(level % 10));
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// An archive, and its entries: an entry is skipped if an earlier one has its name.
pub(super) fn archive<'e>(
    entries: &[(&'e str, &'e [u8], bool)],
) -> (Vec<u8>, Vec<(&'e str, &'e [u8])>) {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut written: Vec<(&str, &[u8])> = Vec::new();
    for (name, bytes, is_stored) in entries {
        let method = if *is_stored {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default().compression_method(method);
        let is_known = written.iter().any(|(other, _)| other == name);
        if is_known {
            continue;
        }
        if name.ends_with('/') {
            let _ = writer.add_directory(*name, options);
            written.push((name, b""));
        } else {
            let _ = writer.start_file(*name, options);
            let _ = writer.write_all(bytes);
            written.push((name, bytes));
        }
    }
    let bytes = writer.finish().map(Cursor::into_inner);
    (bytes.unwrap_or_default(), written)
}

/// Changes one byte behind the magic number.
pub(super) fn damaged(mut bytes: Vec<u8>, magic: usize, at: usize, mask: u8) -> Vec<u8> {
    let length = bytes.len() - magic;
    bytes[magic + at % length] ^= mask.max(1);
    bytes
}

/// Whether each of `count` layers is a gzip stream, by the bits of `kinds`.
pub(super) fn kinds_of(count: u8, kinds: u8) -> impl Iterator<Item = bool> {
    (0..count).map(move |level| (kinds >> level) & 1 == 1)
}

/// Packs `content` once for each of `kinds`. Returns all of it from the inside to the outside.
pub(super) fn packed(content: Vec<u8>, kinds: impl Iterator<Item = bool>) -> Vec<Vec<u8>> {
    let mut layers = vec![content];
    for is_gzip in kinds {
        let inside = layers.last().map(Vec::as_slice).unwrap_or_default();
        layers.push(if is_gzip {
            gzip_member(inside, 6)
        } else {
            archive(&[("stock", inside, false)]).0
        });
    }
    layers
}
