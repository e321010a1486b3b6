//! One line item while its segments are read.

use std::ops::ControlFlow;

use super::malformed;
use crate::format::FormatError;
use crate::options::{Column, FieldOptions};
use crate::record::{Place, Record, RecordSink, Unit, Value};

/// Maximum number of quantities of a line: more are not possible in EDIFACT (INVRPT, segment group 11: C 9999).
const MAX_QUANTITIES: usize = 9_999;

/// The wanted codes.
#[derive(Debug)]
pub(super) struct Codes {
    product_id: String,
    quantities: Vec<String>,
}

impl Codes {
    /// The error is a one-line description of the invalid option.
    pub(super) fn new(fields: &FieldOptions) -> Result<Self, String> {
        let quantities = fields.quantity.columns.iter();
        Ok(Self {
            product_id: code("fields.product_id", "SK", &fields.product_id.column)?,
            quantities: quantities
                .map(|column| code("fields.quantity", "33", column))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A code. EDI has no column numbers, so that the number 33 is the code `33`.
fn code(setting: &str, example: &str, column: &Column) -> Result<String, String> {
    let code = match column {
        Column::Name(code) => code.clone(),
        Column::Number(number) => number.to_string(),
    };
    let is_code = (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_code {
        Ok(code)
    } else {
        Err(format!(
            "{setting} is {code:?}, expected a code of up to three characters such as {example:?}"
        ))
    }
}

/// A line item.
#[derive(Debug)]
pub(super) struct Line<'c> {
    codes: &'c Codes,
    /// The number of its first segment.
    segment: u64,
    product_id: Value<'static>,
    /// For each wanted code, its quantities.
    quantities: Vec<Vec<Value<'static>>>,
    /// Number of all its quantities, wanted or not.
    count: usize,
}

impl<'c> Line<'c> {
    pub(super) fn new(codes: &'c Codes, segment: u64) -> Self {
        Self {
            codes,
            segment,
            product_id: Value::Missing,
            quantities: vec![Vec::new(); codes.quantities.len()],
            count: 0,
        }
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

    /// A quantity. `value` is called only if it is wanted.
    pub(super) fn add_quantity(
        &mut self,
        segment: u64,
        code: &str,
        value: impl Fn() -> Value<'static>,
    ) -> Result<(), FormatError> {
        self.count += 1;
        if self.count > MAX_QUANTITIES {
            return Err(malformed(
                segment,
                format_args!("more than {MAX_QUANTITIES} quantities of one line"),
            ));
        }
        for (wanted, values) in self.codes.quantities.iter().zip(&mut self.quantities) {
            if wanted == code {
                values.push(value());
            }
        }
        Ok(())
    }

    /// Passes the records on: one for each quantity of a code, at least one.
    pub(super) fn finish(self, records: &mut dyn RecordSink) -> ControlFlow<()> {
        let count = self.quantities.iter().map(Vec::len).max();
        let mut quantities: Vec<_> = self.quantities.into_iter().map(Vec::into_iter).collect();
        for _ in 0..count.unwrap_or_default().max(1) {
            let values: Vec<Value<'_>> = quantities
                .iter_mut()
                .map(|values| values.next().unwrap_or(Value::Missing))
                .collect();
            records.take(&Record {
                place: Place {
                    unit: Unit::Segment,
                    number: self.segment,
                },
                product_id: self.product_id.clone(),
                quantities: &values,
            })?;
        }
        ControlFlow::Continue(())
    }
}

/// The value of a number with one of these decimal marks. A text that could be a number with another mark is none, so that no
/// later step reads it in its own way.
pub(super) fn number(text: &str, marks: &[u8]) -> Value<'static> {
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
    if is_number {
        Value::Number(text.replace(',', ".").into())
    } else if text.contains(['.', ',']) {
        Value::Other(text.to_owned().into())
    } else {
        Value::Text(text.to_owned().into())
    }
}
