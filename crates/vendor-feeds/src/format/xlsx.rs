//! Office Open XML workbooks: the cells of one sheet, read as a stream. The texts that cells share are in memory.
//!
//! Hidden rows are read, whether a filter, an outline or a person hid them: they are products. A formula has the value that its
//! program stored; nothing is computed here.

mod package;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::{BufReader, Seek as _};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader as _, SheetType, SheetVisible, Xlsx as Workbook, XlsxError};
use domain::timestamp::Timestamp;

use super::columns::{self, Columns, MAX_COLUMNS};
use super::{Format, FormatError};
use crate::decode::{Document, Spool};
use crate::excerpt::excerpt;
use crate::options::{FieldOptions, Header, SkipRows, XlsxOptions};
use crate::record::{Place, Record, RecordSink, Unit, Value};

/// Integers from here on are not exact in a number cell: 2^53.
const INEXACT: f64 = 9_007_199_254_740_992.0;
/// Maximum number of sheets that a message names.
const MAX_NAMED_SHEETS: usize = 10;

const EMPTY_ROW: &str = "the row is empty, expected the header (format.header_row)";
const NO_SUCH_ROW: &str = "the sheet ends above this row, expected the header (format.header_row)";

/// Reads workbooks.
#[derive(Debug)]
pub(crate) struct Xlsx {
    sheet: Option<String>,
    header: Header,
    skip_rows: Option<SkipRows>,
    fields: FieldOptions,
}

impl Xlsx {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(options: &XlsxOptions, fields: &FieldOptions) -> Result<Self, String> {
        columns::check(fields, options.skip_rows.as_ref(), options.header)?;
        Ok(Self {
            sheet: options.sheet.clone(),
            header: options.header,
            skip_rows: options.skip_rows.clone(),
            fields: fields.clone(),
        })
    }

    fn read_workbook(&self, bytes: Spool, records: &mut dyn RecordSink) -> Result<(), FormatError> {
        let invalid = |error: XlsxError| invalid_workbook(error, None);
        let mut workbook = Workbook::new(BufReader::new(bytes)).map_err(invalid)?;
        let sheet = self.find_sheet(&workbook)?;
        let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(invalid)?;
        let mut table = Table {
            format: self,
            header: None,
            records,
        };
        if self.header == Header::None {
            let columns = Columns::find(&self.fields, self.skip_rows.as_ref(), None, None)
                .map_err(FormatError::Malformed)?;
            table.header = Some((columns, None));
        }
        let mut row = Row::default();
        loop {
            // With the formulas, since one without a value is not an empty cell.
            let next = cells.next_cell_with_formula_metadata();
            let Some(cell) = next.map_err(|error| invalid_workbook(error, Some(row.number)))?
            else {
                break;
            };
            let number = u64::from(cell.pos.0) + 1;
            if number != row.number {
                if number < row.number {
                    let problem = format!("comes after row {}", row.number);
                    return Err(malformed(number, &problem));
                }
                if table.take(&mut row)?.is_break() {
                    return Ok(());
                }
                row.number = number;
            }
            row.push(cell.pos.1, cell.value, cell.formula.is_some())?;
        }
        if table.take(&mut row)?.is_continue()
            && let (Header::Row(header), None) = (self.header, &table.header)
        {
            return Err(malformed(u64::from(header.get()), NO_SUCH_ROW));
        }
        Ok(())
    }

