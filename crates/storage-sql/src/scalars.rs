//! Rows of one value.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};
use domain::identifiers::ProductId;
use domain::ports::StoreError;
use domain::timestamp::Timestamp;

use crate::{Instant, product_id};

/// A row with the column `flag`.
#[derive(QueryableByName)]
pub struct FlagRow {
    #[diesel(sql_type = Bool)]
    flag: bool,
}

/// Returns whether the flag of the first row is set.
#[must_use]
pub fn flag(rows: &[FlagRow]) -> bool {
    rows.first().is_some_and(|row| row.flag)
}

/// A row with the column `number`.
#[derive(QueryableByName)]
pub struct NumberRow {
    /// Column `number`.
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

/// Returns the count in the first row; 0 without a row.
#[must_use]
pub fn count(rows: &[NumberRow]) -> u64 {
    rows.first().map_or(0, |row| row.number.unsigned_abs())
}

/// A row with the column `instant`.
#[derive(QueryableByName)]
pub struct InstantRow {
    /// Column `instant`.
    #[diesel(sql_type = Instant)]
    pub instant: Timestamp,
}

/// Returns the instant of the first row of a query that always returns one.
pub fn instant(rows: Vec<InstantRow>) -> Result<Timestamp, StoreError> {
    Ok(first(rows)?.instant)
}

/// A row with the column `text`.
#[derive(QueryableByName)]
pub struct TextRow {
    /// Column `text`.
    #[diesel(sql_type = Text)]
    pub text: String,
}

/// A row with the column `product_id`.
#[derive(QueryableByName)]
pub struct ProductIdRow {
    /// Column `product_id`.
    #[diesel(sql_type = Text)]
    pub product_id: String,
}

/// Parses product ids of `table`.
pub fn product_ids(
    rows: Vec<ProductIdRow>,
    table: &'static str,
) -> Result<Vec<ProductId>, StoreError> {
    let ids = rows.into_iter();
    ids.map(|row| product_id(row.product_id, table)).collect()
}

/// Returns the first row of a query that always returns one.
pub fn first<R>(rows: Vec<R>) -> Result<R, StoreError> {
    rows.into_iter().next().ok_or_else(|| {
        StoreError::Failed("the store returned no row where one was expected".into())
    })
}
