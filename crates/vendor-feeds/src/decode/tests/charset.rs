//! Encodings of texts.

use encoding_rs::{ISO_8859_2, UTF_16LE, WINDOWS_1252};

use super::*;

fn with_charset(charset: &'static Encoding) -> DecodeOptions {
    DecodeOptions {
        charset: Some(charset),
        ..options()
    }
}

#[test]
fn byte_order_mark_takes_precedence_and_is_not_text() {
    let shown = "sku;qty\nÄ€😀;5\n";
    let marked = format!("\u{feff}{shown}");
    for bytes in [
        marked.as_bytes().to_vec(),
        utf_16(&marked, u16::to_le_bytes),
        utf_16(&marked, u16::to_be_bytes),
    ] {
        assert_eq!(text(&bytes).as_deref(), Ok(shown));
        assert_eq!(
            text_with(&bytes, &with_charset(WINDOWS_1252)).as_deref(),
            Ok(shown)
        );
    }
    // Only the first mark is removed.
    assert_eq!(
        text("\u{feff}\u{feff}a".as_bytes()).as_deref(),
        Ok("\u{feff}a")
    );
    let utf_32: Vec<u8> = marked
        .chars()
        .flat_map(|char| u32::from(char).to_le_bytes())
        .collect();
    assert_eq!(
        text(&utf_32).unwrap_err(),
        "the document begins with a byte order mark of UTF-32, which is not supported"
    );
}

#[test]
fn configured_charset_is_used() {
    let utf_16_without_mark = utf_16("ä;5", u16::to_le_bytes);
    for (bytes, charset, expected) in [
        (&b"M\xfcller \x80\x93"[..], WINDOWS_1252, "Müller €“"),
        (b"\xb3\xf3d\xbc", ISO_8859_2, "łódź"),
        (&utf_16_without_mark, UTF_16LE, "ä;5"),
    ] {
        assert_eq!(
            text_with(bytes, &with_charset(charset)).as_deref(),
            Ok(expected)
        );
    }
}

#[test]
fn declaration_is_asked_last() {
    #[expect(clippy::unnecessary_wraps, reason = "the type of the parameter")]
    fn latin_1(start: &[u8]) -> Option<&'static Encoding> {
        assert!(start.starts_with(b"M"));
        Some(WINDOWS_1252)
    }
    let read = |bytes: &[u8], options: &DecodeOptions| {
        let mut text = String::new();
        let document = document(bytes, options).unwrap();
        let mut reader = document.into_text(latin_1).unwrap();
        reader.read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(read(b"M\xfcller", &options()), "Müller");
    assert_eq!(
        read("Müller".as_bytes(), &with_charset(encoding_rs::UTF_8)),
        "Müller"
    );
    assert_eq!(read("\u{feff}Müller".as_bytes(), &options()), "Müller");
}

#[test]
fn invalid_bytes_are_refused_with_their_offset() {
    for (before, bytes, shown) in [
        (0, &b"\xfcller"[..], "0: FC"),
        (4, b"\xfc", "4: FC"),
        (4, b"\xe2\x82x", "4: E2 82"),
        // The sequence crosses the end of a piece.
        (CHUNK_BYTES - 1, b"\xe2\x82x", "65535: E2 82"),
        (CHUNK_BYTES - 2, b"\xf0\x9f\x98", "65534: F0 9F 98"),
        (100_000, b"\xed\xa0\x80", "100000: ED"),
    ] {
        let document = [vec![b'a'; before], bytes.to_vec()].concat();
        assert_eq!(
            text(&document).unwrap_err(),
            format!(
                "the text is not valid UTF-8 at the byte offset {shown} (decode.charset states another encoding)"
            )
        );
    }
    let odd = [utf_16("\u{feff}ab", u16::to_le_bytes), vec![b'c']].concat();
    assert_eq!(
        text(&odd).unwrap_err(),
        "the text is not valid UTF-16LE at the byte offset 6: 63 (decode.charset states another encoding)"
    );
    let half = [&b"\xff\xfea\0"[..], b"\x3d\xd8b\0"].concat();
    assert!(text(&half).unwrap_err().contains("offset 4: 3D D8"));
}