    fn find_sheet<R>(&self, workbook: &Workbook<R>) -> Result<String, FormatError>
    where
        R: std::io::Read + std::io::Seek,
    {
        let sheets = workbook.sheets_metadata();
        let sheets = sheets
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet);
        let sheets: Vec<(&str, bool)> = sheets
            .map(|sheet| (sheet.name.as_str(), sheet.visible == SheetVisible::Visible))
            .collect();
        let visible: Vec<&str> = sheets
            .iter()
            .filter(|(_, is_visible)| *is_visible)
            .map(|(name, _)| *name)
            .collect();
        let problem = match (&self.sheet, visible.as_slice()) {
            (Some(wanted), _) => {
                if sheets.iter().any(|(name, _)| name == wanted) {
                    return Ok(wanted.clone());
                }
                format!("the workbook has no sheet {wanted:?} (format.sheet)")
            }
            (None, [only]) => return Ok((*only).to_owned()),
            (None, []) => "the workbook has no visible sheet".to_owned(),
            (None, several) => format!(
                "the workbook has {} visible sheets, and format.sheet must name one",
                several.len()
            ),
        };
        let shown = sheets
            .iter()
            .take(MAX_NAMED_SHEETS)
            .map(|(name, is_visible)| {
                let hidden = if *is_visible { "" } else { " (hidden)" };
                format!("\"{}\"{hidden}", excerpt(name))
            });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if sheets.len() > MAX_NAMED_SHEETS {
            ", …"
        } else {
            ""
        };
        let listed = if sheets.is_empty() {
            String::new()
        } else {
            format!(": it has {shown}{more}")
        };
        Err(FormatError::Malformed(format!("{problem}{listed}")))
    }

    /// Whether the row is skipped.
    fn is_skipped(&self, row: &Row<'_>, columns: &Columns) -> bool {
        let (Some(skip_rows), Some(index)) = (&self.skip_rows, columns.skip) else {
            return false;
        };
        match row.cell(index) {
            Value::Text(text) | Value::Number(text) => columns::is_skipped(skip_rows, &text),
            Value::Missing | Value::Other(_) => false,
        }
    }
}

impl Format for Xlsx {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let (mut bytes, limit) = document.into_bytes();
        package::check(&mut bytes, limit)?;
        bytes.rewind()?;
        // calamine 0.38.0 computes rows and columns of references without a check. Its overflow checks are on in all profiles
        // (Cargo.toml), because the row 4294967298 would otherwise be row 2; they panic.
        let read = catch_unwind(AssertUnwindSafe(|| self.read_workbook(bytes, records)));
        match read {
            Ok(read) => read.map(|()| None),
            Err(_) => Err(FormatError::Malformed("the workbook is invalid".to_owned())),
        }
    }
}

/// The cells of a row that are not empty.
#[derive(Debug, Default)]
struct Row<'w> {
    /// As the spreadsheet program shows it; 0 before the first.
    number: u64,
    /// By column, from 0.
    cells: Vec<(usize, Cell<'w>)>,
}

/// A cell that is not empty. Only a referenced one is converted.
#[derive(Debug)]
enum Cell<'w> {
    Filled(DataRef<'w>),
    FormulaWithoutValue,
}

impl Cell<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Filled(data) => value(data),
            Self::FormulaWithoutValue => Value::Other("a formula without a value".into()),
        }
    }
}

impl<'w> Row<'w> {
    fn push(
        &mut self,
        column: u32,
        data: DataRef<'w>,
        is_formula: bool,
    ) -> Result<(), FormatError> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column >= MAX_COLUMNS {
            let problem = format!("more than {MAX_COLUMNS} columns");
            return Err(malformed(self.number, &problem));
        }
        let is_blank = |text: &str| text.trim().is_empty();
        let cell = match data {
            DataRef::Empty if is_formula => Cell::FormulaWithoutValue,
            DataRef::Empty => return Ok(()),
            DataRef::String(text) if is_blank(&text) => return Ok(()),
            DataRef::SharedString(text) if is_blank(text) => return Ok(()),
            data => Cell::Filled(data),
        };
        if self.cells.last().is_none_or(|(last, _)| *last < column) {
            self.cells.push((column, cell));
            return Ok(());
        }
        let found = self.cells.binary_search_by_key(&column, |(at, _)| *at);
        let Err(at) = found else {
            let problem = format!("has two cells in column {}", column_name(column));
            return Err(malformed(self.number, &problem));
        };
        self.cells.insert(at, (column, cell));
        Ok(())
    }

    /// The value of a cell; an empty text if it is empty.
    fn cell(&self, column: usize) -> Value<'_> {
        match self.cells.binary_search_by_key(&column, |(at, _)| *at) {
            Ok(at) => self.cells[at].1.value(),
            Err(_) => Value::Text(Cow::Borrowed("")),
        }
    }

    /// The names in a header, with empty ones between them.
    fn names(&self) -> Vec<String> {
        let width = self.cells.last().map_or(0, |(column, _)| column + 1);
        let mut names = vec![String::new(); width];
        for (column, cell) in &self.cells {
            if let Value::Text(name) | Value::Number(name) | Value::Other(name) = cell.value() {
                names[*column] = name.into_owned();
            }
        }
        names
    }
}

