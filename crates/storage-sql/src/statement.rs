//! A hand-written SQL statement that is prepared once per connection.
//!
//! diesel's own `sql_query` is prepared at each call, because its text may vary. Here the text is `'static` and all
//! values are bound, so the text is the key of the prepared-statement cache.

use std::time::Duration;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryId};
use diesel::result::Error;
use diesel::sql_types::Untyped;
use diesel::{QueryResult, RunQueryDsl};
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::timestamp::Timestamp;

/// A bind value. Lists are arrays in PostgreSQL, and JSON arrays for `json_each` in SQLite.
#[derive(Debug, Clone)]
pub enum Bind {
    /// A number.
    BigInt(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// An instant.
    Instant(Option<Timestamp>),
    /// A list of numbers of 64 bits.
    BigInts(Vec<Option<i64>>),
    /// A list of numbers of 32 bits.
    Integers(Vec<i32>),
    /// A list of texts.
    Texts(Vec<Option<String>>),
    /// A list of instants.
    Instants(Vec<Option<Timestamp>>),
    /// A list of flags.
    Bools(Vec<bool>),
}

impl From<i64> for Bind {
    fn from(number: i64) -> Self {
        Self::BigInt(Some(number))
    }
}

impl From<u32> for Bind {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<OrderId> for Bind {
    fn from(id: OrderId) -> Self {
        id.0.into()
    }
}

/// Binds the number of whole microseconds.
impl From<Duration> for Bind {
    fn from(span: Duration) -> Self {
        i64::try_from(span.as_micros()).unwrap_or(i64::MAX).into()
    }
}

impl From<Timestamp> for Bind {
    fn from(instant: Timestamp) -> Self {
        Self::Instant(Some(instant))
    }
}

impl From<Option<Timestamp>> for Bind {
    fn from(instant: Option<Timestamp>) -> Self {
        Self::Instant(instant)
    }
}

impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Bind {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<&ProductId> for Bind {
    fn from(id: &ProductId) -> Self {
        id.as_str().into()
    }
}

impl From<&VendorId> for Bind {
    fn from(id: &VendorId) -> Self {
        id.as_str().into()
    }
}

impl From<&[OrderId]> for Bind {
    fn from(ids: &[OrderId]) -> Self {
        Self::big_ints(ids.iter().map(|id| id.0))
    }
}

impl From<&[ProductId]> for Bind {
    fn from(ids: &[ProductId]) -> Self {
        Self::texts(ids.iter().map(ProductId::as_str))
    }
}

impl From<&[VendorId]> for Bind {
    fn from(ids: &[VendorId]) -> Self {
        Self::texts(ids.iter().map(VendorId::as_str))
    }
}

impl Bind {
    /// Binds a count; a greater one than the database can store becomes the greatest.
    #[must_use]
    pub fn count(count: impl TryInto<i64>) -> Self {
        count.try_into().unwrap_or(i64::MAX).into()
    }

    /// Binds a list of numbers of 64 bits.
    pub fn big_ints(numbers: impl IntoIterator<Item = impl Into<Option<i64>>>) -> Self {
        Self::BigInts(numbers.into_iter().map(Into::into).collect())
    }

    /// Binds a list of units, which a CHECK limits to 31 bits.
    pub fn integers(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::Integers(numbers.into_iter().map(u32::cast_signed).collect())
    }

    /// Binds a list of texts.
    pub fn texts<'a>(texts: impl IntoIterator<Item = impl Into<Option<&'a str>>>) -> Self {
        let texts = texts.into_iter().map(Into::into);
        Self::Texts(texts.map(|text| text.map(str::to_owned)).collect())
    }

    /// Binds a list of instants.
    pub fn instants(instants: impl IntoIterator<Item = impl Into<Option<Timestamp>>>) -> Self {
        Self::Instants(instants.into_iter().map(Into::into).collect())
    }
}

/// SQL with the markers `$1`, `$2`, … in the order of their first use, and their values.
#[derive(Debug)]
pub struct Statement {
    sql: &'static str,
    binds: Vec<Bind>,
}

impl Statement {
    /// Creates a statement. Running it fails if the values do not match the SQL.
    #[must_use]
    pub fn new(sql: &'static str, binds: Vec<Bind>) -> Self {
        Self { sql, binds }
    }

