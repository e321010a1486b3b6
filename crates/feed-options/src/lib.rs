//! The options of a vendor's feed that are plain values: its pages, its format, the fields of its records, and its rules. The settings
//! state them, and `vendor-feeds` reads reports by them; neither depends on the other.

mod pages;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub use pages::{PageKind, PageOptions, PageSize, PageTotal};

/// The treatment of a file once its report was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AfterRead {
    /// It stays.
    #[default]
    Leave,
    /// It is deleted.
    Delete,
    /// It is moved to the directory with this name, which is in the directory of the file.
    Move(String),
}

/// Rows of a table that are not records, such as a footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipRows {
    /// The column by which they are recognized.
    pub column: Column,
    /// Its texts in these rows, in which `*` is any text. White space at the ends of a field is ignored.
    pub values: Vec<String>,
}

/// The format of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatOptions {
    /// A JSON document (RFC 8259).
    Json(JsonOptions),
    /// One JSON object a line.
    Ndjson,
    /// Separated values (RFC 4180 and what programs write in its place).
    Csv(CsvOptions),
    /// An XML document.
    Xml(XmlOptions),
    /// An Office Open XML workbook.
    Xlsx(XlsxOptions),
    /// An X12 846 (Inventory Inquiry/Advice).
    X12(EdiOptions),
    /// An EDIFACT INVRPT (Inventory report).
    Edifact(EdiOptions),
}

/// Options of a JSON document. Pointers follow RFC 6901.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    /// Pointer to the items; empty for the document itself.
    pub items: String,
    /// The kind of value at `items`.
    pub items_are: JsonItems,
    /// The instant for which the report holds.
    pub as_of: Option<AsOfOptions>,
}

/// The kind of the items of a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonItems {
    /// The elements of a list.
    List,
    /// The values of an object.
    Values,
    /// The members of an object: the name is the product id, the value is the quantity.
    Map,
    /// The one object at the pointer is the only item.
    Single,
}

/// Options of separated values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// The separator of fields.
    pub delimiter: u8,
    /// The quotation mark.
    pub quote: u8,
    /// Where the names of the columns are.
    pub header: Header,
    /// Rows that are skipped.
    pub skip_rows: Option<SkipRows>,
}

/// Where the names of columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The first row is a record: columns have numbers only.
    None,
    /// In the row with this number, from 1; the rows above it are skipped. In a text file the lines are counted, except for a
    /// first line such as `sep=;`.
    Row(NonZeroU32),
}

/// Options of an XML document. Paths consist of element names separated by `/`; a name matches an element's local name, or its
/// namespace and local name in the form `{uri}local`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlOptions {
    /// Absolute path of the items.
    pub items: String,
    /// The instant for which the report holds; an absolute path, with `@name` as the last component for an attribute.
    pub as_of: Option<AsOfOptions>,
}

/// Options of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XlsxOptions {
    /// Name of the sheet. `None`: the only visible one.
    pub sheet: Option<String>,
    /// Where the names of the columns are.
    pub header: Header,
    /// Rows that are skipped.
    pub skip_rows: Option<SkipRows>,
}

/// Options of an EDI interchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdiOptions {
    /// The instant for which the report holds: the earliest of the messages, each of which must state it.
    pub as_of: Option<EdiAsOf>,
    /// Codes of units of measure that count as one piece, such as `CT`, in addition to `EA`, `PCE`, `H87`, `C62` and none.
    pub units: Vec<String>,
}

/// Which segment of the header of a message states the instant for which it holds. The segment also states how the instant is
/// written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdiAsOf {
    /// The qualifier of DTM, or `BIA` for BIA04 and BIA05 of an X12 846.
    pub code: String,
    /// Time zone of an instant that is written without an offset, by its name in the IANA database. `None`: such an instant is
    /// refused.
    pub zone: Option<String>,
}

/// Where the document states the instant for which it holds, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOfOptions {
    /// A JSON pointer or an XML path.
    pub field: String,
    /// How the instant is written.
    pub format: AsOfFormat,
    /// Time zone of an instant that is written without one, by its name in the IANA database. `None`: such an instant is
    /// refused.
    pub zone: Option<String>,
}

/// How an instant is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOfFormat {
    /// As in RFC 3339; the offset may also be `+0100`, or absent if the zone is set.
    Rfc3339,
    /// As in the `Date` field of HTTP (RFC 9110, 5.6.7).
    HttpDate,
    /// Seconds since 1970-01-01T00:00:00Z.
    Unix,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMs,
    /// A pattern of `strftime`.
    Pattern(String),
}

/// Which fields of a record are the product id and the quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOptions {
    /// The product id.
    pub product_id: ProductIdField,
    /// The quantity.
    pub quantity: QuantityField,
}

/// The field of the product id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductIdField {
    /// The field.
    pub column: Column,
    /// Whether white space at the ends is removed.
    pub trim: bool,
    /// Text that is put before each product id.
    pub prefix: String,
}

impl ProductIdField {
    /// The field as it is.
    #[must_use]
    pub fn new(column: Column) -> Self {
        Self {
            column,
            trim: false,
            prefix: String::new(),
        }
    }
}

/// The fields of the quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantityField {
    /// One field, or several whose quantities are added.
    pub columns: Vec<Column>,
    /// Quantities of texts that are not numbers, such as `yes` or `10+`. Compared exactly, after `trim`.
    pub words: BTreeMap<String, u32>,
    /// The decimal mark of texts.
    pub decimal: char,
    /// The mark between groups of three digits in texts; `None`: digits are not grouped.
    pub thousands: Option<char>,
    /// Whether white space at the ends of texts is removed.
    pub trim: bool,
}

impl QuantityField {
    /// One field with numbers such as `12` and `12.0`.
    #[must_use]
    pub fn new(column: Column) -> Self {
        Self {
            columns: vec![column],
            words: BTreeMap::new(),
            decimal: '.',
            thousands: None,
            trim: false,
        }
    }
}

/// Names a field of a record, in the way of its format: a column name, a JSON pointer, an XML path or `@attribute`, an EDI
/// qualifier; or the number of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By name.
    Name(String),
    /// By number, from 1.
    Number(NonZeroU32),
}

/// The meaning of values that are not a count of units. The default refuses all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleOptions {
    /// A second record of a product.
    pub duplicates: Duplicates,
    /// A quantity below 0.
    pub negative: Negative,
    /// A quantity that is not an integer.
    pub fraction: Fraction,
    /// Maximum number of records; `None` is no limit.
    pub max_rows: Option<u64>,
}

/// The meaning of a second record of a product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The report is refused.
    #[default]
    Error,
    /// The quantities are added: the records are of several warehouses.
    Sum,
    /// The last record is valid.
    Last,
}

/// The meaning of a quantity below 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Negative {
    /// The report is refused.
    #[default]
    Error,
    /// 0 units.
    Zero,
}

/// The meaning of a quantity that is not an integer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fraction {
    /// The report is refused.
    #[default]
    Error,
    /// The next smaller integer.
    Floor,
}
