//! Applies the field mapping and the rules to records. A value that they do not cover refuses the whole report: a guess could
//! sell stock that does not exist.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;

use domain::identifiers::ProductId;
use domain::stock::MAX_REPORTED;

use crate::number::{Decimal, Notation};
use crate::options::{Column, Duplicates, FieldOptions, Fraction, Negative, RuleOptions};
use crate::record::{Place, Record, RecordSink, Value};
use crate::refusal::Refusals;

/// Why the records of a document are not a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Some records are not covered by the rules.
    Records(Refusals),
    /// The document has more records than `rules.max_rows`.
    TooMany(u64),
}

/// Collects the quantities by product.
#[derive(Debug)]
pub(crate) struct Rules<'o> {
    fields: &'o FieldOptions,
    options: &'o RuleOptions,
    names: FieldNames,
    quantities: BTreeMap<ProductId, u32>,
    refusals: Refusals,
    records: u64,
    is_over_limit: bool,
}

/// How messages name the fields.
#[derive(Debug)]
struct FieldNames {
    product_id: String,
    quantities: Vec<String>,
}

/// Why a value is refused.
struct Invalid {
    value: Option<String>,
    rule: String,
}

impl<'o> Rules<'o> {
    pub(crate) fn new(fields: &'o FieldOptions, options: &'o RuleOptions) -> Self {
        let name = |column: &Column| match column {
            Column::Name(name) => name.clone(),
            Column::Number(number) => format!("column {number}"),
        };
        Self {
            fields,
            options,
            names: FieldNames {
                product_id: name(&fields.product_id.column),
                quantities: fields.quantity.columns.iter().map(name).collect(),
            },
            quantities: BTreeMap::new(),
            refusals: Refusals::default(),
            records: 0,
            is_over_limit: false,
        }
    }

    /// The quantities by product, each from 0 to [`MAX_REPORTED`], if no record was refused.
    pub(crate) fn finish(self) -> Result<BTreeMap<ProductId, u32>, Refused> {
        match self.options.max_rows {
            Some(max_rows) if self.is_over_limit => Err(Refused::TooMany(max_rows)),
            _ if self.refusals.count() > 0 => Err(Refused::Records(self.refusals)),
            _ => Ok(self.quantities),
        }
    }

    fn product_id(&self, value: &Value<'_>) -> Result<ProductId, Invalid> {
        let field = &self.fields.product_id;
        let text = match value {
            Value::Text(text) if field.trim => text.trim(),
            Value::Text(text) => text,
            Value::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
            other => return Err(invalid(other, "expected a text or an integer")),
        };
        ProductId::parse(format!("{}{text}", field.prefix)).map_err(|error| {
            let hint = if text.trim() == text {
                ""
            } else {
                " (fields.product_id.trim = true removes it)"
            };
            invalid(value, format!("a product id {error}{hint}"))
        })
    }

    fn quantity(&self, value: &Value<'_>) -> Result<u32, Invalid> {
        let field = &self.fields.quantity;
        let decimal = match value {
            Value::Number(digits) => Notation::TYPED.parse(digits),
            Value::Text(text) => {
                let text = if field.trim { text.trim() } else { text };
                if let Some(&units) = field.words.get(text) {
                    return Ok(units);
                }
                let notation = Notation {
                    decimal: field.decimal,
                    thousands: field.thousands,
                };
                notation.parse(text)
            }
            Value::Missing | Value::Other(_) => None,
        };
        let Some(decimal) = decimal else {
            return Err(invalid(value, not_a_number(value)));
        };
        self.units(decimal).map_err(|rule| invalid(value, rule))
    }