/// Passes the rows on.
struct Table<'t> {
    format: &'t Xlsx,
    /// The referenced columns and, if there are names, their number; once they are known.
    header: Option<(Columns, Option<usize>)>,
    records: &'t mut dyn RecordSink,
}

impl Table<'_> {
    /// Takes the cells of a row.
    fn take(&mut self, row: &mut Row<'_>) -> Result<ControlFlow<()>, FormatError> {
        let flow = if row.cells.is_empty() {
            ControlFlow::Continue(())
        } else {
            self.take_filled(row)?
        };
        row.cells.clear();
        Ok(flow)
    }

    fn take_filled(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, FormatError> {
        let Some((columns, width)) = &self.header else {
            return self.take_above_records(row);
        };
        if self.format.is_skipped(row, columns) {
            return Ok(ControlFlow::Continue(()));
        }
        if let (Some((last, _)), Some(width)) = (row.cells.last(), *width)
            && *last >= width
        {
            let problem = format!(
                "the cell {}{} has a value, but the header ends with column {}",
                column_name(*last),
                row.number,
                column_name(width - 1)
            );
            return Err(malformed(row.number, &problem));
        }
        let quantities: Vec<Value<'_>> = columns
            .quantities
            .iter()
            .map(|column| row.cell(*column))
            .collect();
        Ok(self.records.take(&Record {
            place: Place {
                unit: Unit::Row,
                number: row.number,
            },
            product_id: row.cell(columns.product_id),
            quantities: &quantities,
        }))
    }

    /// Takes a row above the header, or the header.
    fn take_above_records(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, FormatError> {
        let Header::Row(header) = self.format.header else {
            return Ok(ControlFlow::Continue(()));
        };
        let header = u64::from(header.get());
        if row.number > header {
            return Err(malformed(header, EMPTY_ROW));
        }
        if row.number == header {
            let names = row.names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let width = names.len();
            let Xlsx {
                fields, skip_rows, ..
            } = self.format;
            let columns = Columns::find(fields, skip_rows.as_ref(), Some(&names), Some(width))
                .map_err(|problem| malformed(header, &problem))?;
            self.header = Some((columns, Some(width)));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Converts the value of a cell.
fn value<'c>(cell: &'c DataRef<'_>) -> Value<'c> {
    let other = |shown: String| Value::Other(Cow::Owned(shown));
    match cell {
        DataRef::Empty => Value::Text(Cow::Borrowed("")),
        DataRef::String(text) => Value::Text(Cow::Borrowed(text)),
        DataRef::SharedString(text) => Value::Text(Cow::Borrowed(text)),
        DataRef::Int(number) => Value::Number(Cow::Owned(number.to_string())),
        DataRef::Float(float) => number(*float),
        DataRef::Bool(is_true) => other(if *is_true { "TRUE" } else { "FALSE" }.to_owned()),
        DataRef::Error(error) => other(error.to_string()),
        DataRef::DateTime(date) => other(format!("{} in the format of a date", date.as_f64())),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => other(text.clone()),
    }
}

/// A number cell: the shortest decimal that is the same number, without an exponent.
fn number(float: f64) -> Value<'static> {
    // The sum is 0 for -0.
    let digits = (float + 0.0).to_string();
    if float.abs() < INEXACT {
        Value::Number(Cow::Owned(digits))
    } else if float.is_finite() {
        let problem = format!("{digits} (a number cell keeps 15 digits, a text cell keeps all)");
        Value::Other(Cow::Owned(problem))
    } else {
        Value::Other(Cow::Owned(digits))
    }
}

/// The letters of a column.
fn column_name(index: usize) -> String {
    let mut letters = Vec::new();
    let mut left = index + 1;
    while left > 0 {
        letters.push(char::from(
            b'A' + u8::try_from((left - 1) % 26).unwrap_or_default(),
        ));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}

fn malformed(row: u64, problem: &str) -> FormatError {
    FormatError::Malformed(format!("row {row}: {problem}"))
}

/// `row` is the last row that was read.
fn invalid_workbook(error: XlsxError, row: Option<u64>) -> FormatError {
    if let XlsxError::Io(error) = error {
        return FormatError::Read(error);
    }
    let reason = excerpt(&error.to_string());
    let place = match row {
        Some(row) if row > 0 => format!(" in row {row} or below"),
        _ => String::new(),
    };
    FormatError::Malformed(format!("the workbook is invalid{place}: {reason}"))
}
