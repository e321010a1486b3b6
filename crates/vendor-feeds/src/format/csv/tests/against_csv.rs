//! Compared with the crate `csv`.

use std::io::Cursor;

use ::csv::{ByteRecord, QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};
use proptest::prelude::*;

use super::super::rows::{Dialect, Rows};

/// The rows of a text; the size of the buffer must not matter.
fn split(text: &str, delimiter: u8, buffer: usize) -> Result<Vec<Vec<String>>, String> {
    let text = std::io::BufReader::with_capacity(buffer, Cursor::new(text));
    let dialect = Dialect {
        delimiter,
        quote: b'"',
    };
    let mut rows = Rows::new(text, dialect);
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(|error| error.to_string())? {
        all.push(row.fields().map(str::to_owned).collect());
    }
    Ok(all)
}

fn by_csv(text: &str, delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let fields = |record: ByteRecord| {
        let fields = record.iter().map(<[u8]>::to_vec);
        fields
            .map(|field| String::from_utf8(field).unwrap())
            .collect()
    };
    reader
        .byte_records()
        .map(|record| fields(record.unwrap()))
        .collect()
}

proptest! {
    #[test]
    fn table_written_by_csv_is_read_back(
        width in 1_usize..5,
        cells in prop::collection::vec("[a-z,;\"'\r\n\t =0-9äß€😀\\\\]{0,12}", 1..40),
        style in prop::sample::select(vec![QuoteStyle::Always, QuoteStyle::Necessary, QuoteStyle::NonNumeric]),
        terminator in prop::sample::select(vec![Terminator::CRLF, Terminator::Any(b'\n'), Terminator::Any(b'\r')]),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        buffer in 1_usize..30,
    ) {
        let table: Vec<Vec<String>> = cells.chunks_exact(width).map(<[String]>::to_vec).collect();
        let mut writer = WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(style)
            .terminator(terminator)
            .from_writer(Vec::new());
        for row in &table {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(split(&text, delimiter, buffer).unwrap(), table);
    }

    #[test]
    fn what_is_not_refused_is_read_as_csv_reads_it(
        text in "[a-c,\"\r\n ]{0,40}",
        buffer in 1_usize..30,
    ) {
        let rows = split(&text, b',', buffer);
        let at_once = split(&text, b',', 1_000);
        prop_assert_eq!(rows.as_ref().ok(), at_once.as_ref().ok());
        if let Ok(rows) = rows {
            prop_assert_eq!(rows, by_csv(&text, b','));
        }
    }
}
