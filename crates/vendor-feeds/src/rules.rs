//! Applies the field mapping and the rules to records. A value that they do not cover refuses the whole report: a guess could
//! sell stock that does not exist.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter;
use std::ops::ControlFlow;

use domain::identifiers::ProductId;
use domain::refusal::{Refusal, Refusals};
use domain::stock::MAX_REPORTED;

use crate::excerpt::excerpt;
use crate::number::{Decimal, Notation};
use crate::options::{Column, Duplicates, FieldOptions, Fraction, Negative, RuleOptions};
use crate::record::{Place, Record, RecordSink, Value};
use crate::sample::{SampledField, SampledRecord};

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
    /// Number of the page that the records are of.
    page: Option<u64>,
    tally: Tally,
}

/// The records of a report so far, over all pages that were read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    quantities: BTreeMap<ProductId, u32>,
    refusals: Refusals,
    records: u64,
    is_over_limit: bool,
}

impl Tally {
    /// Number of records.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The quantities by product, each from 0 to [`MAX_REPORTED`].
    pub(crate) fn into_quantities(self) -> BTreeMap<ProductId, u32> {
        self.quantities
    }
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
    #[cfg(test)]
    pub(crate) fn new(fields: &'o FieldOptions, options: &'o RuleOptions) -> Self {
        Self::resume(fields, options, Tally::default(), None)
    }

    /// Adds the records of another document, or of the page with this number, to those of `tally`.
    pub(crate) fn resume(
        fields: &'o FieldOptions,
        options: &'o RuleOptions,
        tally: Tally,
        page: Option<u64>,
    ) -> Self {
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
            page,
            tally,
        }
    }

    /// Number of records so far.
    pub(crate) fn records(&self) -> u64 {
        self.tally.records
    }

    /// The records so far, if none was refused.
    pub(crate) fn into_tally(self) -> Result<Tally, Refused> {
        match self.options.max_rows {
            Some(max_rows) if self.tally.is_over_limit => Err(Refused::TooMany(max_rows)),
            _ if self.tally.refusals.count() > 0 => Err(Refused::Records(self.tally.refusals)),
            _ => Ok(self.tally),
        }
    }

    #[cfg(test)]
    pub(crate) fn finish(self) -> Result<BTreeMap<ProductId, u32>, Refused> {
        self.into_tally().map(Tally::into_quantities)
    }

    fn product_id(&self, value: &Value<'_>) -> Result<ProductId, Invalid> {
        let field = &self.fields.product_id;
        let text = match value {
            Value::Text(text) if field.trim => text.trim(),
            Value::Text(text) => text,
            Value::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
            other => return Err(invalid(other, "expected a text or an integer")),
        };
        ProductId::parse([&field.prefix, text].concat()).map_err(|error| {
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

    /// The fields of a record and what is read from them, for a sample. The record is not added.
    pub(crate) fn sample(&self, record: &Record<'_>) -> SampledRecord {
        let columns = iter::once(&self.names.product_id).chain(&self.names.quantities);
        let values = iter::once(&record.product_id).chain(record.quantities);
        let fields = columns.zip(values).map(|(column, value)| SampledField {
            column: excerpt(column),
            value: shown(value).as_deref().map(excerpt),
        });
        SampledRecord {
            place: place_on(self.page, record.place),
            fields: fields.collect(),
            read: self.read(record).ok(),
        }
    }

    /// Adds a product. The error is the rule that a second record violates.
    fn insert(&mut self, product_id: ProductId, units: u32) -> Result<(), String> {
        match self.tally.quantities.entry(product_id) {
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
        let page = self.page;
        self.tally.refusals.add(|| Refusal {
            place: place_on(page, place),
            column: excerpt(column),
            value: value.as_deref().map(excerpt),
            rule,
        });
    }
}

/// The place of a record, on its page if the report has several.
fn place_on(page: Option<u64>, place: Place) -> String {
    match page {
        Some(page) => format!("page {page}, {place}"),
        None => place.to_string(),
    }
}

impl RecordSink for Rules<'_> {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        let tally = &mut self.tally;
        tally.records += 1;
        if self.options.max_rows.is_some_and(|max| tally.records > max) {
            tally.is_over_limit = true;
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
    Invalid {
        value: shown(value),
        rule: rule.into(),
    }
}

/// A value in messages; `None` if the record does not have it.
fn shown(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Missing => None,
        Value::Text(text) => Some(format!("{text:?}")),
        Value::Number(shown) | Value::Other(shown) => Some(shown.clone().into_owned()),
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
