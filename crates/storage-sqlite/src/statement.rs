//! Runs statements on a connection.

use diesel::sqlite::Sqlite;
use diesel::{QueryableByName, RunQueryDsl, SqliteConnection};
use domain::ports::StoreError;
use storage_sql::{Bind, Statement};

use crate::error::store_error;

/// Runs SQL that returns rows.
pub(crate) fn load<R>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: Vec<Bind>,
) -> Result<Vec<R>, StoreError>
where
    R: QueryableByName<Sqlite> + 'static,
{
    RunQueryDsl::load(Statement::new(sql, binds), connection).map_err(store_error)
}

/// Runs SQL that returns the number of affected rows.
pub(crate) fn execute(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: Vec<Bind>,
) -> Result<usize, StoreError> {
    RunQueryDsl::execute(Statement::new(sql, binds), connection).map_err(store_error)
}
