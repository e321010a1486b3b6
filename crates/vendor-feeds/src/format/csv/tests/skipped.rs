//! Rows that the settings skip.

use super::*;
use crate::options::SkipRows;

fn skipping(column: Column, values: &[&str], header_row: u32) -> Result<Csv, String> {
    let options = CsvOptions {
        skip_rows: Some(SkipRows {
            column,
            values: values.iter().copied().map(str::to_owned).collect(),
        }),
        ..options(b';', header_row)
    };
    let mut fields = fields("", &[""]);
    for (column, number) in [
        (&mut fields.product_id.column, 1),
        (&mut fields.quantity.columns[0], 2),
    ] {
        *column = Column::Number(NonZeroU32::new(number).unwrap());
    }
    Csv::new(&options, &fields)
}

fn name(name: &str) -> Column {
    Column::Name(name.to_owned())
}

#[test]
fn rows_with_the_text_are_skipped() {
    let csv = skipping(name("sku"), &["Total", "*of 20??", "-- * rows --"], 1).unwrap();
    let text =
        "sku;qty\nA;1\n Total ;1\nTotals;2\ntotal;3\n-- 4 rows --\nB;4\nas of 20??;;;\nTotal\n";
    assert_eq!(
        records_of(&csv, text).unwrap(),
        [
            record(2, "A", "1"),
            record(4, "Totals", "2"),
            record(5, "total", "3"),
            record(7, "B", "4"),
        ]
    );
    // Only in the column, and only with the whole text.
    let csv = skipping(name("qty"), &["Total"], 1).unwrap();
    let of_other_column = records_of(&csv, "sku;qty\nTotal;1\nTotal\n").unwrap_err();
    assert_eq!(of_other_column, "line 3: 1 field, but the header has 2");
}

#[test]
fn column_of_skipped_rows_is_found_by_name_or_number() {
    let second = Column::Number(NonZeroU32::new(2).unwrap());
    let csv = skipping(second, &["x"], 0).unwrap();
    assert_eq!(
        records_of(&csv, "A;1\nB;x\n").unwrap(),
        [record(1, "A", "1")]
    );
    let csv = skipping(name("SKU"), &["x"], 1).unwrap();
    assert_eq!(
        records_of(&csv, "sku;qty\n").unwrap_err(),
        r#"line 1: the header has no column "SKU" (format.skip_rows.field): it has "sku", "qty"; "sku" is not the same text"#
    );
    assert_eq!(
        skipping(name("sku"), &["x"], 0).unwrap_err(),
        r#"format.skip_rows.field is the column name "sku", but format.header is false: columns have numbers only"#
    );
}
