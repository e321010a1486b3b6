//! Archives, compression, encodings and limits.

mod charset;
mod limits;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

fn options() -> DecodeOptions {
    DecodeOptions {
        charset: None,
        entry: None,
        max_bytes: 64 * 1024 * 1024,
        max_decoded_bytes: 64 * 1024 * 1024,
        max_ratio: 100,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        if name.ends_with('/') {
            let options = SimpleFileOptions::default();
            writer.add_directory(*name, options).unwrap();
        } else {
            let options = SimpleFileOptions::default();
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn document(bytes: &[u8], options: &DecodeOptions) -> io::Result<Document> {
    let spool = copy_to_spool(
        &mut &*bytes,
        Limit::Transferred(options.max_bytes),
        |error| error,
    )?;
    unpack(spool, options, MAX_LEVELS)
}

fn no_declaration(_: &[u8]) -> Option<&'static Encoding> {
    None
}

fn text_with(bytes: &[u8], options: &DecodeOptions) -> Result<String, String> {
    let mut text = String::new();
    let read = document(bytes, options)
        .and_then(|document| document.into_text(no_declaration))
        .and_then(|mut reader| reader.read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            let problem = error.to_string();
            assert!(!problem.contains(char::is_control), "{problem}");
            Err(problem)
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    text_with(bytes, &options())
}

#[test]
fn plain_text_is_unchanged() {
    for plain in ["", "a", "sku;qty\nä;5\n", "\u{1f}x"] {
        assert_eq!(text(plain.as_bytes()).as_deref(), Ok(plain));
    }
}

#[test]
fn every_member_of_a_gzip_stream_is_read() {
    let stream = [gzip(b"first\n"), gzip(b""), gzip(b"second\n")].concat();
    let expected = Ok("first\nsecond\n");
    assert_eq!(text(&stream).as_deref(), expected);
    let padded = [stream.clone(), vec![0; 100_000]].concat();
    assert_eq!(text(&padded).as_deref(), expected);
    let garbage = [stream.clone(), b"\0\0garbage".to_vec()].concat();
    assert_eq!(
        text(&garbage).unwrap_err(),
        "the gzip stream has other data after its 3 members"
    );
}

#[test]
fn damaged_gzip_stream_is_refused() {
    let whole = gzip(b"sku;qty\n1;5\n");
    for length in 3..whole.len() {
        assert_eq!(
            text(&whole[..length]).unwrap_err(),
            "the gzip stream is truncated",
            "{length}"
        );
    }
    let mut wrong_checksum = whole.clone();
    let at = whole.len() - 8;
    wrong_checksum[at] ^= 1;
    assert_eq!(
        text(&wrong_checksum).unwrap_err(),
        "the gzip stream is corrupt: corrupt gzip stream does not have a matching checksum"
    );
    // The second member is not read as padding.
    let half = [whole.clone(), whole[..5].to_vec()].concat();
    assert_eq!(text(&half).unwrap_err(), "the gzip stream is truncated");
}

#[test]
fn only_file_of_a_zip_archive_is_read() {
    let archive = zip(&[
        ("out/", b""),
        ("__MACOSX/out/._stock.csv", b"\0\x05"),
        ("out/.DS_Store", b"x"),
        ("out/stock.csv", b"sku;qty\n"),
    ]);
    assert_eq!(text(&archive).as_deref(), Ok("sku;qty\n"));
    let gz_inside = zip(&[("stock.csv.gz", &gzip(b"sku"))]);
    assert_eq!(text(&gz_inside).as_deref(), Ok("sku"));
    assert_eq!(text(&gzip(&zip(&[("a", b"sku")]))).as_deref(), Ok("sku"));
}

#[test]
fn configured_entry_of_a_zip_archive_is_read() {
    let archive = zip(&[("readme.txt", b"no"), ("stock.csv", b"yes")]);
    let with_entry = |entry: &str| DecodeOptions {
        entry: Some(entry.to_owned()),
        ..options()
    };
    let read = |bytes: &[u8], entry| text_with(bytes, &with_entry(entry));
    assert_eq!(read(&archive, "stock.csv").as_deref(), Ok("yes"));
    assert_eq!(
        read(&archive, "Stock.csv").unwrap_err(),
        r#"the zip archive has no entry "Stock.csv" (decode.entry); it has "readme.txt", "stock.csv""#
    );
    assert_eq!(
        text(&archive).unwrap_err(),
        r#"decode.entry must name one of the 2 files of the zip archive; it has "readme.txt", "stock.csv""#
    );
    assert_eq!(
        read(b"sku;qty", "stock.csv").unwrap_err(),
        r#"the document is not an archive, but decode.entry is "stock.csv""#
    );
    let many: Vec<String> = (0..9).map(|number| format!("{number}\n.csv")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (&**name, &b""[..])).collect();
    let problem = text(&zip(&many)).unwrap_err();
    assert!(problem.ends_with(r#""4\n.csv", …"#), "{problem}");
    assert_eq!(
        text(&zip(&[("a/", b"")])).unwrap_err(),
        "the zip archive has no file"
    );
}

/// Replaces the 16-bit number at an offset of the local and of the central header of the only entry.
fn patch(mut archive: Vec<u8>, local: usize, central: usize, value: u16) -> Vec<u8> {
    let header = archive
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .unwrap();
    for at in [local, header + central] {
        archive[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    archive
}

#[test]
fn unreadable_entry_of_a_zip_archive_is_named() {
    let archive = zip(&[("stock.csv", b"sku;qty\n1;5\n")]);
    assert_eq!(
        text(&patch(archive.clone(), 6, 8, 1)).unwrap_err(),
        r#"the entry "stock.csv" of the zip archive is encrypted"#
    );
    for (method, name) in [
        (9, "Deflate64"),
        (12, "bzip2"),
        (14, "LZMA"),
        (93, "Zstandard"),
    ] {
        assert_eq!(
            text(&patch(archive.clone(), 8, 10, method)).unwrap_err(),
            format!(
                r#"the entry "stock.csv" of the zip archive is compressed with {name}, which is not supported (deflate is)"#
            )
        );
    }
    let mut damaged = archive.clone();
    damaged[30 + "stock.csv".len() + 4] ^= 1;
    let problem = text(&damaged).unwrap_err();
    assert!(
        problem.starts_with(r#"the entry "stock.csv" of the zip archive is corrupt: "#),
        "{problem}"
    );
    for length in 4..archive.len() {
        let problem = text(&archive[..length]).unwrap_err();
        assert!(
            problem.starts_with("the archive is incomplete: "),
            "{length}: {problem}"
        );
    }
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let mut archive = zip(&[("a.csv", b"1"), ("b.csv", b"2")]);
    for at in 0..archive.len() - 5 {
        if &archive[at..at + 5] == b"b.csv" {
            archive[at] = b'a';
        }
    }
    let problem = "the zip archive has two entries of the same name";
    assert_eq!(text(&archive).unwrap_err(), problem);
    let by_name = DecodeOptions {
        entry: Some("a.csv".to_owned()),
        ..options()
    };
    assert_eq!(text_with(&archive, &by_name).unwrap_err(), problem);
}

#[test]
fn entry_of_a_wrong_size_is_refused() {
    let mut archive = zip(&[("a.csv", b"sku;qty\n1;5\n")]);
    let header = archive
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .unwrap();
    archive[22] -= 4;
    archive[header + 24] -= 4;
    assert!(text(&archive).is_err());
}

#[test]
fn formats_that_are_not_supported_are_named() {
    let mut tar = vec![b'a'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, name) in [
        (&b"BZh91AY&SY\0\0"[..], "bzip2"),
        (b"\xfd7zXZ\0\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd\0", "Zstandard"),
        (b"7z\xbc\xaf\x27\x1c\0", "7-Zip"),
        (b"Rar!\x1a\x07\0", "RAR"),
        (&tar, "tar"),
        (&gzip(&tar), "tar"),
    ] {
        assert_eq!(
            text(bytes).unwrap_err(),
            format!(
                "the document is in the format {name}, which is not supported (gzip and zip are)"
            )
        );
    }
    assert_eq!(
        text(b"BZh9 is a product").as_deref(),
        Ok("BZh9 is a product")
    );
}

#[test]
fn third_level_is_refused() {
    let deep = gzip(&zip(&[("a.gz", &gzip(b"sku"))]));
    assert_eq!(
        text(&deep).unwrap_err(),
        "more than 2 archives or compressed files are inside each other"
    );
    let spool = copy_to_spool(&mut &*deep, Limit::Transferred(1_000), |error| error).unwrap();
    assert!(unpack(spool, &options(), 3).is_ok());
}

#[test]
fn workbook_is_kept_and_is_not_a_text() {
    let workbook = zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b""),
    ]);
    for packed in [
        workbook.clone(),
        gzip(&workbook),
        zip(&[("stock.xlsx", &workbook)]),
        gzip(&zip(&[("stock.xlsx", &workbook)])),
    ] {
        let mut bytes = Vec::new();
        let mut spool = document(&packed, &options()).unwrap().into_bytes().0;
        spool.read_to_end(&mut bytes).unwrap();
        assert!(bytes == workbook);
        let problem = text(&packed).unwrap_err();
        assert!(
            problem.starts_with("the document is a workbook"),
            "{problem}"
        );
    }
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

proptest! {
    /// The text is the same however it is packed and encoded, and with any size of the reader's buffer.
    #[test]
    fn text_survives_packing_and_encoding(shown in "[a-z;\n0-9äß€😀]{0,300}", size in 1_usize..40) {
        let marked = format!("\u{feff}{shown}");
        for plain in [marked.as_bytes().to_vec(), utf_16(&marked, u16::to_le_bytes), utf_16(&marked, u16::to_be_bytes)] {
            for packed in [plain.clone(), gzip(&plain), zip(&[("a", &plain)]), zip(&[("a.gz", &gzip(&plain))])] {
                let Document { bytes, .. } = document(&packed, &options()).unwrap();
                let Document { bytes: mut spool, .. } = Document { bytes, limit: Limit::Decoded(u64::MAX), charset: None, is_package: false };
                let mut start = Vec::new();
                Read::take(&mut spool, 4).read_to_end(&mut start).unwrap();
                let (encoding, skipped) = super::charset::detect(&start, None, no_declaration).unwrap();
                spool.seek(SeekFrom::Start(skipped)).unwrap();
                let mut reader = Utf8Reader::new(spool, encoding, skipped);
                let mut text = Vec::new();
                let mut buffer = vec![0; size];
                loop {
                    let length = reader.read(&mut buffer).unwrap();
                    if length == 0 {
                        break;
                    }
                    text.extend_from_slice(&buffer[..length]);
                }
                prop_assert_eq!(String::from_utf8(text).unwrap(), shown.clone());
            }
        }
    }

    /// Whatever the bytes are, there is a text or a one-line error.
    #[test]
    fn any_bytes_are_read_or_refused(kind in 0_usize..3, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let magic: [&[u8]; 3] = [b"", b"\x1f\x8b\x08\0", b"PK\x03\x04"];
        let _ = text(&[magic[kind], &bytes].concat());
    }

    /// A damaged archive is refused, or reads as before.
    #[test]
    fn one_changed_byte_never_changes_the_text(at in any::<prop::sample::Index>(), mask in 1_u8..) {
        let shown = "sku;qty\n1;5\n2;7\n";
        for mut packed in [gzip(shown.as_bytes()), zip(&[("stock.csv", shown.as_bytes())])] {
            let at = at.index(packed.len());
            if packed[0] == b'P' && at < 4 || at < 2 {
                continue;
            }
            packed[at] ^= mask;
            if let Ok(text) = text(&packed) {
                prop_assert_eq!(text, shown);
            }
        }
    }
}
