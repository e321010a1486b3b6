//! Records: what each format reads from a document, and what the field mapping and the rules are applied to. Nothing here
//! knows a format, and nothing here decides what a value means.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

/// Position of a record in its document, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The unit that the format counts.
    pub(crate) unit: Unit,
    /// Its number, from 1.
    pub(crate) number: u64,
}

/// A unit that a format counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// An item of a JSON list, an XML element of the list.
    Item,
    /// A line of a text file.
    Line,
    /// A row of a spreadsheet, as its program shows it.
    Row,
    /// A segment of an EDI interchange.
    Segment,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Item => "item",
            Unit::Line => "line",
            Unit::Row => "row",
            Unit::Segment => "segment",
        };
        write!(f, "{unit} {}", self.number)
    }
}

/// The value of a field as the document has it. Formats do not convert values: a text that looks like a number is text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value<'a> {
    /// The record does not have the field.
    Missing,
    /// A number by its type in the document (a JSON number, a number cell), in decimal digits with `.` as the decimal mark
    /// and without an exponent where it is an integer.
    Number(Cow<'a, str>),
    /// A text.
    Text(Cow<'a, str>),
    /// Anything else, as the document shows it: `null`, `true`, an object, an error cell, a formula without a value.
    Other(Cow<'a, str>),
}

impl Value<'_> {
    /// The same value, without a copy of its text.
    pub(crate) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Number(digits) => Value::Number(Cow::Borrowed(digits)),
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Other(shown) => Value::Other(Cow::Borrowed(shown)),
        }
    }

    /// The value without a reference to its document.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Missing => Value::Missing,
            Self::Number(digits) => Value::Number(digits.into_owned().into()),
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::Other(shown) => Value::Other(shown.into_owned().into()),
        }
    }
}

/// A field in which a document states something about the pages of its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageField {
    /// The link or the cursor of the next page.
    Next,
    /// The number of records on all pages.
    Total,
}

impl PageField {
    /// The setting that names the field.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Next => "source.pages.next",
            Self::Total => "source.pages.total",
        }
    }
}

/// One product of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Where the record is.
    pub(crate) place: Place,
    /// The field of the product id.
    pub(crate) product_id: Value<'a>,
    /// The fields of the quantity, in the order of the setting; one or more.
    pub(crate) quantities: &'a [Value<'a>],
}

/// Receives the records of a document in their order.
pub(crate) trait RecordSink {
    /// Takes one record. `Break` means that the sink takes no more: the format MUST return at once.
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()>;

    /// Takes what the document states about its pages. A format that was created with such fields calls it once for each,
    /// after the last record.
    fn state(&mut self, _field: PageField, _value: Value<'_>) {}
}
