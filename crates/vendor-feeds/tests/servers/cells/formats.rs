//! A document of each format: none of `0012`, 1234 units of `A-1`, 7 of `Müller`.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use vendor_feeds::{
    AsOfFormat, AsOfOptions, CsvOptions, EdiAsOf, EdiOptions, FormatOptions, JsonItems,
    JsonOptions, XlsxOptions, XmlOptions,
};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::{Header, NonZeroU32};

const FIRST_ROW: Header = Header::Row(NonZeroU32::MIN);

/// The as-of of documents that state one, before the times of all sources.
const AS_OF: &str = "2026-11-01T07:45:00Z";

/// A document, and the settings of its format.
pub(super) struct Document {
    pub(super) format: FormatOptions,
    pub(super) product_id: &'static str,
    pub(super) quantity: &'static str,
    /// A text in UTF-8, or a workbook.
    pub(super) bytes: Vec<u8>,
    /// The text in another encoding, and its `decode.charset` if the document does not declare it.
    pub(super) encoded: Option<(Vec<u8>, Option<&'static str>)>,
    pub(super) as_of: Option<&'static str>,
}

/// The bytes of a text whose characters are the same in Latin-1.
fn windows_1252(text: &str) -> Vec<u8> {
    text.chars()
        .map(|char| u8::try_from(char).unwrap())
        .collect()
}

fn as_of(field: &str) -> AsOfOptions {
    AsOfOptions {
        field: field.to_owned(),
        format: AsOfFormat::Pattern("%d.%m.%Y %H:%M".to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
    }
}

fn edi_as_of(code: &str) -> EdiOptions {
    EdiOptions {
        as_of: Some(EdiAsOf {
            code: code.to_owned(),
            zone: Some("UTC".to_owned()),
        }),
        units: Vec::new(),
    }
}

pub(super) fn json() -> Document {
    let text = r#"{"date":"01.11.2026 08:45","stock":{"Müller":7,"0012":0.0,"A-1":1234}}"#;
    Document {
        format: FormatOptions::Json(JsonOptions {
            items: "/stock".to_owned(),
            items_are: JsonItems::Map,
            as_of: Some(as_of("/date")),
        }),
        product_id: "",
        quantity: "",
        bytes: text.into(),
        encoded: Some((windows_1252(text), Some("windows-1252"))),
        as_of: Some(AS_OF),
    }
}

/// In UTF-16, a byte order mark states the encoding.
pub(super) fn ndjson() -> Document {
    let text = "{\"id\":\"Müller\",\"n\":\"7\"}\n{\"id\":\"0012\",\"n\":0}\n\n{\"n\":1234.0,\"id\":\"A-1\"}\n";
    let utf_16 = format!("\u{feff}{text}");
    Document {
        format: FormatOptions::Ndjson,
        product_id: "/id",
        quantity: "/n",
        bytes: text.into(),
        encoded: Some((
            utf_16.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            None,
        )),
        as_of: None,
    }
}

pub(super) fn csv() -> Document {
    let text = "SKU;Title;Qty\r\nMüller;\"a; b\";7\r\n0012;;0\r\nA-1;\"a \"\"b\"\"\";1234\r\n";
    Document {
        format: FormatOptions::Csv(CsvOptions {
            delimiter: b';',
            quote: b'"',
            header: FIRST_ROW,
            skip_rows: None,
        }),
        product_id: "SKU",
        quantity: "Qty",
        bytes: text.into(),
        encoded: Some((windows_1252(text), Some("windows-1252"))),
        as_of: None,
    }
}

/// The document declares its encoding.
pub(super) fn xml() -> Document {
    let text = |charset: &str| {
        format!(
            "<?xml version='1.0' encoding='{charset}'?><stock date='01.11.2026 08:45'>\
             <item sku='Müller'><qty>7</qty></item><item sku='0012'><qty>0</qty></item>\
             <item sku='A-1'><qty><![CDATA[1234]]></qty></item></stock>"
        )
    };
    Document {
        format: FormatOptions::Xml(XmlOptions {
            items: "/stock/item".to_owned(),
            as_of: Some(as_of("/stock/@date")),
        }),
        product_id: "@sku",
        quantity: "qty",
        bytes: text("UTF-8").into(),
        encoded: Some((windows_1252(&text("ISO-8859-1")), None)),
        as_of: Some(AS_OF),
    }
}

pub(super) fn x12_846() -> Document {
    let text = "ISA*00*          *00*          *ZZ*VENDOR         *ZZ*SHOP           *261101*0745*U*00401*000000042*0*P*>~\n\
        GS*IB*VENDOR*SHOP*20261101*0745*7*X*004010~\nST*846*0001~\nBIA*00*SI*1*20261101*0745~\n\
        LIN**SK*Müller~\nQTY*33*7~\nLIN**SK*0012~\nQTY*33*0~\nLIN**SK*A-1~\nQTY*33*1234*EA~\n\
        SE*9*0001~\nGE*1*7~\nIEA*1*000000042~\n";
    Document {
        format: FormatOptions::X12(edi_as_of("BIA")),
        product_id: "SK",
        quantity: "33",
        bytes: text.into(),
        encoded: Some((windows_1252(text), Some("windows-1252"))),
        as_of: Some(AS_OF),
    }
}

/// The syntax identifier states the encoding: UNOY is UTF-8, UNOC is Latin-1.
pub(super) fn edifact_invrpt() -> Document {
    let text = |identifier: &str| {
        format!(
            "UNA:+.? 'UNB+{identifier}+VENDOR+SHOP+261101:0745+42'UNH+1+INVRPT:D:96A:UN'BGM+35+1+9'DTM+137:202611010745:203'\
             LIN+1++Müller:SA'QTY+145:7'LIN+2++0012:SA'QTY+145:0'LIN+3'PIA+1+A-1:SA'QTY+145:1234:PCE'UNT+11+1'UNZ+1+42'"
        )
    };
    Document {
        format: FormatOptions::Edifact(edi_as_of("137")),
        product_id: "SA",
        quantity: "145",
        bytes: text("UNOY:4").into(),
        encoded: Some((windows_1252(&text("UNOC:3")), None)),
        as_of: Some(AS_OF),
    }
}

pub(super) fn xlsx() -> Document {
    let text = |text: &str| format!(r#" t="inlineStr"><is><t>{text}</t></is></c>"#);
    let mut rows = String::new();
    for (number, (id, quantity)) in (1..).zip([
        (text("SKU"), text("Qty")),
        (text("Müller"), "><v>7</v></c>".to_owned()),
        (text("0012"), "><v>0</v></c>".to_owned()),
        (text("A-1"), text("1234")),
    ]) {
        write!(
            rows,
            r#"<row r="{number}"><c r="A{number}"{id}<c r="B{number}"{quantity}</row>"#
        )
        .unwrap();
    }
    Document {
        format: FormatOptions::Xlsx(XlsxOptions {
            sheet: Some("Stock".to_owned()),
            header: FIRST_ROW,
            skip_rows: None,
        }),
        product_id: "SKU",
        quantity: "Qty",
        bytes: workbook(&rows),
        encoded: None,
        as_of: None,
    }
}

/// A workbook with one sheet.
fn workbook(rows: &str) -> Vec<u8> {
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relationships = |kind: &str, target: &str| {
        format!(
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="{OFFICE}/{kind}" Target="{target}"/></Relationships>"#
        )
    };
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [
        ("[Content_Types].xml", "<Types/>".to_owned()),
        (
            "_rels/.rels",
            relationships("officeDocument", "xl/workbook.xml"),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            relationships("worksheet", "worksheets/sheet1.xml"),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Stock" sheetId="1" r:id="r1"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>"#),
        ),
    ] {
        writer
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
