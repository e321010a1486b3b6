//! Valid documents, and the errors of invalid documents.

mod against_csv;
mod exporters;
mod skipped;

use std::num::NonZeroU32;

use super::*;
use crate::format::tests::{fields, read};
use crate::options::Column;

fn options(delimiter: u8, header_row: u32) -> CsvOptions {
    CsvOptions {
        delimiter,
        quote: b'"',
        header: NonZeroU32::new(header_row).map_or(Header::None, Header::Row),
        skip_rows: None,
    }
}

fn csv(delimiter: u8, header_row: u32) -> Csv {
    Csv::new(&options(delimiter, header_row), &fields("sku", &["qty"])).unwrap()
}

/// The records of a text, with `,` and a header in row 1.
fn records(text: &str) -> Result<Vec<String>, String> {
    records_of(&csv(b',', 1), text)
}

fn records_of(csv: &Csv, text: &str) -> Result<Vec<String>, String> {
    read(csv, text).map(|(records, _)| records)
}

fn record(line: u64, sku: &str, quantity: &str) -> String {
    format!("line {line}: Text({sku:?}) [Text({quantity:?})]")
}

/// Columns by their numbers; there is no header.
fn numbered(product_id: u32, quantity: u32) -> Csv {
    let mut fields = fields("", &[""]);
    fields.product_id.column = Column::Number(NonZeroU32::new(product_id).unwrap());
    fields.quantity.columns = vec![Column::Number(NonZeroU32::new(quantity).unwrap())];
    Csv::new(&options(b',', 0), &fields).unwrap()
}

#[test]
fn fields_are_read_as_they_are() {
    let text = "\u{feff}title,qty,sku\r\nShirt,5,0012\n\"a, \"\"b\"\"\nc\r\nd\re\", 7 ,\"\"\n\
                5\" TV,,\u{e4}\n   \n\r\n,,\nx,1E5,\"1,234\"";
    assert_eq!(
        records(text).unwrap(),
        [
            record(2, "0012", "5"),
            record(3, "", " 7 "),
            record(7, "ä", ""),
            record(11, "1,234", "1E5"),
        ]
    );
    assert_eq!(records("sku,qty").unwrap(), [""; 0]);
    assert_eq!(records("sku,qty\n\n\n").unwrap(), [""; 0]);
    let numbered = numbered(3, 1);
    assert_eq!(
        records_of(&numbered, "5,x,A\n6,y,\"B\"").unwrap(),
        [record(1, "A", "5"), record(2, "B", "6")]
    );
    assert_eq!(records_of(&numbered, "").unwrap(), [""; 0]);
}

#[test]
fn line_ends_may_be_of_any_kind_but_one() {
    let expected = [record(2, "A", "1"), record(4, "B\r\n", "2")];
    for text in [
        "sku,qty\nA,1\n\n\"B\r\n\",2\n",
        "sku,qty\r\nA,1\r\n\r\n\"B\r\n\",2\r\n",
        "sku,qty\rA,1\r\r\"B\r\n\",2\r",
        "sku,qty\r\nA,1\n\n\"B\r\n\",2",
    ] {
        assert_eq!(records(text).unwrap(), expected, "{text:?}");
    }
    // pandas 3.1.1, Python csv and SheetJS write a CR in a title without quotes.
    assert_eq!(
        records("sku,qty,title\nA,1,red\nB,2,a\rb\n").unwrap_err(),
        "line 3: a carriage return outside of quotes, but the rows before it end with a line feed: it is not clear whether it ends the row"
    );
    assert_eq!(
        records("sku,qty\rA,1\rB\n,2\r").unwrap_err(),
        "line 3: a line feed outside of quotes, but the rows before it end with a carriage return: it is not clear whether it ends the row"
    );
}

#[test]
fn rows_above_the_header_are_skipped() {
    let text = "Stock of \"today\", 7\n\"never closed\n\nsku;qty;\nA;5;\n";
    assert_eq!(
        records_of(&csv(b';', 4), text).unwrap(),
        [record(5, "A", "5")]
    );
    assert_eq!(
        records_of(&csv(b';', 4), &text.replace('\n', "\r")).unwrap(),
        [record(5, "A", "5")]
    );
    assert_eq!(
        records_of(&csv(b';', 7), text).unwrap_err(),
        "the document ends before the header in row 7 (format.header_row)"
    );
    assert_eq!(
        records("").unwrap_err(),
        "the document ends before the header in row 1 (format.header_row)"
    );
}

#[test]
fn separator_line_is_skipped_if_it_agrees() {
    for start in ["sep=;\r\n", "SEP=;\n", "\"sep=;\"\n", "\u{feff}sep=;\n"] {
        let text = format!("{start}sku;qty\nA;5\n");
        assert_eq!(
            records_of(&csv(b';', 1), &text).unwrap(),
            [record(3, "A", "5")],
            "{start:?}"
        );
    }
    assert_eq!(
        records("sep=;\nsku;qty\nA;5\n").unwrap_err(),
        "line 1: the file states that fields are separated by ';', but format.delimiter is ','"
    );
    // A name that begins so.
    let csv = Csv::new(&options(b',', 1), &fields("sep=x", &["qty"])).unwrap();
    assert_eq!(
        records_of(&csv, "sep=x,qty\nA,5\n").unwrap(),
        [record(2, "A", "5")]
    );
}

