//! Office Open XML workbooks with one sheet: the parts that are required, and no styles.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use quick_xml::escape::escape;
use serde::Deserialize;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Cell, Report, unused_name};

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const CONTENT: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

/// Options of a workbook.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Xlsx {
    /// Name of the sheet.
    sheet: String,
    /// Whether the first row has the names of the columns.
    header: bool,
    /// Names of the columns, in the order of a CSV document.
    product_id: String,
    quantity: String,
}

impl Default for Xlsx {
    fn default() -> Self {
        Self {
            sheet: "Stock".to_owned(),
            header: true,
            product_id: "sku".to_owned(),
            quantity: "quantity".to_owned(),
        }
    }
}

impl Xlsx {
    pub(super) fn write(&self, report: &Report) -> Result<Vec<u8>, String> {
        let mut rows = Rows::default();
        let text = |text: &str| Cell::Text(text.to_owned());
        if self.header {
            let title = unused_name("title", &[&self.product_id, &self.quantity]);
            rows.push([
                &text(&self.product_id),
                &text(title.unwrap_or("name")),
                &text(&self.quantity),
            ]);
        }
        for row in &report.rows {
            rows.push([&text(&row.product_id), &row.title, &row.quantity]);
        }
        let sheet = format!(
            r#"{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>{}</sheetData></worksheet>"#,
            rows.xml
        );
        self.package(&sheet).map_err(|error| error.to_string())
    }

    fn package(&self, sheet: &str) -> zip::result::ZipResult<Vec<u8>> {
        let relationships = |kind: &str, target: &str| {
            format!(
                r#"{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/{kind}" Target="{target}"/></Relationships>"#
            )
        };
        let types = format!(
            r#"{DECLARATION}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{CONTENT}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="{CONTENT}.worksheet+xml"/></Types>"#
        );
        let workbook = format!(
            r#"{DECLARATION}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="{}" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
            escape(&self.sheet)
        );
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, xml) in [
            ("[Content_Types].xml", types.as_str()),
            (
                "_rels/.rels",
                &relationships("officeDocument", "xl/workbook.xml"),
            ),
            ("xl/workbook.xml", &workbook),
            (
                "xl/_rels/workbook.xml.rels",
                &relationships("worksheet", "worksheets/sheet1.xml"),
            ),
            ("xl/worksheets/sheet1.xml", sheet),
        ] {
            writer.start_file(path, SimpleFileOptions::default())?;
            writer.write_all(xml.as_bytes())?;
        }
        Ok(writer.finish()?.into_inner())
    }
}

/// The rows of a sheet.
#[derive(Default)]
struct Rows {
    xml: String,
    count: u32,
}

impl Rows {
    fn push(&mut self, cells: [&Cell; 3]) {
        self.count += 1;
        let row = self.count;
        // A write to a `String` does not fail.
        let _ = write!(self.xml, r#"<row r="{row}">"#);
        for (letter, cell) in ["A", "B", "C"].into_iter().zip(cells) {
            let _ = match cell {
                Cell::Number(digits) => {
                    write!(self.xml, r#"<c r="{letter}{row}"><v>{digits}</v></c>"#)
                }
                Cell::Text(text) | Cell::Raw(text) => write!(
                    self.xml,
                    r#"<c r="{letter}{row}" t="inlineStr"><is><t xml:space="preserve">{}</t></is></c>"#,
                    escape(text)
                ),
            };
        }
        self.xml.push_str("</row>");
    }
}
