//! Detects an unfinished import.

use storage_sql::{Statement, TextRow};

use crate::migrations::MigrationError;
use crate::options::PgOptions;
use crate::session::connect;
use crate::statement;

/// Returns the name of an unfinished import, if there is one. A program that works on such a database sees only a part
/// of the orders and stock, and its writes prevent the import from being continued.
///
/// # Errors
/// [`MigrationError`].
/// [`MigrationError`].
pub async fn unfinished_import(options: &PgOptions) -> Result<Option<String>, MigrationError> {
    const SQL: &str =
        "SELECT name AS text FROM transfers WHERE finished_at IS NULL ORDER BY name LIMIT 1";
    let connection = connect(options, &options.database).await?.connection;
    let found: Vec<TextRow> =
        statement::load(&connection, &Statement::new(SQL, Vec::new())).await?;
    Ok(found.into_iter().next().map(|row| row.text))
}
