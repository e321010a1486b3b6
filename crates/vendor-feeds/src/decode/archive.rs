//! Removes archives and compression: gzip (RFC 1952) and zip.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{CHUNK_BYTES, Document, Limit, Spool, copy_to_spool, invalid, length};
use crate::excerpt::excerpt;
use crate::options::DecodeOptions;

/// Maximum number of bytes that are read for the directory of a zip archive: it is kept in memory.
const MAX_DIRECTORY_BYTES: u64 = 2 * 1024 * 1024;
/// Maximum number of entries that a message names.
const MAX_NAMED_ENTRIES: usize = 5;

/// The container that the first bytes of a document show.
enum Packing {
    None,
    Gzip,
    Zip,
    Unsupported(&'static str),
}

impl Packing {
    fn of(start: &[u8]) -> Self {
        let unsupported: [(&[u8], &str); 7] = [
            (b"BZh91AY&SY", "bzip2"),
            (b"\xfd7zXZ\0", "xz"),
            (b"\x28\xb5\x2f\xfd", "Zstandard"),
            (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
            (b"Rar!\x1a\x07", "RAR"),
            (b"\x1f\x9d", "compress"),
            (b"PK\x07\x08PK", "zip in several volumes"),
        ];
        if start.starts_with(b"\x1f\x8b") {
            return Self::Gzip;
        }
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Self::Zip;
        }
        if start.get(257..262) == Some(b"ustar") {
            return Self::Unsupported("tar");
        }
        unsupported
            .iter()
            .find(|(magic, _)| start.starts_with(magic))
            .map_or(Self::None, |(_, name)| Self::Unsupported(name))
    }
}

pub(super) fn unpack(
    mut spool: Spool,
    options: &DecodeOptions,
    levels: usize,
) -> io::Result<Document> {
    let limit = Limit::of_decoded(options, length(&mut spool)?);
    let mut entry = options.entry.as_deref();
    let mut is_package = false;
    for level in 0..=levels {
        spool.rewind()?;
        let mut start = Vec::new();
        Read::take(&mut spool, 512).read_to_end(&mut start)?;
        spool.rewind()?;
        let packing = Packing::of(&start);
        let is_last_level = level == levels;
        spool = match packing {
            Packing::None => break,
            Packing::Unsupported(name) => {
                return Err(invalid(format!(
                    "the document is in the format {name}, which is not supported (gzip and zip are)"
                )));
            }
            Packing::Gzip if is_last_level => return Err(too_deep(levels)),
            Packing::Gzip => gunzip(spool, limit)?,
            Packing::Zip => {
                let mut archive = Zip::open(&mut spool)?;
                if archive.is_package() {
                    is_package = true;
                    break;
                }
                if is_last_level {
                    return Err(too_deep(levels));
                }
                archive.extract(entry.take(), limit)?
            }
        };
    }
    spool.rewind()?;
    if let (Some(entry), false) = (entry, is_package) {
        return Err(invalid(format!(
            "the document is not an archive, but decode.entry is {entry:?}"
        )));
    }
    Ok(Document {
        bytes: spool,
        limit,
        charset: options.charset,
        is_package,
    })
}

fn too_deep(levels: usize) -> io::Error {
    invalid(format!(
        "more than {levels} archives or compressed files are inside each other"
    ))
}

/// Decompresses all members of a gzip stream. Zeros behind the last member are padding, as for gzip(1).
fn gunzip(spool: Spool, limit: Limit) -> io::Result<Spool> {
    let mut members = GzipMembers {
        state: Member::None(BufReader::with_capacity(CHUNK_BYTES, spool)),
        count: 0,
    };
    copy_to_spool(&mut members, limit, |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid("the gzip stream is truncated"),
        io::ErrorKind::InvalidInput => invalid(format!(
            "the gzip stream is corrupt: {}",
            excerpt(&error.to_string())
        )),
        _ => error,
    })
}

struct GzipMembers {
    state: Member,
    count: u64,
}

enum Member {
    /// Between two members.
    None(BufReader<Spool>),
    Open(Box<GzDecoder<BufReader<Spool>>>),
    /// Behind the last member.
    End,
}

impl Read for GzipMembers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match std::mem::replace(&mut self.state, Member::End) {
                Member::End => return Ok(0),
                Member::Open(mut member) => {
                    let length = member.read(buffer)?;
                    if length > 0 || buffer.is_empty() {
                        self.state = Member::Open(member);
                        return Ok(length);
                    }
                    Member::None(member.into_inner())
                }
                Member::None(mut rest) => {
                    if !rest.fill_buf()?.starts_with(b"\x1f") {
                        require_padding(&mut rest, self.count)?;
                        return Ok(0);
                    }
                    self.count += 1;
                    Member::Open(Box::new(GzDecoder::new(rest)))
                }
            };
        }
    }
}

fn require_padding(rest: &mut BufReader<Spool>, members: u64) -> io::Result<()> {
    loop {
        let chunk = rest.fill_buf()?;
        if chunk.is_empty() {
            return Ok(());
        }
        if chunk.iter().any(|byte| *byte != 0) {
            let member = if members == 1 { "member" } else { "members" };
            return Err(invalid(format!(
                "the gzip stream has other data after its {members} {member}"
            )));
        }
        let length = chunk.len();
        rest.consume(length);
    }
}

