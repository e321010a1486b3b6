//! The state of a scripted vendor at each request: the steps of the script, in their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::as_of::{AsOf, AsOfFormat, Zone};
use super::encoding::{Charset, Compression};
use super::fault::Fault;
use super::pages::Page;
use crate::format::{Cell, Format, ListShape, Report, Row, Written};

/// Units by product.
pub(crate) type Stock = Arc<[(String, i64)]>;

/// How quantities are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Numbers {
    /// Number of digits behind the decimal mark.
    decimals: u8,
    decimal: char,
    /// The mark between groups of three digits.
    thousands: Option<char>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            decimals: 0,
            decimal: '.',
            thousands: None,
        }
    }
}

impl Numbers {
    fn cell(&self, units: i64) -> Cell {
        let digits = units.unsigned_abs().to_string();
        let mut text = String::new();
        if units < 0 {
            text.push('-');
        }
        for (index, digit) in digits.chars().enumerate() {
            let is_group = index > 0 && (digits.len() - index).is_multiple_of(3);
            text.extend(self.thousands.filter(|_| is_group));
            text.push(digit);
        }
        if self.decimals > 0 {
            text.push(self.decimal);
            text.push_str(&"0".repeat(self.decimals.into()));
        }
        let is_number = self.thousands.is_none() && (self.decimals == 0 || self.decimal == '.');
        if is_number {
            Cell::Number(text)
        } else {
            Cell::Text(text)
        }
    }
}

/// The state of a vendor at a request.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    pub(crate) stock: Stock,
    pub(crate) fault: Option<Fault>,
    pub(crate) charset: Charset,
    pub(crate) compression: Compression,
    pub(crate) as_of: AsOf,
    pub(crate) as_of_format: AsOfFormat,
    /// Further headers of responses, by name.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Situation {
    /// The number of products in the report.
    pub(crate) fn products(&self) -> usize {
        let count = self.stock.len();
        self.fault
            .as_ref()
            .map_or(count, |fault| fault.left_of(count))
    }
}

/// The documents of a vendor.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) format: Format,
    pub(crate) numbers: Numbers,
    pub(crate) zone: Zone,
    /// Each step with the number of the requests up to its end.
    pub(crate) steps: Vec<(u64, Situation)>,
    /// The state after the last step.
    pub(crate) last: Situation,
}

impl Plan {
    /// The state at a request; the first one has the number 0.
    pub(crate) fn at(&self, request: u64) -> &Situation {
        let step = self.steps.iter().find(|(end, _)| request < *end);
        step.map_or(&self.last, |(_, situation)| situation)
    }

    /// Writes the document, or a page of it. The error is one line.
    pub(crate) fn document(
        &self,
        situation: &Situation,
        now: Timestamp,
        page: Option<&Page>,
    ) -> Result<Vec<u8>, String> {
        let fault = situation.fault.as_ref();
        let mut charset = situation.charset.clone();
        if matches!(fault, Some(Fault::InvalidByte {})) {
            charset = Charset::latin_1();
        }
        let written = if let Some(text) = fault.and_then(Fault::replacement) {
            Written::Text(text.to_owned())
        } else {
            self.format.write(&self.report(situation, now, page)?)?
        };
        let bytes = match written {
            Written::Workbook(bytes) => bytes,
            Written::Text(text) => {
                let prefix = fault.map_or("", Fault::prefix);
                charset.encode(&format!("{prefix}{text}"))?
            }
        };
        situation.compression.compress(bytes)
    }

    fn report(
        &self,
        situation: &Situation,
        now: Timestamp,
        page: Option<&Page>,
    ) -> Result<Report, String> {
        let range = page.map_or(0..situation.products(), |page| page.range.clone());
        let stock = situation.stock.get(range).unwrap_or_default();
        let row = |(product_id, units): &(String, i64)| Row {
            product_id: product_id.clone(),
            quantity: self.numbers.cell(*units),
            title: Cell::Text(format!("Product {product_id}")),
            price: None,
        };
        let mut report = Report {
            rows: stock.iter().map(row).collect(),
            now,
            as_of: situation
                .as_of
                .write(now, &situation.as_of_format, &self.zone)?,
            charset: situation.charset.label().to_owned(),
            decimal: self.numbers.decimal,
            list: ListShape::List,
            members: page.map(|page| page.members.clone()).unwrap_or_default(),
        };
        if let Some(fault) = &situation.fault {
            fault.change(&mut report)?;
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_with_the_marks_of_the_script() {
        let numbers = |decimals, decimal, thousands| Numbers {
            decimals,
            decimal,
            thousands,
        };
        for (numbers, units, expected) in [
            (Numbers::default(), 1_234, Cell::Number("1234".to_owned())),
            (Numbers::default(), -3, Cell::Number("-3".to_owned())),
            (numbers(1, '.', None), 4, Cell::Number("4.0".to_owned())),
            (numbers(2, ',', None), 13, Cell::Text("13,00".to_owned())),
            (numbers(0, ',', None), 13, Cell::Number("13".to_owned())),
            (
                numbers(2, ',', Some('.')),
                1_234_567,
                Cell::Text("1.234.567,00".to_owned()),
            ),
            (
                numbers(0, ',', Some('.')),
                999,
                Cell::Text("999".to_owned()),
            ),
        ] {
            assert_eq!(numbers.cell(units), expected, "{numbers:?}");
        }
    }
}
