//! Runs statements on a connection of diesel-async.
//!
//! The connection is shared: statements whose futures are polled together are sent together, and the server executes them in
//! the order in which they were sent.

use diesel::pg::Pg;
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::join_all;
use storage_sql::Statement;

/// Runs a statement that returns rows.
pub(crate) async fn load<R>(
    mut connection: &AsyncPgConnection,
    statement: &Statement,
) -> QueryResult<Vec<R>>
where
    R: QueryableByName<Pg> + Send + 'static,
{
    RunQueryDsl::load(statement, &mut connection).await
}

/// Runs a statement that returns the number of affected rows.
pub(crate) async fn execute(
    mut connection: &AsyncPgConnection,
    statement: &Statement,
) -> QueryResult<usize> {
    RunQueryDsl::execute(statement, &mut connection).await
}

/// Sends statements together, and returns the number of rows that each affected. In a transaction, the first error is the
/// cause: the server rejects the statements after it.
pub(crate) async fn execute_all(
    connection: &AsyncPgConnection,
    statements: &[Statement],
) -> QueryResult<Vec<usize>> {
    let each = statements
        .iter()
        .map(|statement| execute(connection, statement));
    join_all(each).await.into_iter().collect()
}