    /// Writes the SQL with each value bound in place of its first marker; `repeated` is the backend's prefix of a number
    /// that refers to a value again.
    fn walk<'b, DB: Backend>(
        &'b self,
        mut out: AstPass<'_, 'b, DB>,
        repeated: char,
        push: impl Fn(&mut AstPass<'_, 'b, DB>, &'b Bind) -> QueryResult<()>,
    ) -> QueryResult<()> {
        let mut parts = self.sql.split('$');
        out.push_sql(parts.next().unwrap_or_default());
        let mut bound = 0;
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            let number: usize = part[..part.len() - rest.len()].parse().unwrap_or(0);
            if (1..=bound).contains(&number) {
                out.push_sql(&format!("{repeated}{number}"));
            } else {
                let bind = self.binds.get(bound).filter(|_| number == bound + 1);
                push(&mut out, bind.ok_or_else(|| self.mismatch())?)?;
                bound = number;
            }
            out.push_sql(rest);
        }
        if bound == self.binds.len() {
            Ok(())
        } else {
            Err(self.mismatch())
        }
    }

    fn mismatch(&self) -> Error {
        let values = self.binds.len();
        let text = format!(
            "the markers are not those of {values} values in: {}",
            self.sql
        );
        Error::QueryBuilderError(text.into())
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Statement {}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::QueryResult;
    use diesel::pg::Pg;
    use diesel::query_builder::{AstPass, QueryFragment};
    use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};

    use super::{Bind, Statement};
    use crate::Instant;

    impl QueryFragment<Pg> for Statement {
        fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
            self.walk(out, '$', |out, bind| match bind {
                Bind::BigInt(value) => out.push_bind_param::<Nullable<BigInt>, _>(value),
                Bind::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value),
                Bind::Instant(value) => out.push_bind_param::<Nullable<Instant>, _>(value),
                Bind::BigInts(list) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(list),
                Bind::Integers(list) => out.push_bind_param::<Array<Integer>, _>(list),
                Bind::Texts(list) => out.push_bind_param::<Array<Nullable<Text>>, _>(list),
                Bind::Instants(list) => out.push_bind_param::<Array<Nullable<Instant>>, _>(list),
                Bind::Bools(list) => out.push_bind_param::<Array<Bool>, _>(list),
            })
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::fmt::Debug;

    use diesel::QueryResult;
    use diesel::query_builder::{AstPass, QueryFragment};
    use diesel::result::Error;
    use diesel::serialize::{self, IsNull, Output, ToSql};
    use diesel::sql_types::{BigInt, Nullable, SqlType, Text};
    use diesel::sqlite::Sqlite;
    use serde_json::Value;

    use super::{Bind, Statement};
    use crate::Instant;

    /// A JSON array, for the table-valued function `json_each`.
    #[derive(SqlType)]
    #[diesel(sqlite_type(name = "Text"))]
    struct JsonArray;

    impl<T: Clone + Debug + Into<Value>> ToSql<JsonArray, Sqlite> for Vec<Option<T>> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(Value::from(self.clone()).to_string());
            Ok(IsNull::No)
        }
    }

    impl QueryFragment<Sqlite> for Statement {
        fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
            self.walk(out, '?', |out, bind| match bind {
                Bind::BigInt(value) => out.push_bind_param::<Nullable<BigInt>, _>(value),
                Bind::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value),
                Bind::Instant(value) => out.push_bind_param::<Nullable<Instant>, _>(value),
                Bind::BigInts(list) => out.push_bind_param::<JsonArray, _>(list),
                Bind::Texts(list) => out.push_bind_param::<JsonArray, _>(list),
                Bind::Integers(_) | Bind::Instants(_) | Bind::Bools(_) => Err(
                    Error::QueryBuilderError("a list of this type cannot be bound".into()),
                ),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::pg::Pg;
    use diesel::query_builder::QueryFragment;
    use diesel::sqlite::{Sqlite, SqliteQueryBuilder};

    use super::*;

    #[test]
    fn values_are_bound_in_place() {
        let binds = vec!["x".into(), Bind::big_ints([1, 2]), 3_u32.into()];
        let statement = Statement::new("WHERE a = $1 AND b = f($2, $1) LIMIT $3", binds);
        assert_eq!(
            debug_query::<Pg, _>(&statement).to_string(),
            r#"WHERE a = $1 AND b = f($2, $1) LIMIT $3 -- binds: [Some("x"), [Some(1), Some(2)], Some(3)]"#
        );
        assert_eq!(
            debug_query::<Sqlite, _>(&statement).to_string(),
            r#"WHERE a = ? AND b = f(?, ?1) LIMIT ? -- binds: [Some("x"), [Some(1), Some(2)], Some(3)]"#
        );
    }

    #[test]
    fn values_that_do_not_match_the_markers_are_an_error() {
        for sql in ["SELECT 1", "SELECT $1, $2", "SELECT $2", "SELECT $"] {
            let statement = Statement::new(sql, vec![1_u32.into()]);
            let collected = QueryFragment::<Sqlite>::to_sql(
                &statement,
                &mut SqliteQueryBuilder::default(),
                &Sqlite,
            );
            assert!(collected.is_err(), "{sql}");
        }
    }
}
