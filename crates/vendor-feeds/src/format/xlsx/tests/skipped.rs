//! Rows that the settings skip.

use super::*;
use crate::options::SkipRows;

#[test]
fn rows_with_the_text_are_skipped() {
    let skipping = |column: Column| {
        let options = XlsxOptions {
            sheet: None,
            header: Header::Row(NonZeroU32::MIN),
            skip_rows: Some(SkipRows {
                column,
                values: vec!["Total".to_owned(), "7*".to_owned()],
            }),
        };
        Xlsx::new(&options, &fields("sku", &["qty"])).unwrap()
    };
    // The row of the total has a cell outside of the table.
    let rows = [
        format!(
            r#"<row r="2">{}<c r="B2"><v>4</v></c></row>"#,
            text("A2", "A")
        ),
        format!(
            r#"<row r="3">{}<c r="B3"><v>4</v></c>{}</row>"#,
            text("A3", " Total "),
            text("C3", "checked")
        ),
        r#"<row r="4"><c r="B4"><v>75</v></c></row>"#.to_owned(),
    ];
    let rows = format!("{HEADER}{}", rows.concat());
    let read = |column| records_of(&skipping(column), &one_sheet(&rows, &[]));
    let number = |number| Column::Number(NonZeroU32::new(number).unwrap());
    assert_eq!(
        read(Column::Name("sku".to_owned())).unwrap(),
        [
            r#"row 2: Text("A") [Number("4")]"#,
            r#"row 4: Text("") [Number("75")]"#,
        ]
    );
    // The other row is not skipped by this column.
    assert_eq!(
        read(number(2)).unwrap_err(),
        "row 3: the cell C3 has a value, but the header ends with column B"
    );
}
