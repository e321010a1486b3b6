//! A hand-written SQL statement that is prepared once per connection.
//!
//! diesel's own `sql_query` is prepared at each call, because its text may vary. Here the text is `'static` and all
//! values are bound, so the text is the key of the prepared-statement cache.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::ports::StoreError;
use domain::timestamp::Timestamp;

use crate::error::store_error;

/// A bind value.
#[derive(Debug, Clone)]
pub(crate) enum Bind {
    Integer(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Bind {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<u32> for Bind {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<bool> for Bind {
    fn from(flag: bool) -> Self {
        i64::from(flag).into()
    }
}

impl From<OrderId> for Bind {
    fn from(id: OrderId) -> Self {
        id.0.into()
    }
}

impl From<Timestamp> for Bind {
    fn from(instant: Timestamp) -> Self {
        instant.as_micros().into()
    }
}

impl From<Option<Timestamp>> for Bind {
    fn from(instant: Option<Timestamp>) -> Self {
        Self::Integer(instant.map(Timestamp::as_micros))
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

/// Binds several values as one JSON array, for the table-valued function `json_each`.
pub(crate) fn json(values: impl IntoIterator<Item = impl Into<serde_json::Value>>) -> Bind {
    let array: serde_json::Value = values.into_iter().map(Into::into).collect();
    Bind::Text(Some(array.to_string()))
}

/// Runs SQL that returns rows.
pub(crate) fn load<R, const N: usize>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: [Bind; N],
) -> Result<Vec<R>, StoreError>
where
    R: QueryableByName<Sqlite> + 'static,
{
    RunQueryDsl::load(Statement { sql, binds }, connection).map_err(store_error)
}

/// Runs SQL that returns the number of affected rows.
pub(crate) fn execute<const N: usize>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: [Bind; N],
) -> Result<usize, StoreError> {
    RunQueryDsl::execute(Statement { sql, binds }, connection).map_err(store_error)
}

/// SQL with one `?` per value.
#[derive(Debug)]
struct Statement<const N: usize> {
    sql: &'static str,
    binds: [Bind; N],
}

impl<const N: usize> QueryId for Statement<N> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<const N: usize> Query for Statement<N> {
    type SqlType = Untyped;
}

impl<C, const N: usize> RunQueryDsl<C> for Statement<N> {}

impl<const N: usize> QueryFragment<Sqlite> for Statement<N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut parts = self.sql.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        let mut binds = self.binds.iter();
        for part in parts {
            let bind = binds.next().ok_or_else(|| self.mismatch())?;
            match bind {
                Bind::Integer(value) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                Bind::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value)?,
            }
            out.push_sql(part);
        }
        if binds.next().is_some() {
            return Err(self.mismatch());
        }
        Ok(())
    }
}

impl<const N: usize> Statement<N> {
    fn mismatch(&self) -> diesel::result::Error {
        let text = format!("the number of ? is not {N} in: {}", self.sql);
        diesel::result::Error::QueryBuilderError(text.into())
    }
}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::sqlite::SqliteQueryBuilder;

    use super::*;

    #[test]
    fn values_are_bound_in_place() {
        let binds = [json(["x", "y"]), Bind::from(3_u32)];
        let statement = Statement {
            sql: "SELECT value FROM json_each(?) LIMIT ?",
            binds,
        };
        let shown = debug_query::<Sqlite, _>(&statement).to_string();
        assert_eq!(
            shown,
            r#"SELECT value FROM json_each(?) LIMIT ? -- binds: [Some("[\"x\",\"y\"]"), Some(3)]"#
        );
    }

    #[test]
    fn a_mismatched_number_of_values_is_an_error() {
        for sql in ["SELECT 1", "SELECT ?, ?"] {
            let binds = [Bind::from(1_u32)];
            let statement = Statement { sql, binds };
            let collected = QueryFragment::<Sqlite>::to_sql(
                &statement,
                &mut SqliteQueryBuilder::default(),
                &Sqlite,
            );
            assert!(collected.is_err(), "{sql}");
        }
    }
}
