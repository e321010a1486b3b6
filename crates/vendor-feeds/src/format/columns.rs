//! Finds the columns of a table that the settings reference, by their names in the header or by their numbers.

use crate::excerpt::excerpt;
use crate::number::Notation;
use crate::options::{Column, FieldOptions, Header, SkipRows};
use crate::source::matches_pattern;

/// Maximum number of columns: that of spreadsheet programs.
pub(super) const MAX_COLUMNS: usize = 16_384;
/// Maximum number of names in a message.
const MAX_NAMED: usize = 10;

/// Positions of the referenced columns in a row, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) product_id: usize,
    pub(super) quantities: Vec<usize>,
    /// The column by which rows are recognized that are skipped.
    pub(super) skip: Option<usize>,
}

/// Checks the settings. The error is a one-line description of the invalid option.
pub(super) fn check(
    fields: &FieldOptions,
    skip_rows: Option<&SkipRows>,
    header: Header,
) -> Result<(), String> {
    for (setting, column) in referenced(fields, skip_rows) {
        match column {
            Column::Name(name) if header == Header::None => {
                return Err(format!(
                    "{setting} is the column name {name:?}, but format.header is false: columns have numbers only"
                ));
            }
            Column::Number(number) if number.get() as usize > MAX_COLUMNS => {
                return Err(format!(
                    "{setting} is the column number {number}, more than {MAX_COLUMNS}"
                ));
            }
            Column::Name(_) | Column::Number(_) => {}
        }
    }
    Ok(())
}

fn referenced<'f>(
    fields: &'f FieldOptions,
    skip_rows: Option<&'f SkipRows>,
) -> impl Iterator<Item = (&'static str, &'f Column)> {
    let quantities = fields.quantity.columns.iter();
    let skip = skip_rows.map(|skip| ("format.skip_rows.field", &skip.column));
    std::iter::once(("fields.product_id", &fields.product_id.column))
        .chain(quantities.map(|column| ("fields.quantity", column)))
        .chain(skip)
}

/// Whether a row with this text in the column of `skip_rows` is skipped.
pub(super) fn is_skipped(skip_rows: &SkipRows, text: &str) -> bool {
    let mut values = skip_rows.values.iter();
    values.any(|value| matches_pattern(text.trim(), value.trim()))
}

impl Columns {
    /// Finds the columns. `names` are those of the header, or `None` if there is none; `width` is the number of columns, or
    /// `None` if it is not known. The error is one line.
    pub(super) fn find(
        fields: &FieldOptions,
        skip_rows: Option<&SkipRows>,
        names: Option<&[&str]>,
        width: Option<usize>,
    ) -> Result<Self, String> {
        let mut found = Vec::new();
        for (setting, column) in referenced(fields, skip_rows) {
            found.push(match column {
                Column::Name(name) => by_name(setting, name, names.unwrap_or_default())?,
                Column::Number(number) => {
                    let index = number.get() as usize - 1;
                    if width.is_some_and(|width| index >= width) {
                        return Err(missing_number(setting, index + 1, names, width));
                    }
                    let is_quantity = setting == "fields.quantity";
                    let name = names.and_then(|names| names.get(index)).copied();
                    if let Some(name) = name.filter(|_| is_quantity) {
                        check_is_header(setting, index + 1, name)?;
                    }
                    index
                }
            });
        }
        let skip = skip_rows.and_then(|_| found.pop());
        let product_id = found.remove(0);
        Ok(Self {
            product_id,
            quantities: found,
            skip,
        })
    }
}

fn by_name(setting: &str, name: &str, names: &[&str]) -> Result<usize, String> {
    let mut same = names.iter().enumerate().filter(|(_, at)| **at == name);
    match (same.next(), same.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some((first, _)), Some((second, _))) => Err(format!(
            "the header has two columns named {name:?} ({} and {}); a column number in {setting} selects one",
            first + 1,
            second + 1
        )),
        (None, _) => {
            let alike = |other: &&&str| folded(other) == folded(name);
            let hint = match names.iter().find(alike) {
                Some(other) => format!("; {} is not the same text", quoted(other)),
                None => hint(names).to_owned(),
            };
            Err(format!(
                "the header has no column {name:?} ({setting}): {}{hint}",
                listed(names)
            ))
        }
    }
}