    fn units(&self, decimal: Decimal) -> Result<u32, String> {
        if decimal.is_negative {
            return match self.options.negative {
                Negative::Zero => Ok(0),
                Negative::Error => {
                    Err("below 0 (rules.negative = \"zero\" would read it as 0)".to_owned())
                }
            };
        }
        if decimal.has_fraction && self.options.fraction == Fraction::Error {
            return Err(
                "not an integer (rules.fraction = \"floor\" would round it down)".to_owned(),
            );
        }
        u32::try_from(decimal.whole)
            .ok()
            .filter(|&units| units <= MAX_REPORTED)
            .ok_or_else(too_many_units)
    }

    /// Reads a record. The error names the field.
    fn read(&self, record: &Record<'_>) -> Result<(ProductId, u32), (&str, Invalid)> {
        let product_id = self
            .product_id(&record.product_id)
            .map_err(|invalid| (self.names.product_id.as_str(), invalid))?;
        let mut sum = 0;
        for (value, name) in record.quantities.iter().zip(&self.names.quantities) {
            let units = self
                .quantity(value)
                .map_err(|invalid| (name.as_str(), invalid))?;
            sum =
                add(sum, units).ok_or_else(|| (name.as_str(), invalid(value, too_many_units())))?;
        }
        Ok((product_id, sum))
    }

    /// Adds a product. The error is the rule that a second record violates.
    fn insert(&mut self, product_id: ProductId, units: u32) -> Result<(), String> {
        match self.quantities.entry(product_id) {
            Entry::Vacant(entry) => {
                entry.insert(units);
            }
            Entry::Occupied(mut entry) => match self.options.duplicates {
                Duplicates::Error => {
                    return Err(
                        "listed twice (rules.duplicates = \"sum\" would add the quantities, \"last\" would take the last)"
                            .to_owned(),
                    );
                }
                Duplicates::Sum => {
                    let sum = add(*entry.get(), units).ok_or_else(too_many_units)?;
                    entry.insert(sum);
                }
                Duplicates::Last => {
                    entry.insert(units);
                }
            },
        }
        Ok(())
    }

    fn refuse(&mut self, place: Place, column: &str, invalid: Invalid) {
        let Invalid { value, rule } = invalid;
        self.refusals.push(place, column, value.as_deref(), rule);
    }
}

impl RecordSink for Rules<'_> {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        self.records += 1;
        if self.options.max_rows.is_some_and(|max| self.records > max) {
            self.is_over_limit = true;
            return ControlFlow::Break(());
        }
        let refusal = match self.read(record) {
            Ok((product_id, units)) => self.insert(product_id, units).err().map(|rule| {
                let column = self.names.product_id.clone();
                (column, invalid(&record.product_id, rule))
            }),
            Err((column, invalid)) => Some((column.to_owned(), invalid)),
        };
        if let Some((column, invalid)) = refusal {
            self.refuse(record.place, &column, invalid);
        }
        ControlFlow::Continue(())
    }
}

fn invalid(value: &Value<'_>, rule: impl Into<String>) -> Invalid {
    let value = match value {
        Value::Missing => None,
        Value::Text(text) => Some(format!("{text:?}")),
        Value::Number(shown) | Value::Other(shown) => Some(shown.clone().into_owned()),
    };
    Invalid {
        value,
        rule: rule.into(),
    }
}

fn not_a_number(value: &Value<'_>) -> &'static str {
    match value {
        Value::Text(text) if text.trim() != text => {
            "which is not a number (fields.quantity.trim = true removes white space at the ends)"
        }
        Value::Text(text) if text.contains([',', '.', '\'', '\u{a0}', '\u{202f}']) => {
            "which is not a number (fields.quantity.decimal and .thousands state how numbers are written)"
        }
        Value::Text(_) => "which is not a number (fields.quantity.words can state what it means)",
        _ => "expected a number",
    }
}

fn add(sum: u32, units: u32) -> Option<u32> {
    sum.checked_add(units).filter(|&sum| sum <= MAX_REPORTED)
}

fn too_many_units() -> String {
    format!("more than {MAX_REPORTED} units")
}

#[cfg(test)]
mod tests;
