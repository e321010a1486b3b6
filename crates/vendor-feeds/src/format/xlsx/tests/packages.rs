//! Documents that are not workbooks, and workbooks that would do harm.

use super::*;
use crate::decode::Limit;

#[test]
fn other_documents_are_named() {
    let xlsx = xlsx(None, 1);
    for (document, problem) in [
        (
            b"<!DOCTYPE html><html>".as_slice(),
            "the document is HTML or XML, expected an .xlsx workbook; it begins with <!DOCTYPE html><html>",
        ),
        (
            b"{\"error\":1}",
            "the document is JSON, expected an .xlsx workbook; it begins with {\"error\":1}",
        ),
        (
            b"sku;qty\nA;5",
            "the document is not an .xlsx workbook; it begins with sku;qty\\nA;5",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "the document is an .xls workbook, or one with a password, expected an .xlsx workbook without one",
        ),
        (
            &package(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet")]),
            "the document is a package of files, but not an .xlsx workbook",
        ),
        (
            &package(&[("[Content_Types].xml", ""), ("xl/workbook.bin", "")]),
            "the document is an .xlsb workbook, expected an .xlsx workbook",
        ),
    ] {
        assert_eq!(records_of(&xlsx, document).unwrap_err(), problem);
    }
}

#[test]
fn damaged_package_is_refused() {
    let rows = format!(
        r#"{HEADER}<row r="2">{}</row>"#,
        text("A2", &"A".repeat(300))
    );
    let whole = one_sheet(&rows, &[]);
    assert!(records_of(&xlsx(None, 1), &whole).is_ok());
    for at in (0..whole.len()).step_by(7) {
        let cut = records_of(&xlsx(None, 1), &whole[..at]);
        assert!(cut.is_err(), "{at}: {cut:?}");
        // Never a panic that leaves the format; a flipped bit in a date or a comment of the archive does no harm.
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        if let Ok(records) = records_of(&xlsx(None, 1), &flipped) {
            assert_eq!(records, records_of(&xlsx(None, 1), &whole).unwrap(), "{at}");
        }
    }
    let cut = &rows[..rows.len() - 20];
    let problem = records(cut).unwrap_err();
    assert!(problem.starts_with("the workbook is invalid"), "{problem}");
}

#[test]
fn memory_is_not_reserved_for_what_is_not_there() {
    let parts = [
        ("[Content_Types].xml", "<Types/>"),
        (
            "xl/sharedStrings.xml",
            r#"<sst uniqueCount="999999999999"><si/></sst>"#,
        ),
    ];
    assert_eq!(
        records_of(&xlsx(None, 1), &package(&parts)).unwrap_err(),
        "the workbook is invalid: xl/sharedstrings.xml states 999999999999 texts, but has 43 bytes"
    );
}

#[test]
fn size_of_all_parts_is_limited() {
    let parts = [
        ("[Content_Types].xml", "<Types/>"),
        ("a", "12345"),
        ("b", "12"),
    ];
    let check = |limit: u64| {
        let mut spool = Document::from_bytes(&package(&parts)).into_bytes().0;
        package::check(&mut spool, Limit::Decoded(limit)).map_err(|error| error.to_string())
    };
    assert_eq!(check(15), Ok(()));
    for limit in [14, 9, 0] {
        assert_eq!(
            check(limit).unwrap_err(),
            format!(
                "the report is larger than {limit} bytes after decompression (decode.max_decoded_bytes)"
            )
        );
    }
}

#[test]
fn error_in_the_library_is_contained() {
    // A subtraction without a check: a panic with overflow checks, no error without.
    let data = format!(r#"<dimension ref="B7:A1"/><sheetData>{HEADER}</sheetData>"#);
    let workbook = workbook(&[("Stock", "visible", &data)], &[]);
    let read = records_of(&xlsx(None, 1), &workbook);
    if cfg!(debug_assertions) {
        assert_eq!(read.unwrap_err(), "the workbook is invalid");
    } else {
        assert_eq!(read.unwrap(), [""; 0]);
    }
}

#[test]
fn shared_text_without_a_number_is_refused() {
    // calamine 0.38.0 reads the first text.
    for (index, shown) in [(" 1 ", " 1 "), ("x", "x"), ("-1", "-1"), ("1.0", "1.0")] {
        let cell = format!(r#"<row r="2"><c r="A2" t="s" s="0"><v>{index}</v></c></row>"#);
        let workbook = one_sheet(&format!("{HEADER}{cell}"), &["<t>a</t>", "<t>b</t>"]);
        assert_eq!(
            records_of(&xlsx(None, 1), &workbook).unwrap_err(),
            format!(
                "the workbook is invalid: xl/worksheets/sheet1.xml refers to a shared text by {shown:?}"
            )
        );
    }
}
