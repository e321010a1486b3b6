//! Separated values (RFC 4180, and what programs write in its place).
//!
//! Rows are split by a reader of our own: the crate `csv` accepts text behind a closing quote, and PHP's `fputcsv` writes such
//! rows, in which products vanish; it does not say where an unclosed quote was opened; and it has no limits. The tests compare
//! the two.

mod row;
mod rows;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use domain::timestamp::Timestamp;

use self::row::Row;
use self::rows::{Dialect, Rows};
use super::columns::{self, Columns};
use super::json::Beginning;
use super::{Format, FormatError};
use crate::decode::Document;
use crate::options::{CsvOptions, FieldOptions, Header, SkipRows};
use crate::record::{Place, Record, RecordSink, Unit, Value};

/// Reads separated values.
#[derive(Debug)]
pub(crate) struct Csv {
    dialect: Dialect,
    header: Header,
    skip_rows: Option<SkipRows>,
    fields: FieldOptions,
}

impl Csv {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(options: &CsvOptions, fields: &FieldOptions) -> Result<Self, String> {
        let &CsvOptions {
            delimiter,
            quote,
            header,
            ref skip_rows,
        } = options;
        for (setting, byte) in [("format.delimiter", delimiter), ("format.quote", quote)] {
            if !byte.is_ascii() || matches!(byte, 0 | b'\r' | b'\n') {
                return Err(format!(
                    "{setting} must be one ASCII character and not a line end"
                ));
            }
        }
        if delimiter == quote {
            return Err("format.delimiter and format.quote are the same".to_owned());
        }
        columns::check(fields, skip_rows.as_ref(), header)?;
        Ok(Self {
            dialect: Dialect { delimiter, quote },
            header,
            skip_rows: skip_rows.clone(),
            fields: fields.clone(),
        })
    }

    /// Passes all rows on; `passed` counts them.
    fn read_rows(
        &self,
        text: impl BufRead,
        records: &mut dyn RecordSink,
        passed: &mut u64,
    ) -> Result<(), FormatError> {
        let mut rows = Rows::new(text, self.dialect);
        rows.skip_separator_line()?;
        let mut table = None;
        if let Header::Row(number) = self.header {
            for _ in 1..number.get() {
                rows.skip_line()?;
            }
            let Some(header) = rows.next()? else {
                return Err(FormatError::Malformed(format!(
                    "the document ends before the header in row {number} (format.header_row)"
                )));
            };
            let names: Vec<&str> = header.fields().collect();
            let columns = self
                .find_columns(Some(&names), names.len())
                .map_err(|problem| malformed(header.line, &problem))?;
            table = Some((columns, names.len()));
        }
        while let Some(row) = rows.next()? {
            // Spreadsheet programs write rows of delimiters only.
            if row.fields().all(|field| field.trim().is_empty()) {
                continue;
            }
            let (columns, width) = if let Some(table) = &table {
                table
            } else {
                let width = row.width();
                let columns = self
                    .find_columns(None, width)
                    .map_err(|problem| malformed(row.line, &problem))?;
                table.insert((columns, width))
            };
            if self.is_skipped(row, columns) {
                continue;
            }
            if row.width() != *width {
                return Err(self.wrong_width(row, *width));
            }
            let value = |index: usize| Value::Text(row.field(index).into());
            let quantities: Vec<Value<'_>> =
                columns.quantities.iter().copied().map(value).collect();
            *passed += 1;
            let flow = records.take(&Record {
                place: Place {
                    unit: Unit::Line,
                    number: row.line,
                },
                product_id: value(columns.product_id),
                quantities: &quantities,
            });
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn find_columns(&self, names: Option<&[&str]>, width: usize) -> Result<Columns, String> {
        Columns::find(&self.fields, self.skip_rows.as_ref(), names, Some(width))
    }

    /// Whether the row is skipped. It may have fewer fields than records have.
    fn is_skipped(&self, row: &Row, columns: &Columns) -> bool {
        let (Some(skip_rows), Some(index)) = (&self.skip_rows, columns.skip) else {
            return false;
        };
        index < row.width() && columns::is_skipped(skip_rows, row.field(index))
    }

    fn wrong_width(&self, row: &Row, expected: usize) -> FormatError {
        let width = row.width();
        let plural = if width == 1 { "" } else { "s" };
        let of = match self.header {
            Header::None => "first row",
            Header::Row(_) => "header",
        };
        malformed(
            row.line,
            &format!("{width} field{plural}, but the {of} has {expected}"),
        )
    }
}

fn malformed(line: u64, problem: &str) -> FormatError {
    FormatError::Malformed(format!("line {line}: {problem}"))
}

impl Format for Csv {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let mut text = document.into_text(|_| None)?;
        let beginning = Beginning::of(&mut text)?;
        let mut passed = 0;
        match self.read_rows(text, records, &mut passed) {
            Ok(()) => Ok(None),
            // Only a document that is not a table is suspected to be something else: a name such as [sku] is valid.
            Err(FormatError::Malformed(problem)) if passed == 0 => Err(FormatError::Malformed(
                beginning.instead_of("CSV").unwrap_or(problem),
            )),
            Err(error) => Err(error),
        }
    }
}
