//! Runs statements on a connection of diesel-async.

use diesel::pg::Pg;
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage_sql::{Bind, Statement};

/// Runs SQL that returns rows.
pub(crate) async fn load<R>(
    connection: &mut AsyncPgConnection,
    sql: &'static str,
    binds: Vec<Bind>,
) -> QueryResult<Vec<R>>
where
    R: QueryableByName<Pg> + Send + 'static,
{
    RunQueryDsl::load(Statement::new(sql, binds), connection).await
}

/// Runs SQL that returns the number of affected rows.
pub(crate) async fn execute(
    connection: &mut AsyncPgConnection,
    sql: &'static str,
    binds: Vec<Bind>,
) -> QueryResult<usize> {
    RunQueryDsl::execute(Statement::new(sql, binds), connection).await
}