/// Refuses a quantity as the name of a column: the row would be the first record, which would be lost.
fn check_is_header(setting: &str, number: usize, name: &str) -> Result<(), String> {
    if Notation::TYPED.parse(name.trim()).is_none() {
        return Ok(());
    }
    let name = quoted(name);
    Err(format!(
        "column {number} of the header ({setting}) is {name}, a number: format.header = false reads a table without a header, the \
         name {name} selects a column that is named so"
    ))
}

fn missing_number(
    setting: &str,
    number: usize,
    names: Option<&[&str]>,
    width: Option<usize>,
) -> String {
    let width = width.unwrap_or_default();
    let plural = if width == 1 { "" } else { "s" };
    let (of, listed) = match names {
        Some(names) => ("the header", format!(": {}{}", listed(names), hint(names))),
        None => ("the first row", String::new()),
    };
    format!("{of} has no column {number} ({setting}), but {width} column{plural}{listed}")
}

/// A name without what a person does not see.
fn folded(name: &str) -> String {
    let visible = name.chars().filter(|char| {
        !char.is_whitespace() && !matches!(char, '\u{feff}' | '\u{200b}' | '\u{a0}')
    });
    visible.collect::<String>().to_lowercase()
}

/// The setting that may be wrong, if the names do not look like those of columns: a row with one name is a title or has
/// another delimiter, and a row with a number is data.
fn hint(names: &[&str]) -> &'static str {
    let mut filled = names.iter().filter(|name| !name.trim().is_empty());
    match (filled.next(), filled.next()) {
        (Some(name), None) if names.len() == 1 && name.contains([';', ',', '\t', '|']) => {
            " (is format.delimiter right?)"
        }
        (_, None) => " (is format.header_row right?)",
        _ if names.iter().any(|name| is_number(name)) => {
            " (is format.header_row right, or is there no header, format.header = false?)"
        }
        _ => "",
    }
}

/// Whether the text is a number, with any marks for decimals and thousands.
fn is_number(text: &str) -> bool {
    let text = text.trim();
    text.contains(|char: char| char.is_ascii_digit())
        && text
            .chars()
            .all(|char| char.is_ascii_digit() || "+-.,".contains(char))
}

fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .filter(|name| !name.is_empty())
        .take(MAX_NAMED)
        .map(|name| quoted(name))
        .collect();
    let more = if names.len() > shown.len() && shown.len() == MAX_NAMED {
        ", …"
    } else {
        ""
    };
    match shown.as_slice() {
        [] => "it has no names".to_owned(),
        shown => format!("it has {}{more}", shown.join(", ")),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", excerpt(name))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::format::tests::fields;

    fn found(product_id: &str, quantities: &[&str], names: &[&str]) -> Result<Vec<usize>, String> {
        let fields = fields(product_id, quantities);
        let columns = Columns::find(&fields, None, Some(names), Some(names.len()))?;
        Ok([vec![columns.product_id], columns.quantities].concat())
    }

    fn numbered(product_id: u32, quantity: u32) -> FieldOptions {
        let mut fields = fields("", &[""]);
        fields.product_id.column = Column::Number(NonZeroU32::new(product_id).unwrap());
        fields.quantity.columns = vec![Column::Number(NonZeroU32::new(quantity).unwrap())];
        fields
    }

    #[test]
    fn columns_are_found_by_name() {
        let names = ["Main", "SKU", "", "Outlet", ""];
        assert_eq!(
            found("SKU", &["Outlet", "Main"], &names).unwrap(),
            [1, 3, 0]
        );
    }

    #[test]
    fn missing_and_repeated_names_are_refused() {
        for (names, problem) in [
            (
                &["sku", "qty"] as &[&str],
                r#"the header has no column "SKU" (fields.product_id): it has "sku", "qty"; "sku" is not the same text"#,
            ),
            (
                &["a", "SKU\u{a0}"],
                "the header has no column \"SKU\" (fields.product_id): it has \"a\", \"SKU\u{a0}\"; \"SKU\u{a0}\" is not the same text",
            ),
            (
                &["SKU;Qty"],
                r#"the header has no column "SKU" (fields.product_id): it has "SKU;Qty" (is format.delimiter right?)"#,
            ),
            (
                &["", ""],
                r#"the header has no column "SKU" (fields.product_id): it has no names (is format.header_row right?)"#,
            ),
            (
                &["Stock of today, all warehouses", "", ""],
                r#"the header has no column "SKU" (fields.product_id): it has "Stock of today, all warehouses" (is format.header_row right?)"#,
            ),
            (
                &["A-1", "1,250"],
                r#"the header has no column "SKU" (fields.product_id): it has "A-1", "1,250" (is format.header_row right, or is there no header, format.header = false?)"#,
            ),
            (
                &["EAN-13", "Stock 1"],
                r#"the header has no column "SKU" (fields.product_id): it has "EAN-13", "Stock 1""#,
            ),
            (
                &["SKU", "Qty", "x", "Qty"],
                r#"the header has two columns named "Qty" (2 and 4); a column number in fields.quantity selects one"#,
            ),
            (
                &[
                    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
                ],
                r#"the header has no column "SKU" (fields.product_id): it has "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", … (is format.header_row right, or is there no header, format.header = false?)"#,
            ),
        ] {
            assert_eq!(found("SKU", &["Qty"], names).unwrap_err(), problem);
        }
        // A name that is not referenced may be there twice.
        assert_eq!(
            found("SKU", &["Qty"], &["x", "SKU", "x", "Qty"]).unwrap(),
            [1, 3]
        );
    }

    #[test]
    fn columns_are_found_by_number() {
        let fields = numbered(3, 1);
        let expected = Columns {
            skip: None,
            product_id: 2,
            quantities: vec![0],
        };
        let names: &[&str] = &["a", "b", "b"];
        assert_eq!(
            Columns::find(&fields, None, Some(names), Some(3)).unwrap(),
            expected
        );
        assert_eq!(Columns::find(&fields, None, None, None).unwrap(), expected);
        assert_eq!(
            Columns::find(&fields, None, Some(&["a;b"]), Some(1)).unwrap_err(),
            r#"the header has no column 3 (fields.product_id), but 1 column: it has "a;b" (is format.delimiter right?)"#
        );
        assert_eq!(
            Columns::find(&fields, None, None, Some(2)).unwrap_err(),
            "the first row has no column 3 (fields.product_id), but 2 columns"
        );
    }

    #[test]
    fn record_in_place_of_a_header_is_refused() {
        let fields = numbered(1, 2);
        let find = |names: &[&str]| Columns::find(&fields, None, Some(names), Some(names.len()));
        for number in ["7", "0", "12.0", "-3"] {
            assert_eq!(
                find(&["A-1", number]).unwrap_err(),
                format!(
                    "column 2 of the header (fields.quantity) is {number:?}, a number: format.header = false reads a table without \
                     a header, the name {number:?} selects a column that is named so"
                )
            );
        }
        assert!(find(&["4006381333931", "Qty 2"]).is_ok());
        // A number may be the name of the column by which rows are skipped.
        let skip_rows = SkipRows {
            column: Column::Number(NonZeroU32::new(3).unwrap()),
            values: vec!["Total".to_owned()],
        };
        let names = ["SKU", "Qty", "2026"];
        assert!(Columns::find(&fields, Some(&skip_rows), Some(&names), Some(3)).is_ok());
        assert_eq!(found("SKU", &["01"], &["SKU", "01"]).unwrap(), [0, 1]);
    }

    #[test]
    fn settings_are_checked() {
        let header = Header::Row(NonZeroU32::MIN);
        assert_eq!(check(&fields("SKU", &["Qty"]), None, header), Ok(()));
        assert_eq!(check(&numbered(1, 16_384), None, Header::None), Ok(()));
        assert_eq!(
            check(&numbered(1, 16_385), None, header).unwrap_err(),
            "fields.quantity is the column number 16385, more than 16384"
        );
        assert_eq!(
            check(&fields("SKU", &["Qty"]), None, Header::None).unwrap_err(),
            "fields.product_id is the column name \"SKU\", but format.header is false: columns have numbers only"
        );
    }
}
