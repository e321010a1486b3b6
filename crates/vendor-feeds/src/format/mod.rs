//! The formats: how the text, or the bytes, of a document become records. A format reads a stream in bounded memory, whatever
//! the size of the document, and converts no value.
//!
//! To add a format: implement [`Format`] in a file of its own, add its options to [`FormatOptions`], and create it in [`format`].

mod columns;
mod csv;
pub(crate) mod edi;
mod json;
mod ndjson;
mod xlsx;
mod xml;

use std::io;

use domain::timestamp::Timestamp;
use thiserror::Error;

use crate::decode::Document;
use crate::options::{FieldOptions, FormatOptions};
use crate::record::{PageField, RecordSink};

/// The fields in which a document states what [`PageField`] names: JSON pointers, or XML paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageFields {
    /// The field of [`PageField::Next`].
    pub(crate) next: Option<String>,
    /// The field of [`PageField::Total`].
    pub(crate) total: Option<String>,
}

impl PageFields {
    fn iter(&self) -> impl Iterator<Item = (PageField, &str)> {
        let next = self.next.as_deref().map(|text| (PageField::Next, text));
        let total = self.total.as_deref().map(|text| (PageField::Total, text));
        next.into_iter().chain(total)
    }
}

/// Creates the format of the options. The error is a one-line description of the invalid option.
pub(crate) fn format(
    options: &FormatOptions,
    fields: &FieldOptions,
    pages: &PageFields,
) -> Result<Box<dyn Format>, String> {
    let has_fields = matches!(options, FormatOptions::Json(_) | FormatOptions::Xml(_));
    if let (false, Some((field, _))) = (has_fields, pages.iter().next()) {
        return Err(format!(
            "{} is set, but only JSON and XML documents have such a field",
            field.setting()
        ));
    }
    Ok(match options {
        FormatOptions::Json(options) => {
            Box::new(json::Json::new(options, fields)?.with_page_fields(pages)?)
        }
        FormatOptions::Ndjson => Box::new(ndjson::Ndjson::new(fields)?),
        FormatOptions::Csv(options) => Box::new(csv::Csv::new(options, fields)?),
        FormatOptions::Xml(options) => {
            Box::new(xml::Xml::new(options, fields)?.with_page_fields(pages)?)
        }
        FormatOptions::Xlsx(options) => Box::new(xlsx::Xlsx::new(options, fields)?),
        FormatOptions::X12(options) => Box::new(edi::x12(options, fields)?),
        FormatOptions::Edifact(options) => Box::new(edi::edifact(options, fields)?),
    })
}

/// Reads documents of one format.
pub(crate) trait Format: Send + Sync {
    /// Reads all records of a document, and returns the instant for which the document states that it holds, if the options
    /// name a field for it.
    ///
    /// MUST read the document to its end, so that invalid data behind the last record is an error, except if `records` takes
    /// no more. MUST NOT skip a record. MUST use memory that does not grow with the number of records.
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError>;
}

/// Why a document cannot be read.
#[derive(Debug, Error)]
pub(crate) enum FormatError {
    /// The document is not in its format, or lacks what the options name. One line that says where and what.
    #[error("{0}")]
    Malformed(String),
    /// The decoder refused the document, or the disk failed.
    #[error(transparent)]
    Read(#[from] io::Error),
}

#[cfg(test)]
pub(crate) mod tests {
    //! Reads documents in tests of the formats.

    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use super::*;
    use crate::options::{Column, ProductIdField, QuantityField};
    use crate::record::Record;

    /// The mapping of these fields.
    pub(crate) fn fields(product_id: &str, quantities: &[&str]) -> FieldOptions {
        let column = |name: &str| Column::Name(name.to_owned());
        FieldOptions {
            product_id: ProductIdField {
                column: column(product_id),
                trim: false,
                prefix: String::new(),
            },
            quantity: QuantityField {
                columns: quantities.iter().copied().map(column).collect(),
                words: BTreeMap::new(),
                decimal: '.',
                thousands: None,
                trim: false,
            },
        }
    }

    /// Collects records as they are written for debugging.
    pub(crate) struct Shown(Vec<String>);

    pub(crate) fn sink() -> Shown {
        Shown(Vec::new())
    }

    impl RecordSink for Shown {
        fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
            let Record {
                place,
                product_id,
                quantities,
            } = record;
            self.0
                .push(format!("{place}: {product_id:?} {quantities:?}"));
            ControlFlow::Continue(())
        }
    }

    /// Reads a text; returns its records as they are written for debugging, and its as-of.
    pub(crate) fn read(
        format: &dyn Format,
        text: &str,
    ) -> Result<(Vec<String>, Option<Timestamp>), String> {
        read_document(format, Document::from_text(text))
    }

    /// As [`read`].
    pub(crate) fn read_bytes(
        format: &dyn Format,
        bytes: &[u8],
    ) -> Result<(Vec<String>, Option<Timestamp>), String> {
        read_document(format, Document::from_bytes(bytes))
    }

    fn read_document(
        format: &dyn Format,
        document: Document,
    ) -> Result<(Vec<String>, Option<Timestamp>), String> {
        let mut records = sink();
        let as_of = format
            .read(document, &mut records)
            .map_err(|error| error.to_string())?;
        Ok((records.0, as_of))
    }
}
