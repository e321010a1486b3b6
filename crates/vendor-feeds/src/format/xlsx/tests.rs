//! Valid workbooks, and the errors of invalid workbooks. A minimal writer makes them, unless the bytes of a program matter.

mod exporters;
mod packages;
mod skipped;
mod written;

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::num::NonZeroU32;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::format::tests::{fields, read_bytes};
use crate::options::Column;

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A workbook: the name, the state and the XML of each sheet, and the XML of each shared text. The style 1 is a date.
fn workbook(sheets: &[(&str, &str, &str)], texts: &[&str]) -> Vec<u8> {
    let mut listed = String::new();
    let mut relationships = String::new();
    let mut parts = Vec::new();
    for (number, (name, state, xml)) in (1..).zip(sheets) {
        write!(
            listed,
            r#"<sheet name="{name}" sheetId="{number}" state="{state}" r:id="r{number}"/>"#
        )
        .unwrap();
        write!(
            relationships,
            r#"<Relationship Id="r{number}" Type="{RELATIONSHIPS}/worksheet" Target="worksheets/sheet{number}.xml"/>"#
        )
        .unwrap();
        let path = format!("xl/worksheets/sheet{number}.xml");
        parts.push((
            path,
            format!(r#"<worksheet xmlns="{MAIN}">{xml}</worksheet>"#),
        ));
    }
    let texts: Vec<String> = texts
        .iter()
        .map(|text| format!("<si>{text}</si>"))
        .collect();
    let texts = texts.concat();
    for (path, xml) in [
        ("[Content_Types].xml", "<Types/>".to_owned()),
        (
            "_rels/.rels",
            format!(
                r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{RELATIONSHIPS}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(r#"<Relationships xmlns="{PACKAGE}">{relationships}</Relationships>"#),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{MAIN}" xmlns:r="{RELATIONSHIPS}"><sheets>{listed}</sheets></workbook>"#
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                r#"<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#
            ),
        ),
        (
            "xl/sharedStrings.xml",
            format!(r#"<sst xmlns="{MAIN}">{texts}</sst>"#),
        ),
    ] {
        parts.push((path.to_owned(), xml));
    }
    let parts: Vec<(&str, &str)> = parts
        .iter()
        .map(|(path, xml)| (path.as_str(), xml.as_str()))
        .collect();
    package(&parts)
}

/// A workbook with one sheet.
fn one_sheet(rows: &str, texts: &[&str]) -> Vec<u8> {
    let data = format!("<sheetData>{rows}</sheetData>");
    workbook(&[("Stock", "visible", &data)], texts)
}

const HEADER: &str = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>sku</t></is></c><c r="B1" t="inlineStr"><is><t>qty</t></is></c></row>"#;

fn text(reference: &str, text: &str) -> String {
    format!(r#"<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

fn xlsx(sheet: Option<&str>, header_row: u32) -> Xlsx {
    let options = XlsxOptions {
        sheet: sheet.map(str::to_owned),
        header: NonZeroU32::new(header_row).map_or(Header::None, Header::Row),
        skip_rows: None,
    };
    Xlsx::new(&options, &fields("sku", &["qty"])).unwrap()
}

fn records_of(xlsx: &Xlsx, workbook: &[u8]) -> Result<Vec<String>, String> {
    read_bytes(xlsx, workbook).map(|(records, _)| records)
}

/// The records of a workbook with one sheet and a header in row 1.
fn records(rows: &str) -> Result<Vec<String>, String> {
    records_of(&xlsx(None, 1), &one_sheet(rows, &[]))
}

/// The value of a cell in column B.
fn value_of(cell: &str, texts: &[&str]) -> String {
    let rows = format!(r#"{HEADER}<row r="2">{}{cell}</row>"#, text("A2", "A"));
    let records = records_of(&xlsx(None, 1), &one_sheet(&rows, texts)).unwrap();
    let value = records.concat();
    let value = value.strip_prefix(r#"row 2: Text("A") ["#);
    value.unwrap().trim_end_matches(']').to_owned()
}

#[test]
fn number_cells_are_exact() {
    for (written, expected) in [
        ("5", "5"),
        ("0", "0"),
        ("-0", "0"),
        ("-3", "-3"),
        ("12.0", "12"),
        ("1E2", "100"),
        ("4.006381333931E12", "4006381333931"),
        ("9007199254740991", "9007199254740991"),
        ("12.5", "12.5"),
        ("1E-7", "0.0000001"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("12.000000000000002", "12.000000000000002"),
    ] {
        for kind in ["", r#" t="n""#, r#" s="0""#] {
            let cell = format!(r#"<c r="B2"{kind}><v>{written}</v></c>"#);
            let expected = format!("Number({expected:?})");
            assert_eq!(value_of(&cell, &[]), expected, "{cell}");
        }
    }
    for (written, expected) in [
        (
            "9007199254740992",
            "9007199254740992 (a number cell keeps 15 digits, a text cell keeps all)",
        ),
        (
            "-1E20",
            "-100000000000000000000 (a number cell keeps 15 digits, a text cell keeps all)",
        ),
        ("NaN", "NaN"),
        ("1E999", "inf"),
    ] {
        let cell = format!(r#"<c r="B2"><v>{written}</v></c>"#);
        assert_eq!(value_of(&cell, &[]), format!("Other({expected:?})"));
    }
}

#[test]
fn texts_are_read_whatever_way_they_are_stored() {
    let texts = [
        "<t>0012</t>",
        "<r><t>A</t></r><r><rPr><b/></rPr><t xml:space=\"preserve\"> &amp; </t></r><r><t>B</t></r>",
        "<t>東</t><rPh sb=\"0\" eb=\"1\"><t>ヒガシ</t></rPh>",
        "<t xml:space=\"preserve\"> 7 </t>",
        "<t>SKU_x0041_1_x005F_x0041_</t>",
    ];
    for (cell, expected) in [
        (r#"<c r="B2" t="s"><v>0</v></c>"#, r#"Text("0012")"#),
        (r#"<c r="B2" t="s"><v>1</v></c>"#, r#"Text("A & B")"#),
        (r#"<c r="B2" t="s"><v>2</v></c>"#, r#"Text("東")"#),
        (r#"<c r="B2" t="s"><v>3</v></c>"#, r#"Text(" 7 ")"#),
        (r#"<c r="B2" t="s"><v>4</v></c>"#, r#"Text("SKUA1_x0041_")"#),
        (
            r#"<c r="B2" t="inlineStr"><is><r><t>1</t></r><r><t>0+</t></r></is></c>"#,
            r#"Text("10+")"#,
        ),
        (
            r#"<c r="B2" t="str"><f>A1&amp;""</f><v>x &lt; 5</v></c>"#,
            r#"Text("x < 5")"#,
        ),
        // A number cell without a number.
        (r#"<c r="B2"><v>1,5</v></c>"#, r#"Text("1,5")"#),
        // Blank cells.
        ("", r#"Text("")"#),
        (r#"<c r="B2" s="1"/>"#, r#"Text("")"#),
        (r#"<c r="B2" t="str"><f>""</f><v></v></c>"#, r#"Text("")"#),
        (
            r#"<c r="B2" t="inlineStr"><is><t> </t></is></c>"#,
            r#"Text("")"#,
        ),
    ] {
        assert_eq!(value_of(cell, &texts), expected, "{cell}");
    }
}

#[test]
fn other_cells_are_shown() {
    for (cell, expected) in [
        (r#"<c r="B2" t="b"><v>1</v></c>"#, "TRUE"),
        (r#"<c r="B2" t="b"><v>0</v></c>"#, "FALSE"),
        (r#"<c r="B2" t="e"><f>1/0</f><v>#DIV/0!</v></c>"#, "#DIV/0!"),
        (
            r#"<c r="B2" s="1"><v>46082</v></c>"#,
            "46082 in the format of a date",
        ),
        (r#"<c r="B2" t="d"><v>2026-03-01</v></c>"#, "2026-03-01"),
        (r#"<c r="B2"><f>2+3</f></c>"#, "a formula without a value"),
        (
            r#"<c r="B2"><f>2+3</f><v/></c>"#,
            "a formula without a value",
        ),
        (
            r#"<c r="B2"><f t="shared" si="99999999999"/></c>"#,
            "a formula without a value",
        ),
    ] {
        assert_eq!(
            value_of(cell, &[]),
            format!("Other({expected:?})"),
            "{cell}"
        );
    }
    assert_eq!(
        value_of(r#"<c r="B2"><f>2+3</f><v>5</v></c>"#, &[]),
        r#"Number("5")"#
    );
}

#[test]
fn cells_are_where_they_say() {
    // Cells and rows without a place, in another order, empty and hidden ones, and a wrong dimension.
    let rows = format!(
        r#"{HEADER}<row r="2" hidden="1">{}<c r="A2"><v>1</v></c></row><row/><row r="4"><c r="A4"/><c r="B4" s="1"/></row>
        <row><c><v>2</v></c><c><v>6</v></c></row><row r="9">{}</row>"#,
        text("B2", "5"),
        text("A9", "A")
    );
    let expected = [
        r#"row 2: Number("1") [Text("5")]"#,
        r#"row 5: Number("2") [Number("6")]"#,
        r#"row 9: Text("A") [Text("")]"#,
    ];
    for dimension in [
        "",
        r#"<dimension ref="A1"/>"#,
        r#"<dimension ref="A1:XFD1048576"/>"#,
    ] {
        let data = format!("{dimension}<sheetData>{rows}</sheetData>");
        let workbook = workbook(&[("Stock", "visible", &data)], &[]);
        assert_eq!(records_of(&xlsx(None, 1), &workbook).unwrap(), expected);
    }
    for (row, problem) in [
        (
            r#"<row r="3"><c r="A3"><v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>"#,
            "row 2: comes after row 3",
        ),
        (
            r#"<row r="2"><c r="A2"><v>1</v></c><c r="A2"><v>1</v></c></row>"#,
            "row 2: has two cells in column A",
        ),
        (
            r#"<row r="2"><c r="XFE2"><v>1</v></c></row>"#,
            "row 2: more than 16384 columns",
        ),
        (
            r#"<row r="2"><c r="A2"><v>1</v></c><c r="AB2"><v>7</v></c></row>"#,
            "row 2: the cell AB2 has a value, but the header ends with column B",
        ),
        (
            r#"<row r="2"><c r="A2" t="s"><v>7</v></c></row>"#,
            "the workbook is invalid in row 1 or below: Cell string index not found in shared strings table",
        ),
    ] {
        assert_eq!(records(&format!("{HEADER}{row}")).unwrap_err(), problem);
    }
}

#[test]
fn header_may_be_in_any_row() {
    let title = r#"<row r="1"><c r="D1" t="inlineStr"><is><t>Stock of today</t></is></c></row>"#;
    let header = HEADER.replace("1\"", "3\"");
    let rows =
        format!(r#"{title}{header}<row r="4"><c r="A4"><v>1</v></c><c r="B4"><v>5</v></c></row>"#);
    let workbook = one_sheet(&rows, &[]);
    assert_eq!(
        records_of(&xlsx(None, 3), &workbook).unwrap(),
        [r#"row 4: Number("1") [Number("5")]"#]
    );
    for (row, problem) in [
        (
            1,
            r#"row 1: the header has no column "sku" (fields.product_id): it has "Stock of today" (is format.header_row right?)"#,
        ),
        (
            2,
            "row 2: the row is empty, expected the header (format.header_row)",
        ),
        (
            7,
            "row 7: the sheet ends above this row, expected the header (format.header_row)",
        ),
    ] {
        assert_eq!(
            records_of(&xlsx(None, row), &workbook).unwrap_err(),
            problem
        );
    }
    assert_eq!(
        records("").unwrap_err(),
        "row 1: the sheet ends above this row, expected the header (format.header_row)"
    );
    assert_eq!(records(HEADER).unwrap(), [""; 0]);

    let mut fields = fields("", &[""]);
    fields.product_id.column = Column::Number(NonZeroU32::MIN);
    fields.quantity.columns = vec![Column::Number(NonZeroU32::new(4).unwrap())];
    let options = XlsxOptions {
        sheet: None,
        header: Header::None,
        skip_rows: None,
    };
    let numbered = Xlsx::new(&options, &fields).unwrap();
    assert_eq!(
        records_of(&numbered, &workbook).unwrap(),
        [
            r#"row 1: Text("") [Text("Stock of today")]"#,
            r#"row 3: Text("sku") [Text("")]"#,
            r#"row 4: Number("1") [Text("")]"#,
        ]
    );
}

#[test]
fn sheet_is_the_only_visible_one_or_named() {
    let data = |sku: &str| {
        format!(
            r#"<sheetData>{HEADER}<row r="2">{}</row></sheetData>"#,
            text("A2", sku)
        )
    };
    let (old, new) = (data("old"), data("new"));
    let record = |sku: &str| vec![format!(r#"row 2: Text({sku:?}) [Text("")]"#)];
    let hidden = workbook(&[("Old", "hidden", &old), ("New", "visible", &new)], &[]);
    assert_eq!(records_of(&xlsx(None, 1), &hidden).unwrap(), record("new"));
    assert_eq!(
        records_of(&xlsx(Some("Old"), 1), &hidden).unwrap(),
        record("old")
    );
    assert_eq!(
        records_of(&xlsx(Some("old"), 1), &hidden).unwrap_err(),
        r#"the workbook has no sheet "old" (format.sheet): it has "Old" (hidden), "New""#
    );
    let two = workbook(&[("Old", "visible", &old), ("New", "visible", &new)], &[]);
    assert_eq!(
        records_of(&xlsx(None, 1), &two).unwrap_err(),
        r#"the workbook has 2 visible sheets, and format.sheet must name one: it has "Old", "New""#
    );
    let none = workbook(&[("Old", "veryHidden", &old)], &[]);
    assert_eq!(
        records_of(&xlsx(None, 1), &none).unwrap_err(),
        r#"the workbook has no visible sheet: it has "Old" (hidden)"#
    );
}

#[test]
fn columns_have_letters() {
    for (index, name) in [
        (0, "A"),
        (25, "Z"),
        (26, "AA"),
        (701, "ZZ"),
        (702, "AAA"),
        (16_383, "XFD"),
    ] {
        assert_eq!(column_name(index), name);
    }
}