/// A zip archive.
struct Zip<'s> {
    archive: ZipArchive<BufReader<Metered<'s>>>,
}

/// Limits the number of bytes that are read, while a limit is set.
struct Metered<'s> {
    spool: &'s mut Spool,
    budget: Rc<Cell<u64>>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.spool.read(buffer)?;
        let left = self
            .budget
            .get()
            .checked_sub(length as u64)
            .ok_or_else(|| {
                invalid(format!(
                    "the directory of the zip archive is larger than {MAX_DIRECTORY_BYTES} bytes"
                ))
            })?;
        self.budget.set(left);
        Ok(length)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.spool.seek(position)
    }
}

impl<'s> Zip<'s> {
    fn open(spool: &'s mut Spool) -> io::Result<Self> {
        let budget = Rc::new(Cell::new(MAX_DIRECTORY_BYTES));
        let metered = Metered {
            spool,
            budget: Rc::clone(&budget),
        };
        // An archive with something in front of it is not recognized, so that its offset is known.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let archive = ZipArchive::with_config(config, BufReader::new(metered)).map_err(problem)?;
        budget.set(u64::MAX);
        Ok(Self { archive })
    }

    /// Whether the archive is a document itself: Office Open XML, or `OpenDocument`.
    fn is_package(&self) -> bool {
        let has = |name: &str| self.archive.index_for_name(name).is_some();
        has("[Content_Types].xml") || has("mimetype") && has("META-INF/manifest.xml")
    }

    /// Decompresses the entry `wanted`, or the only regular file.
    fn extract(&mut self, wanted: Option<&str>, limit: Limit) -> io::Result<Spool> {
        let index = self.find(wanted)?;
        let entry = self.archive.by_index_data(index).map_err(problem)?;
        let name = shown_name(entry.name_raw());
        if entry.encrypted() {
            return Err(invalid(format!(
                "the entry {name} of the zip archive is encrypted"
            )));
        }
        if !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return Err(invalid(format!(
                "the entry {name} of the zip archive is compressed with {}, which is not supported (deflate is)",
                method_name(entry.compression())
            )));
        }
        let mut file = self.archive.by_index(index).map_err(problem)?;
        copy_to_spool(&mut file, limit, |error| match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData => invalid(format!(
                "the entry {name} of the zip archive is corrupt: {}",
                excerpt(&error.to_string())
            )),
            _ => error,
        })
    }

    fn find(&self, wanted: Option<&str>) -> io::Result<usize> {
        if self.archive.has_duplicate_names() {
            return Err(invalid("the zip archive has two entries of the same name"));
        }
        let entries = || -> io::Result<Vec<(usize, String)>> {
            let mut files = Vec::new();
            for index in 0..self.archive.len() {
                let entry = self.archive.by_index_data(index).map_err(problem)?;
                let name = entry.name().map_err(problem)?;
                if entry.is_file() && !is_metadata(&name) {
                    files.push((index, name.into_owned()));
                }
            }
            Ok(files)
        };
        if let Some(wanted) = wanted {
            if let Some(index) = self.archive.index_for_name(wanted) {
                return Ok(index);
            }
            return Err(invalid(format!(
                "the zip archive has no entry {wanted:?} (decode.entry); {}",
                listed(&entries()?)
            )));
        }
        let files = entries()?;
        match files[..] {
            [(index, _)] => Ok(index),
            [] => Err(invalid("the zip archive has no file")),
            _ => Err(invalid(format!(
                "decode.entry must name one of the {} files of the zip archive; {}",
                files.len(),
                listed(&files)
            ))),
        }
    }
}

/// Whether an entry is not one of the user's files: programs of macOS and Windows add them.
fn is_metadata(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.starts_with("__MACOSX/") || matches!(last, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

fn listed(files: &[(usize, String)]) -> String {
    if files.is_empty() {
        return "it has no file".to_owned();
    }
    let names = files.iter().take(MAX_NAMED_ENTRIES);
    let names: Vec<String> = names.map(|(_, name)| shown_name(name.as_bytes())).collect();
    let more = if files.len() > MAX_NAMED_ENTRIES {
        ", …"
    } else {
        ""
    };
    format!("it has {}{more}", names.join(", "))
}

fn shown_name(name: &[u8]) -> String {
    format!("\"{}\"", excerpt(&String::from_utf8_lossy(name)))
}

fn method_name(method: CompressionMethod) -> String {
    match method {
        CompressionMethod::DEFLATE64 => "Deflate64".to_owned(),
        CompressionMethod::BZIP2 => "bzip2".to_owned(),
        CompressionMethod::LZMA => "LZMA".to_owned(),
        CompressionMethod::ZSTD => "Zstandard".to_owned(),
        CompressionMethod::XZ => "xz".to_owned(),
        other => format!("the method {other}"),
    }
}

fn problem(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            invalid("the archive is incomplete: it ends inside a record of the zip archive")
        }
        ZipError::Io(error) => error,
        // The library has no variants for these.
        ZipError::InvalidArchive(problem) if problem.starts_with("Unexpected end of ") => {
            invalid("the archive is incomplete: it ends inside a record of the zip archive")
        }
        ZipError::InvalidArchive(problem) if problem == "Could not find EOCD" => {
            invalid("the archive is incomplete: the end record of the zip archive is missing")
        }
        other => invalid(format!(
            "the zip archive is invalid: {}",
            excerpt(&other.to_string())
        )),
    }
}
