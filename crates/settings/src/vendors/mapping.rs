//! `[vendors.fields]`: which fields of a record are the product id and the quantity.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use feed_options::{Column, FieldOptions, ProductIdField, QuantityField};
use jsonptr::PointerBuf;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::format::{CODE, FormatType, is_code};
use super::{Problem, problem};
use crate::fields;

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct FieldsTable {
    #[serde(deserialize_with = "column_or_table")]
    product_id: ProductIdTable,
    #[serde(deserialize_with = "column_or_table")]
    quantity: QuantityTable,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
struct ProductIdTable {
    #[serde(deserialize_with = "column")]
    field: Option<Column>,
    #[serde(deserialize_with = "fields::boolean")]
    trim: bool,
    #[serde(deserialize_with = "fields::string")]
    prefix: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
struct QuantityTable {
    #[serde(deserialize_with = "column")]
    field: Option<Column>,
    sum: Option<Vec<Summand>>,
    words: BTreeMap<String, Units>,
    #[serde(deserialize_with = "mark")]
    decimal: Option<char>,
    #[serde(deserialize_with = "mark")]
    thousands: Option<char>,
    #[serde(deserialize_with = "fields::boolean")]
    trim: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct Summand(#[serde(deserialize_with = "column")] Option<Column>);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Units(#[serde(deserialize_with = "fields::integer::<_, _, 0, 2_147_483_647>")] u32);

/// The fields as the short forms and the format state them.
pub(super) struct Context<'t> {
    pub(super) kind: FormatType,
    /// Whether the product ids are the names of the items.
    pub(super) is_map: bool,
    pub(super) product_id: Option<&'t PointerBuf>,
    pub(super) quantity: Option<&'t PointerBuf>,
}

impl FieldsTable {
    pub(super) fn check(self, context: &Context<'_>) -> Result<FieldOptions, Problem> {
        Ok(FieldOptions {
            product_id: self.product_id.check(context)?,
            quantity: self.quantity.check(context)?,
        })
    }
}

impl ProductIdTable {
    fn check(self, context: &Context<'_>) -> Result<ProductIdField, Problem> {
        let field = one_form("product_id", self.field, context.product_id)?;
        let column = if context.is_map {
            if field.is_some() {
                let text = "is set, but format.items_are is map: the names of the items are the product ids";
                return Err(problem("fields.product_id", text));
            }
            // How messages name it.
            Column::Name("the name".to_owned())
        } else {
            context.checked("product_id", field, "/productId")?
        };
        Ok(ProductIdField {
            column,
            trim: self.trim,
            prefix: self.prefix,
        })
    }
}

impl QuantityTable {
    fn check(self, context: &Context<'_>) -> Result<QuantityField, Problem> {
        let field = one_form("quantity", self.field, context.quantity)?;
        let columns = match self.sum {
            None => {
                let default = if context.is_map { "" } else { "/quantity" };
                vec![context.checked("quantity", field, default)?]
            }
            Some(_) if field.is_some() => {
                let text = "is set, but another setting names the only field of the quantity";
                return Err(problem("fields.quantity.sum", text));
            }
            Some(sum) => context.checked_sum(sum.into_iter().filter_map(|summand| summand.0))?,
        };
        let decimal = self.decimal.unwrap_or('.');
        if self.thousands == Some(decimal) {
            let text =
                format!("is {decimal:?}, which is the decimal mark, expected another character");
            return Err(problem("fields.quantity.thousands", text));
        }
        let words = self.words.into_iter();
        Ok(QuantityField {
            columns,
            words: words.map(|(word, units)| (word, units.0)).collect(),
            decimal,
            thousands: self.thousands,
            trim: self.trim,
        })
    }
}

/// Returns the field of the table or of the short form.
fn one_form(
    name: &str,
    field: Option<Column>,
    short: Option<&PointerBuf>,
) -> Result<Option<Column>, Problem> {
    match (field, short) {
        (Some(_), Some(_)) => {
            let text = format!(
                "is the short form of fields.{name}, which is also set, expected one of the two"
            );
            Err(problem(format!("format.{name}"), text))
        }
        (field, short) => Ok(field.or_else(|| short.map(|short| Column::Name(short.to_string())))),
    }
}

impl Context<'_> {
    /// Returns the field, or its default in JSON.
    fn checked(&self, name: &str, field: Option<Column>, json: &str) -> Result<Column, Problem> {
        match field {
            Some(column) => {
                self.check_column(&format!("fields.{name}"), &column)?;
                Ok(column)
            }
            None if matches!(self.kind, FormatType::Json | FormatType::Ndjson) => {
                Ok(Column::Name(json.to_owned()))
            }
            None => {
                let kind = self.kind.name();
                let text =
                    format!("{name} is missing, which has no default if format.type is {kind:?}");
                Err(problem("fields", text))
            }
        }
    }

    fn checked_sum(&self, sum: impl Iterator<Item = Column>) -> Result<Vec<Column>, Problem> {
        let mut columns = Vec::new();
        for (index, column) in sum.enumerate() {
            let name = format!("fields.quantity.sum[{index}]");
            self.check_column(&name, &column)?;
            if columns.contains(&column) {
                return Err(problem(
                    name,
                    "is in the list already: its units would be added twice",
                ));
            }
            columns.push(column);
        }
        if columns.is_empty() {
            return Err(problem(
                "fields.quantity.sum",
                "is empty, expected one or more fields",
            ));
        }
        Ok(columns)
    }

    fn check_column(&self, name: &str, column: &Column) -> Result<(), Problem> {
        let expected = match (self.kind, column) {
            (FormatType::Json | FormatType::Ndjson, Column::Name(text)) => {
                let parsed = fields::parse_json_pointer(text);
                return parsed.map(drop).map_err(|text| problem(name, text));
            }
            (FormatType::Json | FormatType::Ndjson, Column::Number(_)) => {
                "a JSON pointer such as /quantity"
            }
            (FormatType::Xml, Column::Name(text)) if !text.is_empty() => return Ok(()),
            (FormatType::Xml, _) => "a path from the item, such as qty, stock/qty or @sku",
            (FormatType::Csv | FormatType::Xlsx, Column::Name(text)) if text.is_empty() => {
                "the name or the number of a column"
            }
            (FormatType::X12 | FormatType::Edifact, Column::Name(text)) if !is_code(text) => CODE,
            _ => return Ok(()),
        };
        let found = match column {
            Column::Name(text) => fields::quoted(text),
            Column::Number(number) => format!("the number {number}"),
        };
        Err(problem(name, format!("is {found}, expected {expected}")))
    }
}

/// A table that may be written as a column alone.
trait ColumnTable: for<'de> Deserialize<'de> {
    const EXPECTED: &'static str;

    fn of(column: Column) -> Self;
}

impl ColumnTable for ProductIdTable {
    const EXPECTED: &'static str =
        "the name or the number of a field, or a table with field, trim and prefix";

    fn of(column: Column) -> Self {
        Self {
            field: Some(column),
            ..Self::default()
        }
    }
}

impl ColumnTable for QuantityTable {
    const EXPECTED: &'static str = "the name or the number of a field, or a table with field or sum, words, decimal, thousands and trim";

    fn of(column: Column) -> Self {
        Self {
            field: Some(column),
            ..Self::default()
        }
    }
}

fn column_or_table<'de, D: Deserializer<'de>, T: ColumnTable>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct TableVisitor<T>(PhantomData<T>);

    impl<'de, T: ColumnTable> Visitor<'de> for TableVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            ColumnVisitor.visit_str(text).map(T::of)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            ColumnVisitor.visit_i64(number).map(T::of)
        }

        fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(table))
        }
    }

    deserializer.deserialize_any(TableVisitor(PhantomData))
}

pub(super) fn column<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Column>, D::Error> {
    deserializer.deserialize_any(ColumnVisitor).map(Some)
}

struct ColumnVisitor;

impl Visitor<'_> for ColumnVisitor {
    type Value = Column;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name or the number of a field")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Column, E> {
        Ok(Column::Name(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Column, E> {
        // The largest number is that of spreadsheet programs.
        let number = u32::try_from(number)
            .ok()
            .filter(|&number| number <= 16_384);
        number
            .and_then(NonZeroU32::new)
            .map(Column::Number)
            .ok_or_else(|| {
                E::custom("is not the number of a column, expected an integer from 1 to 16384")
            })
    }
}

fn mark<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<char>, D::Error> {
    let expected = "one character that is no letter, digit or sign";
    let is_valid =
        |char: char| !char.is_alphanumeric() && !char.is_control() && !"+-".contains(char);
    fields::character(deserializer, expected, is_valid).map(Some)
}
