//! Files as programs write them, made in November 2026. The hidden first sheet is not read, the hidden row
//! is.

use super::*;

/// The records of a file with the sheets Old (hidden) and Stock.
fn stock(file: &[u8], sku_with_escape: &str, formula: &str, rich_text: bool) {
    let mut expected = vec![
        r#"row 2: Text("0012") [Number("5")]"#.to_owned(),
        r#"row 3: Number("4006381333931") [Number("12")]"#.to_owned(),
        format!(r#"row 4: Text({sku_with_escape:?}) [Number("0")]"#),
        format!(r#"row 5: Text("F-1") [{formula}]"#),
        r#"row 6: Text("B-1") [Other("TRUE")]"#.to_owned(),
        r#"row 7: Text("D-1") [Other("46082 in the format of a date")]"#.to_owned(),
        r#"row 8: Text("E-1") [Number("12.5")]"#.to_owned(),
        r#"row 9: Text("N-1") [Text("")]"#.to_owned(),
        r#"row 10: Text("H-1") [Number("7")]"#.to_owned(),
    ];
    if rich_text {
        expected.push(r#"row 11: Text("R-1") [Number("3")]"#.to_owned());
    }
    assert_eq!(records_of(&xlsx(None, 1), file).unwrap(), expected);
}

const NO_VALUE: &str = r#"Other("a formula without a value")"#;

#[test]
fn openpyxl() {
    // openpyxl 3.1.5. The product id A_x0041_1 is written without an escape, so that it is AA1 by the standard.
    let file = include_bytes!("../../../../tests/files/openpyxl.xlsx");
    stock(file, "AA1", NO_VALUE, false);
}

#[test]
fn xlsxwriter() {
    // XlsxWriter 3.3.1. A formula has the value 0 unless the program states another: it looks like any other number.
    let file = include_bytes!("../../../../tests/files/xlsxwriter.xlsx");
    stock(file, "A_x0041_1", r#"Number("0")"#, true);
}

#[test]
fn exceljs() {
    // ExcelJS 4.4.0.
    let file = include_bytes!("../../../../tests/files/exceljs.xlsx");
    stock(file, "AA1", NO_VALUE, true);
}

#[test]
fn sheetjs() {
    // SheetJS 0.18.5: all texts are of the type of a formula's text.
    let file = include_bytes!("../../../../tests/files/sheetjs.xlsx");
    stock(file, "AA1", NO_VALUE, false);
}

#[test]
fn libreoffice() {
    // LibreOffice 7.4.7 made this of a CSV file: what it took for numbers has lost how it was written (0012, 1E5, 1,234).
    let file = include_bytes!("../../../../tests/files/libreoffice.xlsx");
    let options = XlsxOptions {
        sheet: None,
        header: Header::Row(NonZeroU32::MIN),
        skip_rows: None,
    };
    let xlsx = Xlsx::new(&options, &fields("sku", &["quantity"])).unwrap();
    assert_eq!(
        records_of(&xlsx, file).unwrap(),
        [
            r#"row 2: Number("12") [Text("13,5")]"#,
            r#"row 3: Number("100000") [Number("1234")]"#,
            r#"row 4: Number("7") [Text("10+")]"#,
            r#"row 5: Number("12") [Number("12")]"#,
            r#"row 6: Number("4006381333931") [Text("(5)")]"#,
            r#"row 7: Text("0x1F") [Text("5-")]"#,
        ]
    );
}
