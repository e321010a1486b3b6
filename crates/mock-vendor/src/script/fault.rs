//! Faults of scripted vendors.

use serde::Deserialize;

use super::pages::Pages;
use super::transport::{FILE_SERVERS, FILES, SERVERS, TransportName};
use crate::format::{Cell, Format, ListShape, Node, Report};

/// A fault of a step. Those that concern a document are written by each transport.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// This quantity of one product, the first unless named. A text is written as a text.
    Quantity {
        value: Quantity,
        product: Option<String>,
    },
    /// The quantity of one product as it is written: `null`, `1e999`.
    RawQuantity {
        value: String,
        product: Option<String>,
    },
    /// The first product is in two rows.
    Duplicate {},
    /// This share of the products, from 0 to 1, is missing from the end of the report.
    Drop { share: f64 },
    /// The first item in place of the list.
    Object {},
    /// An object with the keys `0`, `1`, … in place of the list.
    PhpMap {},
    /// Half a surrogate pair in the title of the first product.
    LoneSurrogate {},
    /// `1e999` in a field that no feed reads.
    HugeNumber {},
    /// A byte order mark in UTF-8.
    Bom {},
    /// The title of the first product is in ISO 8859-1, the document in UTF-8.
    InvalidByte {},
    /// A notice of PHP before the document.
    PhpNotice {},
    /// An HTML page in place of the document.
    Html {},
    /// A JSON object with an error in place of the document.
    ErrorObject {},
    /// This text in place of the document.
    Body { body: String },
    /// The first half of the document. Over HTTP the connection is closed then; a file has no more.
    Truncate {},
    /// A status without a report; 206 has the first half of it.
    Status { status: u16 },
    /// A status with `Retry-After`: seconds, a date, or an invalid value.
    RetryAfter {
        #[serde(default = "too_many_requests")]
        status: u16,
        value: String,
    },
    /// A redirect to this URL.
    Redirect {
        #[serde(default = "moved_permanently")]
        status: u16,
        to: String,
    },
    /// A delay of the response.
    Delay { ms: u64 },
    /// A body in pieces of this size, with a pause before each.
    Slow {
        #[serde(default = "piece")]
        bytes: usize,
        ms: u64,
    },
    /// The first half of the body, and then nothing.
    Stall {},
    /// No response.
    Hang {},
    /// A `Content-Length` that differs from the length by this number of bytes.
    ContentLength { add: i64 },
    /// Each page links to itself.
    SamePage {},
    /// The total is larger by 1 on all pages but the first.
    ChangedTotal {},
    /// Each page that has a next one lacks its last item.
    ShortPage {},
    /// A file that is written slowly under its name with `.part`, and renamed at the end.
    Part { ms: u64 },
    /// A file that is written slowly under its name.
    Growing { ms: u64 },
    /// A file without content.
    Empty {},
    /// The connection ends after the first half of a file.
    Cut {},
    /// No login is accepted.
    RefuseLogin {},
}

/// A quantity of a script.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Quantity {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Quantity {
    fn cell(&self) -> Cell {
        match self {
            Self::Integer(number) => Cell::Number(number.to_string()),
            // With a fraction, also if it is 0.
            Self::Float(number) => Cell::Number(format!("{number:?}")),
            Self::Text(text) => Cell::Text(text.clone()),
        }
    }
}

fn too_many_requests() -> u16 {
    429
}

fn moved_permanently() -> u16 {
    301
}

fn piece() -> usize {
    16
}

/// The kind of a vendor, for [`Fault::problem`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct VendorKind<'v> {
    pub(crate) transport: TransportName,
    pub(crate) pages: Option<&'v Pages>,
    pub(crate) is_utf8: bool,
    pub(crate) format: &'v Format,
}

