//! The functions that the fuzz targets in `fuzz/` call, one for each: those of the formats are here, those of decoding in
//! [`decoding`]. The tests run each on the seeds in `fuzz/seeds` and on changes of them; otherwise built with `--cfg fuzzing` only.
//!
//! Functions of formats return the number of products, or of segments, that they read.

#![allow(clippy::must_use_candidate, reason = "a fuzz target needs no result")]

mod decoding;
mod packing;
#[cfg(test)]
mod tests;

use std::io::{Cursor, Write as _};
use std::num::NonZeroU32;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::decode::{Document, Limit, MAX_LEVELS, copy_to_spool, unpack};
use crate::format::edi::tokenizer::Tokenizer;
use crate::format::{PageFields, format};
use crate::options::{
    AsOfFormat, AsOfOptions, Column, CsvOptions, DecodeOptions, EdiAsOf, EdiOptions, FieldOptions,
    FormatOptions, Header, JsonItems, JsonOptions, ProductIdField, QuantityField, RuleOptions,
    XlsxOptions, XmlOptions,
};
use crate::rules::{Rules, Tally};

pub use self::decoding::{charset, gzip, limits, nesting, zip};

/// Splits bytes into segments, in both syntaxes.
pub fn edi_tokenizer(bytes: &[u8]) -> usize {
    let mut segments = 0;
    if let Ok(mut tokenizer) = Tokenizer::x12(Cursor::new(bytes)) {
        while let Ok(Some(_)) = tokenizer.next_segment() {
            segments += 1;
        }
    }
    if let Ok(mut tokenizer) = Tokenizer::edifact(Cursor::new(bytes)) {
        while let Ok(Some(_)) = tokenizer.next_segment() {
            segments += 1;
        }
    }
    segments
}

fn edi_options(code: &str) -> EdiOptions {
    EdiOptions {
        as_of: Some(EdiAsOf {
            code: code.to_owned(),
            zone: Some("UTC".to_owned()),
        }),
        units: vec!["CT".to_owned()],
    }
}

/// Reads bytes as an X12 846.
pub fn x12(bytes: &[u8]) -> usize {
    let with = |code: &str| read(&FormatOptions::X12(edi_options(code)), "SK", "33", bytes);
    with("BIA") + with("007")
}

/// Reads bytes as an EDIFACT INVRPT.
pub fn edifact(bytes: &[u8]) -> usize {
    let options = FormatOptions::Edifact(edi_options("137"));
    read(&options, "SA", "145", bytes)
}

/// Reads bytes as an XML document.
pub fn xml(bytes: &[u8]) -> usize {
    let options = XmlOptions {
        items: "/a/b".to_owned(),
        as_of: None,
    };
    read(&FormatOptions::Xml(options), "@c", "d", bytes)
}

/// Reads bytes as separated values.
pub fn csv(bytes: &[u8]) -> usize {
    let options = CsvOptions {
        delimiter: b',',
        quote: b'"',
        header: Header::Row(NonZeroU32::MIN),
        skip_rows: None,
    };
    read(&FormatOptions::Csv(options), "a", "b", bytes)
}

/// Reads bytes as a JSON document of each kind, and as JSON lines.
pub fn json(bytes: &[u8]) -> usize {
    let mut products = read(&FormatOptions::Ndjson, "/b", "/c/0", bytes);
    for items_are in [
        JsonItems::List,
        JsonItems::Values,
        JsonItems::Map,
        JsonItems::Single,
    ] {
        let options = JsonOptions {
            items: "/a".to_owned(),
            items_are,
            as_of: Some(AsOfOptions {
                field: "/t".to_owned(),
                format: AsOfFormat::Rfc3339,
                zone: Some("UTC".to_owned()),
            }),
        };
        products += read(&FormatOptions::Json(options), "/b", "/c/0", bytes);
    }
    products
}

/// Reads bytes as the XML of a sheet in a workbook, and of its shared texts behind the first NUL.
pub fn xlsx(bytes: &[u8]) -> usize {
    let (sheet, texts) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b"<sst/>"[..]),
    };
    let options = XlsxOptions {
        sheet: None,
        header: Header::Row(NonZeroU32::MIN),
        skip_rows: None,
    };
    let read = |workbook: &[u8]| read(&FormatOptions::Xlsx(options), "a", "b", workbook);
    workbook(sheet, texts).map_or(0, |workbook| read(&workbook))
}

fn workbook(sheet: &[u8], texts: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let styles =
        br#"<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#;
    for (name, xml) in [
        ("[Content_Types].xml", &b"<Types/>"[..]),
        (
            "_rels/.rels",
            br#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            br#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
        ),
        (
            "xl/workbook.xml",
            br#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#,
        ),
        ("xl/styles.xml", styles),
        ("xl/sharedStrings.xml", texts),
        ("xl/worksheets/sheet1.xml", sheet),
    ] {
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(name, stored)?;
        writer.write_all(xml)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Returns the number of products; 0 if the document is refused.
fn read(options: &FormatOptions, product_id: &str, quantity: &str, bytes: &[u8]) -> usize {
    let column = |name: &str| Column::Name(name.to_owned());
    let fields = FieldOptions {
        product_id: ProductIdField::new(column(product_id)),
        quantity: QuantityField::new(column(quantity)),
    };
    let rules = RuleOptions::default();
    let format = format(options, &fields, &PageFields::default());
    let (Ok(format), Some(document)) = (format, document(bytes)) else {
        return 0;
    };
    let mut records = Rules::resume(&fields, &rules, Tally::default(), None);
    if format.read(document, &mut records).is_err() {
        return 0;
    }
    let products = records.into_tally().map(Tally::into_quantities);
    products.map_or(0, |products| products.len())
}

fn document(mut bytes: &[u8]) -> Option<Document> {
    let options = DecodeOptions {
        charset: None,
        entry: None,
        max_bytes: u64::MAX,
        max_decoded_bytes: 16 * 1024 * 1024,
        max_ratio: 100,
    };
    let limit = Limit::Transferred(options.max_bytes);
    let spool = copy_to_spool(&mut bytes, limit, |error| error).ok()?;
    unpack(spool, &options, MAX_LEVELS).ok()
}
