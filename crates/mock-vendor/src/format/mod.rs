//! Writers of the formats that feeds can read. Each writes the same report in its own way; its options have the names of the
//! settings of the feed that reads it.

mod csv;
mod edifact;
mod json;
mod ndjson;
mod node;
mod x12;
mod xlsx;
mod xml;

use jiff::Timestamp;
use serde::Deserialize;

pub(crate) use self::node::Node;

/// A format with its options, as the script has them.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Format {
    Json(json::Json),
    Ndjson(ndjson::Ndjson),
    Csv(csv::Csv),
    Xml(xml::Xml),
    Xlsx(xlsx::Xlsx),
    #[serde(rename = "x12_846")]
    X12(x12::X12),
    EdifactInvrpt(edifact::Edifact),
}

impl Default for Format {
    fn default() -> Self {
        Self::Json(json::Json::default())
    }
}

impl Format {
    /// Writes a document. The error is one line that names the option or the value which the format cannot have.
    pub(crate) fn write(&self, report: &Report) -> Result<Written, String> {
        match self {
            Self::Json(format) => format.write(report).map(Written::Text),
            Self::Ndjson(format) => format.write(report).map(Written::Text),
            Self::Csv(format) => format.write(report).map(Written::Text),
            Self::Xml(format) => format.write(report).map(Written::Text),
            Self::Xlsx(format) => format.write(report).map(Written::Workbook),
            Self::X12(format) => format.write(report).map(Written::Text),
            Self::EdifactInvrpt(format) => Ok(Written::Text(format.write(report))),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// Whether the values of items are written as JSON.
    pub(crate) fn has_json_items(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Ndjson(_))
    }

    pub(crate) fn is_text(&self) -> bool {
        !matches!(self, Self::Xlsx(_))
    }

    /// The usual media type.
    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Ndjson(_) => "application/x-ndjson",
            Self::Csv(_) => "text/csv",
            Self::Xml(_) => "application/xml",
            Self::Xlsx(_) => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::X12(_) => "application/edi-x12",
            Self::EdifactInvrpt(_) => "application/edifact",
        }
    }
}

/// A document before it is encoded and compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    Text(String),
    /// A workbook, which has an encoding of its own.
    Workbook(Vec<u8>),
}

/// The content of a document.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// The instant of the document, for the formats whose envelope has one.
    pub(crate) now: Timestamp,
    /// The instant as `as_of_format` states it, for the formats with a field for it.
    pub(crate) as_of: AsOfText,
    /// The name of the encoding, for the formats that declare it.
    pub(crate) charset: String,
    /// The decimal mark of numbers, for the formats that declare it.
    pub(crate) decimal: char,
    pub(crate) list: ListShape,
    /// Further values of a JSON document, by their pointers.
    pub(crate) members: Vec<(String, Node)>,
}

/// A written instant.
#[derive(Debug, Clone)]
pub(crate) struct AsOfText {
    pub(crate) text: String,
    /// Whether JSON has it as a number.
    pub(crate) is_number: bool,
}

/// The shape of the list of a JSON document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ListShape {
    #[default]
    List,
    /// The first item without a list, as some servers send a single item.
    FirstItem,
    /// An object with the keys `0`, `1`, …, as PHP writes an array whose keys have a gap.
    PhpMap,
}

/// One product.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) product_id: String,
    pub(crate) quantity: Cell,
    /// A field that no feed reads.
    pub(crate) title: Cell,
    /// Another one, which only a fault writes.
    pub(crate) price: Option<Cell>,
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    /// A number in decimal digits, with a point as its decimal mark.
    Number(String),
    /// JSON as it is written; in other formats a text.
    Raw(String),
}

impl Cell {
    /// The value as a text.
    pub(crate) fn as_text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Raw(text) => text,
        }
    }
}

/// Returns the default name of a field that is not read, unless another field has this name.
fn unused_name<'n>(name: &'n str, used: &[&str]) -> Option<&'n str> {
    let is_used = used
        .iter()
        .any(|used| used.trim_start_matches(['/', '@']) == name);
    (!is_used).then_some(name)
}

#[cfg(test)]
mod tests;
