//! Runs statements on a connection of diesel-async.
//!
//! The connection is shared: statements whose futures are polled together are sent together, and the server executes them in
//! the order in which they were sent.

use diesel::pg::Pg;
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::future::{join_all, join3};
use storage_sql::Statement;

/// Begins a transaction. The isolation level is set explicitly, independent of the server's default, because locked rows must
/// be read as the last lock holder left them.
pub(crate) async fn begin(mut connection: &AsyncPgConnection) -> QueryResult<()> {
    connection
        .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        .await
}

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

/// Sends three statements that return rows together. On a connection that has not run them before, each is prepared and sent
/// before the next one, so they are executed in this order if no statement is also sent without those before it. In a
/// transaction, the first error is the cause.
pub(crate) async fn load_three<A, B, C>(
    connection: &AsyncPgConnection,
    [first, second, third]: &[Statement; 3],
) -> QueryResult<(Vec<A>, Vec<B>, Vec<C>)>
where
    A: QueryableByName<Pg> + Send + 'static,
    B: QueryableByName<Pg> + Send + 'static,
    C: QueryableByName<Pg> + Send + 'static,
{
    let loaded = join3(
        load(connection, first),
        load(connection, second),
        load(connection, third),
    );
    let (first, second, third) = loaded.await;
    Ok((first?, second?, third?))
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
