//! The functions that the fuzz targets in `fuzz/` call. Built with `--cfg fuzzing` only.

use std::io::Cursor;
use std::ops::ControlFlow;

use crate::decode::{Document, Limit, MAX_LEVELS, copy_to_spool, unpack};
use crate::format::edi::tokenizer::Tokenizer;
use crate::format::format;
use crate::options::{
    Column, DecodeOptions, FieldOptions, FormatOptions, ProductIdField, QuantityField, XmlOptions,
};
use crate::record::{Record, RecordSink};

struct Ignored;

impl RecordSink for Ignored {
    fn take(&mut self, _: &Record<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Splits bytes into segments, in both syntaxes.
pub fn edi_tokenizer(bytes: &[u8]) {
    if let Ok(mut tokenizer) = Tokenizer::x12(Cursor::new(bytes)) {
        while let Ok(Some(_)) = tokenizer.next_segment() {}
    }
    if let Ok(mut tokenizer) = Tokenizer::edifact(Cursor::new(bytes)) {
        while let Ok(Some(_)) = tokenizer.next_segment() {}
    }
}

/// Reads bytes as an X12 846.
pub fn x12(bytes: &[u8]) {
    read(&FormatOptions::X12, "SK", "33", bytes);
}

/// Reads bytes as an EDIFACT INVRPT.
pub fn edifact(bytes: &[u8]) {
    read(&FormatOptions::Edifact, "SA", "145", bytes);
}

/// Reads bytes as an XML document.
pub fn xml(bytes: &[u8]) {
    let options = XmlOptions {
        items: "/a/b".to_owned(),
        as_of: None,
    };
    read(&FormatOptions::Xml(options), "@c", "d", bytes);
}

fn read(options: &FormatOptions, product_id: &str, quantity: &str, bytes: &[u8]) {
    let column = |name: &str| Column::Name(name.to_owned());
    let fields = FieldOptions {
        product_id: ProductIdField {
            column: column(product_id),
            trim: false,
            prefix: String::new(),
        },
        quantity: QuantityField {
            columns: vec![column(quantity)],
            words: std::collections::BTreeMap::new(),
            decimal: '.',
            thousands: None,
            trim: false,
        },
    };
    if let (Ok(format), Some(document)) = (format(options, &fields), document(bytes)) {
        let _ = format.read(document, &mut Ignored);
    }
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
