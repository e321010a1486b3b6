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
    let row = r#"<row r="4294967298"><c r="A4294967298"><v>1</v></c></row>"#;
    for data in [
        format!(r#"<dimension ref="B7:A1"/><sheetData>{HEADER}</sheetData>"#),
        format!("<sheetData>{HEADER}{row}</sheetData>"),
    ] {
        let workbook = workbook(&[("Stock", "visible", &data)], &[]);
        let problem = records_of(&xlsx(None, 1), &workbook).unwrap_err();
        assert_eq!(problem, "the workbook is invalid", "{data}");
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

#[test]
fn markup_in_a_value_is_refused() {
    // calamine 0.38.0 reads the digits before it, or an empty cell.
    for (cell, shown) in [
        ("<c><v><![CDATA[5]]></v></c>", "CDATA or a comment"),
        (
            "<c t=\"str\"><v>1<![CDATA[5]]></v></c>",
            "CDATA or a comment",
        ),
        ("<c><v>1<!-- x -->2</v></c>", "CDATA or a comment"),
        (
            "<c><v xml:space=\"preserve\"><!-- x -->12</v></c>",
            "CDATA or a comment",
        ),
        ("<x:c><x:v><![CDATA[5]]></x:v></x:c>", "CDATA or a comment"),
        ("<c><v>1<?x?>2</v></c>", "an instruction"),
        ("<c><v>1&#50;</v></c>", "a reference"),
        ("<c s=\"0\" t=\"n\"><f>1</f><v>&#53;</v></c>", "a reference"),
    ] {
        let row = format!(r#"<row r="2">{}{cell}</row>"#, text("A2", "A"));
        let workbook = one_sheet(&format!("{HEADER}{row}"), &[]);
        assert_eq!(
            records_of(&xlsx(None, 1), &workbook).unwrap_err(),
            format!(
                "the workbook cannot be read: xl/worksheets/sheet1.xml has {shown} in the value of a cell"
            ),
            "{cell}"
        );
    }
}

#[test]
fn markup_elsewhere_is_read() {
    for (cell, expected) in [
        (
            "<!-- x --><c r=\"B2\"><!-- x --><v>12</v><!-- x --></c>",
            "Number(\"12\")",
        ),
        (
            "<c r=\"B2\" t=\"inlineStr\"><is><t>1<!-- x --><![CDATA[2<]]>&lt;</t></is></c>",
            "Text(\"12<<\")",
        ),
        (
            "<c r=\"B2\" t=\"str\"><f>A1&amp;2</f><v>1&lt;2</v></c>",
            "Text(\"1<2\")",
        ),
        (
            "<c r=\"B2\"><f>\"a\"&amp;2</f><v>2</v></c>",
            "Number(\"2\")",
        ),
    ] {
        assert_eq!(value_of(cell, &[]), expected, "{cell}");
    }
    let shared = ["<t><![CDATA[a&b]]>&amp;c</t>"];
    let cell = r#"<c r="B2" t="s"><v>0</v></c>"#;
    assert_eq!(value_of(cell, &shared), r#"Text("a&b&c")"#);
}
