//! A hand-written SQL statement that is prepared once per connection.
//!
//! diesel's own `sql_query` is prepared at each call, because its text may vary. Here the text is `'static` and all
//! values are bound, so the text is the key of the prepared-statement cache.

use diesel::pg::Pg;
use diesel::pg::data_types::PgTimestamp;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Untyped};
use diesel::{QueryResult, QueryableByName};
use diesel_async::AsyncPgConnection;

/// A bind value.
#[derive(Debug, Clone)]
pub(crate) enum Bind {
    BigInt(i64),
    OptionalBigInt(Option<i64>),
    Text(String),
    OptionalText(Option<String>),
    Timestamp(PgTimestamp),
    OptionalTimestamp(Option<PgTimestamp>),
    BigInts(Vec<i64>),
    Integers(Vec<i32>),
    Texts(Vec<String>),
    OptionalTexts(Vec<Option<String>>),
    Timestamps(Vec<PgTimestamp>),
    Bools(Vec<bool>),
    OptionalBigInts(Vec<Option<i64>>),
    OptionalTimestamps(Vec<Option<PgTimestamp>>),
}

pub(crate) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Bind {
    Bind::Texts(texts.map(str::to_owned).collect())
}

/// Runs SQL that returns rows.
pub(crate) async fn load<R>(
    connection: &mut AsyncPgConnection,
    sql: &'static str,
    binds: Vec<Bind>,
) -> QueryResult<Vec<R>>
where
    R: QueryableByName<Pg> + Send + 'static,
{
    diesel_async::RunQueryDsl::load(Statement { sql, binds }, connection).await
}

/// Runs SQL that returns the number of affected rows.
pub(crate) async fn execute(
    connection: &mut AsyncPgConnection,
    sql: &'static str,
    binds: Vec<Bind>,
) -> QueryResult<usize> {
    diesel_async::RunQueryDsl::execute(Statement { sql, binds }, connection).await
}

/// SQL with `$1`, `$2`, … in ascending order, each once, and their values.
#[derive(Debug)]
struct Statement {
    sql: &'static str,
    binds: Vec<Bind>,
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

impl<C> diesel::RunQueryDsl<C> for Statement {}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut rest = self.sql;
        for (index, bind) in self.binds.iter().enumerate() {
            let marker = format!("${}", index + 1);
            let (before, after) = rest.split_once(&marker).ok_or_else(|| {
                diesel::result::Error::QueryBuilderError(
                    format!("{marker} is missing in: {}", self.sql).into(),
                )
            })?;
            out.push_sql(before);
            push(&mut out, bind)?;
            rest = after;
        }
        out.push_sql(rest);
        Ok(())
    }
}

fn push<'b>(out: &mut AstPass<'_, 'b, Pg>, bind: &'b Bind) -> QueryResult<()> {
    match bind {
        Bind::BigInt(value) => out.push_bind_param::<BigInt, _>(value),
        Bind::OptionalBigInt(value) => out.push_bind_param::<Nullable<BigInt>, _>(value),
        Bind::Text(value) => out.push_bind_param::<Text, _>(value),
        Bind::OptionalText(value) => out.push_bind_param::<Nullable<Text>, _>(value),
        Bind::Timestamp(value) => out.push_bind_param::<Timestamptz, _>(value),
        Bind::OptionalTimestamp(value) => out.push_bind_param::<Nullable<Timestamptz>, _>(value),
        Bind::BigInts(values) => out.push_bind_param::<Array<BigInt>, _>(values),
        Bind::Integers(values) => out.push_bind_param::<Array<Integer>, _>(values),
        Bind::Texts(values) => out.push_bind_param::<Array<Text>, _>(values),
        Bind::OptionalTexts(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values),
        Bind::Timestamps(values) => out.push_bind_param::<Array<Timestamptz>, _>(values),
        Bind::Bools(values) => out.push_bind_param::<Array<Bool>, _>(values),
        Bind::OptionalBigInts(values) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(values),
        Bind::OptionalTimestamps(values) => {
            out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(values)
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::debug_query;

    use super::*;

    #[test]
    fn values_are_bound_in_place() {
        let statement = Statement {
            sql: "SELECT b FROM t WHERE a = $1 AND b = ANY($2) LIMIT $3",
            binds: vec![
                Bind::Text("x".to_owned()),
                Bind::BigInts(vec![1, 2]),
                Bind::BigInt(3),
            ],
        };
        let shown = debug_query::<Pg, _>(&statement).to_string();
        assert_eq!(
            shown,
            r#"SELECT b FROM t WHERE a = $1 AND b = ANY($2) LIMIT $3 -- binds: ["x", [1, 2], 3]"#
        );
    }
}
