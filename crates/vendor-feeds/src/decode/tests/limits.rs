//! Limits of sizes, and their messages.

use super::*;

#[test]
fn limits_are_named() {
    let limited = DecodeOptions {
        max_bytes: 10,
        ..options()
    };
    assert_eq!(text_with(&[b'a'; 10], &limited).unwrap().len(), 10);
    assert_eq!(
        text_with(&[b'a'; 11], &limited).unwrap_err(),
        "the report is larger than 10 bytes (decode.max_bytes)"
    );
    let limited = DecodeOptions {
        max_decoded_bytes: 1_000,
        ..options()
    };
    for pack in [gzip, |bytes: &[u8]| zip(&[("a", bytes)])] {
        assert_eq!(
            text_with(&pack(&[b'a'; 1_000]), &limited).unwrap().len(),
            1_000
        );
        assert_eq!(
            text_with(&pack(&[b'a'; 1_001]), &limited).unwrap_err(),
            "the report is larger than 1000 bytes after decompression (decode.max_decoded_bytes)"
        );
        // Small files are accepted whatever their ratio.
        let small = vec![b'a'; 1024 * 1024];
        assert_eq!(text(&pack(&small)).unwrap().len(), small.len());
        let bomb = pack(&vec![b'a'; 8 * 1024 * 1024]);
        assert_eq!(
            text(&bomb).unwrap_err(),
            "the report is more than 100 times as large after decompression (decode.max_ratio)"
        );
        // Neither does a second level help.
        let nested = gzip(&bomb);
        assert!(text(&nested).unwrap_err().contains("decode.max_ratio"));
    }
}

#[test]
fn directory_of_a_zip_archive_is_bounded() {
    let names: Vec<String> = (0..40).map(|number| format!("{number:060000}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
    assert_eq!(
        text(&zip(&entries)).unwrap_err(),
        "the directory of the zip archive is larger than 2097152 bytes"
    );
}