impl Fault {
    /// Why a vendor cannot have this fault.
    pub(crate) fn problem(&self, vendor: VendorKind<'_>) -> Option<String> {
        let format = vendor.format;
        let (is_possible, needed) = match self {
            Self::Object {} | Self::PhpMap {} => (format.is_json(), "format.type = \"json\""),
            Self::LoneSurrogate {} | Self::HugeNumber {} => (
                format.has_json_items(),
                "format.type = \"json\" or \"ndjson\"",
            ),
            Self::Bom {} | Self::InvalidByte {} => {
                (format.is_text() && vendor.is_utf8, "a text in UTF-8")
            }
            Self::PhpNotice {} => (format.is_text(), "a text"),
            Self::Status { status } => ((200..1000).contains(status), "a status from 200 to 999"),
            Self::RetryAfter { status, value } => (
                (200..1000).contains(status) && !value.contains(char::is_control),
                "a status from 200 to 999 and a value on one line",
            ),
            Self::Redirect { status, to } => (
                (300..400).contains(status) && !to.contains(char::is_control),
                "a status from 300 to 399 and a URL",
            ),
            Self::Slow { bytes, .. } => (*bytes > 0, "bytes above 0"),
            Self::Drop { share } => ((0.0..=1.0).contains(share), "a share from 0 to 1"),
            Self::SamePage {} => (
                vendor.pages.is_some_and(Pages::has_links),
                "pages with links or cursors",
            ),
            Self::ShortPage {} => (vendor.pages.is_some(), "pages"),
            Self::ChangedTotal {} => (
                vendor.pages.is_some_and(Pages::has_total),
                "pages with a total",
            ),
            _ => (true, ""),
        };
        if !is_possible {
            return Some(format!("the fault needs {needed}"));
        }
        let transports = self.transports()?;
        let is_possible = transports.contains(&vendor.transport);
        (!is_possible).then(|| format!("the fault needs {}", TransportName::one_of(transports)))
    }

    /// The transports that have this fault; `None` if all have it.
    fn transports(&self) -> Option<&'static [TransportName]> {
        const HTTP: &[TransportName] = &[TransportName::Http];
        match self {
            Self::Status { .. }
            | Self::RetryAfter { .. }
            | Self::Redirect { .. }
            | Self::ContentLength { .. } => Some(HTTP),
            Self::Delay { .. } | Self::Slow { .. } | Self::Stall {} | Self::Hang {} => {
                Some(SERVERS)
            }
            Self::Part { .. } | Self::Growing { .. } | Self::Empty {} => Some(FILES),
            Self::Cut {} | Self::RefuseLogin {} => Some(FILE_SERVERS),
            _ => None,
        }
    }

    /// Changes the content of a document.
    pub(crate) fn change(&self, report: &mut Report) -> Result<(), String> {
        match self {
            Self::Quantity { value, product } => {
                let cell = value.cell();
                set_quantity(report, product.as_deref(), cell)
            }
            Self::RawQuantity { value, product } => {
                Node::raw(value)?;
                set_quantity(report, product.as_deref(), Cell::Raw(value.clone()))
            }
            Self::Duplicate {} => {
                let first = report.rows.first().ok_or("the fault needs a product")?;
                report.rows.insert(1, first.clone());
                Ok(())
            }
            Self::Object {} => {
                report.list = ListShape::FirstItem;
                Ok(())
            }
            Self::PhpMap {} => {
                report.list = ListShape::PhpMap;
                Ok(())
            }
            Self::LoneSurrogate {} => {
                let first = report.rows.first_mut().ok_or("the fault needs a product")?;
                first.title = Cell::Raw(r#""half of \ud83d""#.to_owned());
                Ok(())
            }
            Self::HugeNumber {} => {
                let first = report.rows.first_mut().ok_or("the fault needs a product")?;
                first.price = Some(Cell::Raw("1e999".to_owned()));
                Ok(())
            }
            Self::InvalidByte {} => {
                let first = report.rows.first_mut().ok_or("the fault needs a product")?;
                first.title = Cell::Text("Größe M".to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The text in place of the document.
    pub(crate) fn replacement(&self) -> Option<&str> {
        match self {
            Self::Html {} => Some(
                "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Your session has expired.</body></html>\n",
            ),
            Self::ErrorObject {} => {
                Some(r#"{"error":{"code":"rate_limited","message":"Too many requests"}}"#)
            }
            Self::Body { body } => Some(body),
            _ => None,
        }
    }

    /// The text before the document.
    pub(crate) fn prefix(&self) -> &'static str {
        match self {
            Self::Bom {} => "\u{feff}",
            Self::PhpNotice {} => {
                "<br />\n<b>Notice</b>:  Undefined index: stock in <b>/var/www/export.php</b> on line <b>12</b><br />\n"
            }
            _ => "",
        }
    }

    /// The number of products that are left of `count`.
    pub(crate) fn left_of(&self, count: usize) -> usize {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a count of products, from 0 to the count"
            )]
            Self::Drop { share } => (count as f64 * (1.0 - share)).round() as usize,
            _ => count,
        }
    }
}

fn set_quantity(report: &mut Report, product: Option<&str>, cell: Cell) -> Result<(), String> {
    let mut rows = report.rows.iter_mut();
    let row = match product {
        None => rows.next(),
        Some(product) => rows.find(|row| row.product_id == product),
    };
    match (row, product) {
        (Some(row), _) => row.quantity = cell,
        (None, None) => return Err("the fault needs a product".to_owned()),
        // The product may be on another page.
        (None, Some(_)) => {}
    }
    Ok(())
}