#[test]
fn width_must_be_that_of_the_header() {
    for (row, problem) in [
        ("A", "line 2: 1 field, but the header has 3"),
        ("A,13,5,x", "line 2: 4 fields, but the header has 3"),
        ("A,1,x,", "line 2: 4 fields, but the header has 3"),
        ("\n\nA,\"1\n\"", "line 4: 2 fields, but the header has 3"),
    ] {
        let text = format!("sku,qty,title\n{row}\n");
        assert_eq!(records(&text).unwrap_err(), problem, "{row}");
    }
    assert_eq!(
        records_of(&numbered(1, 2), "A,1\nB,2,\n").unwrap_err(),
        "line 2: 3 fields, but the first row has 2"
    );
    assert_eq!(
        records_of(&numbered(1, 3), "A,1\n").unwrap_err(),
        "line 1: the first row has no column 3 (fields.quantity), but 2 columns"
    );
    assert_eq!(
        records("\nSKU;Qty\nA;5\n").unwrap_err(),
        "line 2: the header has no column \"sku\" (fields.product_id): it has \"SKU;Qty\" (is format.delimiter right?)"
    );
}

#[test]
fn quotes_must_be_closed() {
    for (text, problem) in [
        (
            "A,5\nB,\"7\nC,9\n",
            "line 3: a quote is opened here and never closed".to_owned(),
        ),
        (
            "A,\"5\"x\n",
            "line 2: the quoted field that begins here is followed by x, expected ',' or the end of the line; quotes in a quoted field must be doubled".to_owned(),
        ),
        (
            "A,\"5\" \n",
            "line 2: the quoted field that begins here is followed by  , expected ',' or the end of the line; quotes in a quoted field must be doubled".to_owned(),
        ),
        (
            &format!("A,5\n\"{}\n", "B,2\n".repeat(20_000)),
            "line 3: a field is longer than 65536 bytes (is its closing quote missing?)".to_owned(),
        ),
        (
            &format!("A,{}\n", "5".repeat(65_537)),
            "line 2: a field is longer than 65536 bytes".to_owned(),
        ),
        (
            &format!("\"\n\",{}\n", ",".repeat(16_384)),
            "line 2: more than 16384 fields".to_owned(),
        ),
        (
            &format!("A,{}\n", format!("{},", "5".repeat(60_000)).repeat(70)),
            "line 2: a row is longer than 4194304 bytes".to_owned(),
        ),
        (
            "A,\"\n\0\"\n",
            "line 3: a NUL character (decode.charset states another encoding)".to_owned(),
        ),
    ] {
        let text = format!("sku,qty\n{text}");
        assert_eq!(records(&text).unwrap_err(), problem);
    }
    let longest = "5".repeat(65_536);
    assert_eq!(
        records(&format!("sku,qty\nA,{longest}\n")).unwrap(),
        [record(2, "A", &longest)]
    );
}

#[test]
fn other_documents_are_named() {
    let html = "<!DOCTYPE html>\n<html><body>Sign in";
    for csv in [csv(b',', 1), numbered(1, 2)] {
        assert_eq!(
            records_of(&csv, html).unwrap_err(),
            "the document is HTML or XML, expected CSV; it begins with <!DOCTYPE html>\\n<html><body>Sign in"
        );
        for json in [
            "{\"error\":\"quota\"}",
            " [\n {\"sku\":\"A\",\n\"qty\":5}]",
            "[]",
        ] {
            let problem = records_of(&csv, json).unwrap_err();
            let expected = "the document is JSON, expected CSV; it begins with ";
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
    assert_eq!(
        records("Warning: fopen(): failed in export.php on line 3\n").unwrap_err(),
        "line 1: the header has no column \"sku\" (fields.product_id): it has \"Warning: fopen(): failed in export.php on line 3\" (is format.header_row right?)"
    );
    // What looks like it but is a table.
    let csv = Csv::new(&options(b',', 1), &fields("[sku]", &["<qty>"])).unwrap();
    assert_eq!(
        records_of(&csv, "[sku],<qty>\nA,5\n").unwrap(),
        [record(2, "A", "5")]
    );
}

#[test]
fn invalid_options_are_named() {
    let fields = fields("sku", &["qty"]);
    for (options, problem) in [
        (
            options(0xe4, 1),
            "format.delimiter must be one ASCII character and not a line end",
        ),
        (
            options(b'\n', 1),
            "format.delimiter must be one ASCII character and not a line end",
        ),
        (
            options(b'"', 1),
            "format.delimiter and format.quote are the same",
        ),
        (
            options(b',', 0),
            "fields.product_id is the column name \"sku\", but format.header is false: columns have numbers only",
        ),
    ] {
        assert_eq!(Csv::new(&options, &fields).unwrap_err(), problem);
    }
}
