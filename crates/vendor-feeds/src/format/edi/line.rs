//! One line item while its segments are read.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::malformed;
use crate::excerpt::excerpt;
use crate::format::FormatError;
use crate::options::{Column, FieldOptions};
use crate::record::{Place, Record, RecordSink, Unit, Value};

/// Maximum number of quantities of a line: more are not possible in EDIFACT (INVRPT, segment group 11: C 9999).
const MAX_QUANTITIES: usize = 9_999;

/// The units of measure that are one piece: each (X12 355, UN/ECE Recommendation 20), piece (EANCOM, Recommendation 20), one.
const PIECES: [&str; 4] = ["EA", "PCE", "H87", "C62"];

/// The wanted codes.
#[derive(Debug)]
pub(super) struct Codes {
    product_id: String,
    quantities: Vec<String>,
    /// Units of measure that count as a piece, in addition to [`PIECES`].
    units: Vec<String>,
}

impl Codes {
    /// The error is a one-line description of the invalid option.
    pub(super) fn new(fields: &FieldOptions, units: &[String]) -> Result<Self, String> {
        let mut quantities = Vec::new();
        for column in &fields.quantity.columns {
            let code = code("fields.quantity", "33", column)?;
            if quantities.contains(&code) {
                return Err(format!(
                    "fields.quantity has the code {code:?} twice: its units would be added twice"
                ));
            }
            quantities.push(code);
        }
        for unit in units {
            check_code("format.units", "CT", unit)?;
        }
        Ok(Self {
            product_id: code("fields.product_id", "SK", &fields.product_id.column)?,
            quantities,
            units: units.to_vec(),
        })
    }

    fn accepts_unit(&self, unit: &str) -> bool {
        unit.is_empty() || PIECES.contains(&unit) || self.units.iter().any(|other| other == unit)
    }
}

/// A code. EDI has no column numbers, so that the number 33 is the code `33`.
fn code(setting: &str, example: &str, column: &Column) -> Result<String, String> {
    let code = match column {
        Column::Name(code) => code.clone(),
        Column::Number(number) => number.to_string(),
    };
    check_code(setting, example, &code)?;
    Ok(code)
}

pub(super) fn check_code(setting: &str, example: &str, code: &str) -> Result<(), String> {
    let is_code = (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_code {
        Ok(())
    } else {
        Err(format!(
            "{setting} is {code:?}, expected a code of up to three characters such as {example:?}"
        ))
    }
}

/// A quantity as a segment states it.
pub(super) struct Quantity<'s> {
    pub(super) code: &'s str,
    pub(super) number: &'s str,
    /// The unit of measure; empty if there is none.
    pub(super) unit: &'s str,
}

/// A line item. One value is used for all lines of a document.
#[derive(Debug)]
pub(super) struct Line<'c> {
    codes: &'c Codes,
    is_open: bool,
    /// The number of its first segment.
    segment: u64,
    product_id: Value<'static>,
    /// For each wanted code, its quantities.
    quantities: Vec<Vec<Value<'static>>>,
    /// The wanted code of the last quantity, if it has one.
    last: Option<usize>,
    /// Number of all its quantities, wanted or not.
    count: usize,
}

impl<'c> Line<'c> {
    pub(super) fn new(codes: &'c Codes) -> Self {
        Self {
            codes,
            is_open: false,
            segment: 0,
            product_id: Value::Missing,
            quantities: vec![Vec::new(); codes.quantities.len()],
            last: None,
            count: 0,
        }
    }

    /// Begins the line whose first segment has this number.
    pub(super) fn begin(&mut self, segment: u64) {
        self.is_open = true;
        self.segment = segment;
        self.product_id = Value::Missing;
        self.quantities.iter_mut().for_each(Vec::clear);
        self.last = None;
        self.count = 0;
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// An id of the product.
    pub(super) fn add_id(&mut self, qualifier: &str, id: &str) {
        if qualifier == self.codes.product_id {
            self.product_id = match self.product_id {
                Value::Missing => Value::Text(id.to_owned().into()),
                _ => Value::Other("there more than once".into()),
            };
        }
    }

    /// States why the id of this qualifier is none.
    pub(super) fn refuse_id(&mut self, qualifier: &str, problem: &str) {
        if qualifier == self.codes.product_id {
            refuse(&mut self.product_id, problem);
        }
    }

    /// A quantity. `marks` are the decimal marks.
    pub(super) fn add_quantity(
        &mut self,
        segment: u64,
        quantity: &Quantity<'_>,
        marks: &[u8],
    ) -> Result<(), FormatError> {
        self.count += 1;
        if self.count > MAX_QUANTITIES {
            let problem = format!("more than {MAX_QUANTITIES} quantities of one line");
            return Err(malformed(segment, problem));
        }
        let mut codes = self.codes.quantities.iter();
        self.last = codes.position(|code| code == quantity.code);
        if let Some(wanted) = self.last {
            self.quantities[wanted].push(number(quantity.number, marks));
            if !self.codes.accepts_unit(quantity.unit) {
                let unit = excerpt(quantity.unit);
                self.refuse_last(&format!("of the unit {unit}, which is not in format.units"));
            }
        }
        Ok(())
    }

    /// States why the last quantity is not a count of units.
    pub(super) fn refuse_last(&mut self, problem: &str) {
        let last = self
            .last
            .and_then(|wanted| self.quantities[wanted].last_mut());
        if let Some(value) = last {
            refuse(value, problem);
        }
    }

    /// Ends the line, if it is open, and passes its records on: one for each quantity of a code, at least one.
    pub(super) fn end(&mut self, records: &mut dyn RecordSink) -> ControlFlow<()> {
        if !std::mem::take(&mut self.is_open) {
            return ControlFlow::Continue(());
        }
        let count = self.quantities.iter().map(Vec::len).max();
        let mut values = Vec::with_capacity(self.quantities.len());
        for index in 0..count.unwrap_or_default().max(1) {
            values.clear();
            values.extend(
                self.quantities
                    .iter()
                    .map(|of_code| of_code.get(index).map_or(Value::Missing, Value::borrowed)),
            );
            records.take(&Record {
                place: Place {
                    unit: Unit::Segment,
                    number: self.segment,
                },
                product_id: self.product_id.borrowed(),
                quantities: &values,
            })?;
        }
        ControlFlow::Continue(())
    }
}

fn refuse(value: &mut Value<'static>, problem: &str) {
    if let Value::Number(shown) | Value::Text(shown) | Value::Other(shown) = value {
        *value = Value::Other(format!("{shown} {problem}").into());
    }
}

/// The value of a number with one of these decimal marks. A text that could be a number with another mark is none, so that no
/// later step reads it in its own way.
fn number(text: &str, marks: &[u8]) -> Value<'static> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mark = digits.bytes().position(|byte| !byte.is_ascii_digit());
    let is_number = match mark {
        None => !digits.is_empty(),
        Some(mark) => {
            let fraction = &digits.as_bytes()[mark + 1..];
            let is_mark = marks.contains(&digits.as_bytes()[mark]);
            mark > 0 && is_mark && !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit)
        }
    };
    let shown = Cow::Owned(text.to_owned());
    if is_number && mark.is_none() {
        Value::Number(shown)
    } else if is_number {
        Value::Number(text.replace(',', ".").into())
    } else if text.contains(['.', ',']) {
        Value::Other(shown)
    } else {
        Value::Text(shown)
    }
}
