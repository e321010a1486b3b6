//! Looking for an import that was begun and has not ended.

use diesel::QueryableByName;
use diesel::sql_types::Text;

use crate::migrations::MigrationError;
use crate::options::PgOptions;
use crate::session::connect;
use crate::statement;

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The name of an import that has not ended, if there is one. A program that works on such a database sees a part of the
/// orders and of the stock, and what it writes keeps the import from being continued.
///
/// # Errors
/// [`MigrationError`].
pub async fn unfinished_import(options: &PgOptions) -> Result<Option<String>, MigrationError> {
    const SQL: &str = "SELECT name FROM transfers WHERE finished_at IS NULL ORDER BY name LIMIT 1";
    let mut connection = connect(options, &options.database).await?.connection;
    let found: Vec<NameRow> = statement::load(&mut connection, SQL, Vec::new()).await?;
    Ok(found.into_iter().next().map(|row| row.name))
}
