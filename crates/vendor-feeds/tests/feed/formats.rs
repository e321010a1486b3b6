//! One vendor of each format over HTTP, compressed and in an encoding other than UTF-8 where the format allows one.

use std::io::{Cursor, Write as _};
use std::num::NonZeroU32;

use domain::ports::VendorFeed;
use domain::timestamp::Timestamp;
use vendor_feeds::{
    AsOfFormat, AsOfOptions, Column, CsvOptions, EdiOptions, Encoding, FormatOptions, Header,
    JsonItems, JsonOptions, ProductIdField, QuantityField, XlsxOptions, XmlOptions,
};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::canned::CannedServer;
use super::decoding::gzip;
use super::feed_with;

const FIRST_ROW: Header = Header::Row(NonZeroU32::MIN);

/// A vendor whose report has 7 units of `Müller` and none of `0012`.
struct Case {
    format: FormatOptions,
    product_id: &'static str,
    quantity: &'static str,
    charset: Option<&'static str>,
    body: Vec<u8>,
    as_of: Option<&'static str>,
}

fn windows_1252(text: &str) -> Vec<u8> {
    // The texts have only characters that are the same in Latin-1.
    text.chars()
        .map(|char| u8::try_from(char).unwrap())
        .collect()
}

fn as_of(field: &str, format: &str) -> AsOfOptions {
    AsOfOptions {
        field: field.to_owned(),
        format: AsOfFormat::Pattern(format.to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
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

fn json() -> Case {
    Case {
        format: FormatOptions::Json(JsonOptions {
            items: "/stock".to_owned(),
            items_are: JsonItems::Map,
            as_of: Some(as_of("/date", "%d.%m.%Y %H:%M")),
        }),
        product_id: "",
        quantity: "",
        charset: Some("windows-1252"),
        body: windows_1252(r#"{"date":"23.11.2026 12:00","stock":{"Müller":7,"0012":0}}"#),
        as_of: Some("2026-11-23T11:00:00Z"),
    }
}

fn ndjson() -> Case {
    let text = "{\"id\":\"Müller\",\"n\":\"7\"}\n{\"id\":\"0012\",\"n\":0.0}\n";
    Case {
        format: FormatOptions::Ndjson,
        product_id: "/id",
        quantity: "/n",
        charset: None,
        body: [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect(),
        as_of: None,
    }
}

fn csv() -> Case {
    Case {
        format: FormatOptions::Csv(CsvOptions {
            delimiter: b';',
            quote: b'"',
            header: FIRST_ROW,
        }),
        product_id: "SKU",
        quantity: "Qty",
        charset: Some("windows-1252"),
        body: windows_1252("SKU;Title;Qty\r\nMüller;\"a; b\";7\r\n0012;;0\r\n"),
        as_of: None,
    }
}

fn xml() -> Case {
    Case {
        format: FormatOptions::Xml(XmlOptions {
            items: "/stock/item".to_owned(),
            as_of: Some(as_of("/stock/@date", "%Y-%m-%d")),
        }),
        product_id: "@sku",
        quantity: "qty",
        charset: None,
        body: windows_1252(
            "<?xml version='1.0' encoding='ISO-8859-1'?><stock date='2026-11-23'>\
             <item sku='Müller'><qty>7</qty></item><item sku='0012'><qty>0</qty></item></stock>",
        ),
        as_of: Some("2026-11-22T23:00:00Z"),
    }
}

fn xlsx() -> Case {
    let text = |text: &str| format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#);
    let row = |number: u32, id: &str, quantity: &str| {
        let id = text(id).replace("<c ", &format!("<c r=\"A{number}\" "));
        let quantity = quantity.replace("<c", &format!("<c r=\"B{number}\""));
        format!(r#"<row r="{number}">{id}{quantity}</row>"#)
    };
    let rows = [
        row(1, "SKU", &text("Qty")),
        row(2, "Müller", "<c><v>7</v></c>"),
        row(3, "0012", "<c><v>0</v></c>"),
    ];
    Case {
        format: FormatOptions::Xlsx(XlsxOptions {
            sheet: Some("Stock".to_owned()),
            header: FIRST_ROW,
        }),
        product_id: "SKU",
        quantity: "Qty",
        charset: None,
        body: workbook(&rows.concat()),
        as_of: None,
    }
}

fn x12() -> Case {
    Case {
        format: FormatOptions::X12(EdiOptions::default()),
        product_id: "SK",
        quantity: "33",
        charset: Some("windows-1252"),
        body: windows_1252(
            "ISA*00*          *00*          *ZZ*VENDOR         *ZZ*SHOP           *261123*1200*U*00401*000000042*0*P*>~\n\
             GS*IB*VENDOR*SHOP*20261123*1200*7*X*004010~\nST*846*0001~\nBIA*00*SI*1*20261123~\n\
             LIN**SK*Müller~\nQTY*33*7~\nLIN**SK*0012~\nQTY*33*0~\nSE*7*0001~\nGE*1*7~\nIEA*1*000000042~\n",
        ),
        as_of: None,
    }
}

fn edifact() -> Case {
    Case {
        format: FormatOptions::Edifact(EdiOptions::default()),
        product_id: "SA",
        quantity: "145",
        charset: None,
        body: windows_1252(
            "UNA:+.? 'UNB+UNOC:3+VENDOR+SHOP+261123:1200+42'UNH+1+INVRPT:D:96A:UN'BGM+35+1+9'\
             LIN+1++Müller:SA'QTY+145:7'LIN+2++0012:SA'QTY+145:0'UNT+7+1'UNZ+1+42'",
        ),
        as_of: None,
    }
}

#[tokio::test]
async fn a_vendor_of_each_format_is_read() {
    for case in [json(), ndjson(), csv(), xml(), xlsx(), x12(), edifact()] {
        let Case {
            format,
            product_id,
            quantity,
            charset,
            body,
            as_of,
        } = case;
        let headers = "Content-Encoding: gzip\r\nContent-Type: application/octet-stream\r\n";
        let server = CannedServer::start_with_body("200 OK", headers, &gzip(&body)).await;
        let feed = feed_with(&server.url(), |options| {
            options.format = format.clone();
            options.fields.product_id = ProductIdField::new(Column::Name(product_id.to_owned()));
            options.fields.quantity = QuantityField::new(Column::Name(quantity.to_owned()));
            options.decode.charset =
                charset.map(|label| Encoding::for_label(label.as_bytes()).unwrap());
        });
        let fetched = feed.fetch().await;
        let report = fetched
            .unwrap_or_else(|error| panic!("{format:?}: {error}"))
            .report;
        let quantities: Vec<(&str, u32)> = report
            .quantities()
            .iter()
            .map(|(product, units)| (product.as_str(), *units))
            .collect();
        assert_eq!(quantities, [("0012", 0), ("Müller", 7)], "{format:?}");
        let as_of = as_of.map(|text| Timestamp::parse_rfc3339(text).unwrap());
        assert_eq!(report.as_of(), as_of, "{format:?}");
    }
}
