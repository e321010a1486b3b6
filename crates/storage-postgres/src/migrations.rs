//! Runs schema migrations, which are embedded in the program.

use std::time::Duration;

use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use storage_sql::{FlagRow, Statement};
use thiserror::Error;

use crate::connect_error::ConnectError;
use crate::options::PgOptions;
use crate::session::connect;
use crate::statement;
use crate::store::PgStore;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Database that exists on every server, used for creating others.
pub(crate) const MAINTENANCE_DATABASE: &str = "postgres";

/// Advisory lock held while migrations run, so that processes that start at the same time run them once.
const LOCK_KEY: i64 = 0x6f72_6465_7273;

/// Timeout of waiting for the migrations of another process.
const LOCK_TIMEOUT: Duration = Duration::from_mins(5);

/// Why migrations could not be run or listed.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// No session with the server could be opened.
    #[error(transparent)]
    Unreachable(#[from] ConnectError),
    /// The server rejected a statement.
    #[error("the database rejected a statement: {0}")]
    Refused(#[from] diesel::result::Error),
    /// A migration failed and was rolled back.
    #[error("a migration failed: {0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Creates the database if it does not exist. Returns whether it was created.
///
/// # Errors
/// [`MigrationError`].
pub async fn ensure_database(options: &PgOptions) -> Result<bool, MigrationError> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS flag";
    if connect(options, &options.database).await.is_ok() {
        return Ok(false);
    }
    let mut connection = connect(options, MAINTENANCE_DATABASE).await?.connection;
    let name = vec![options.database.as_str().into()];
    let exists: Vec<FlagRow> = statement::load(&connection, &Statement::new(SQL, name)).await?;
    if storage_sql::flag(&exists) {
        return Ok(false);
    }
    let name = options.database.replace('"', "\"\"");
    connection
        .batch_execute(&format!(
            "CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"
        ))
        .await?;
    Ok(true)
}

/// Returns the names of the pending migrations.
///
/// # Errors
/// [`MigrationError`].
pub async fn pending(options: &PgOptions) -> Result<Vec<String>, MigrationError> {
    // Does not take the lock, so that a program that starts while another one migrates returns immediately.
    let connection = connect(options, &options.database).await?.connection;
    on_harness(connection, |harness| {
        let pending = harness.pending_migrations(MIGRATIONS)?;
        Ok(pending
            .iter()
            .map(|migration| migration.name().to_string())
            .collect())
    })
    .await
}

/// Runs the pending migrations, each in a transaction, and returns their names. A concurrent second process waits, and
/// then finds none pending.
///
/// # Errors
/// [`MigrationError`].
pub async fn run(options: &PgOptions) -> Result<Vec<String>, MigrationError> {
    let ran = with_harness(options, |harness| {
        let versions = harness.run_pending_migrations(MIGRATIONS)?;
        Ok(versions.iter().map(ToString::to_string).collect())
    })
    .await?;
    reset_foreign_change_log(options).await?;
    Ok(ran)
}

/// Resets a change log that was restored from another cluster, and returns whether it was reset.
///
/// # Errors
/// [`MigrationError`].
pub async fn reset_foreign_change_log(options: &PgOptions) -> Result<bool, MigrationError> {
    let failed = |error| MigrationError::Failed(Box::new(error));
    let store = PgStore::new(options).map_err(failed)?;
    store.reset_foreign_change_log().await.map_err(failed)
}

/// Reverts all migrations and runs them again, which proves that each can be reverted.
///
/// # Errors
/// [`MigrationError`].
pub async fn redo_all(options: &PgOptions) -> Result<(), MigrationError> {
    with_harness(options, |harness| {
        harness.revert_all_migrations(MIGRATIONS)?;
        harness.run_pending_migrations(MIGRATIONS)?;
        Ok(())
    })
    .await
}

type Harness = AsyncMigrationHarness<AsyncPgConnection>;
type HarnessResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

async fn with_harness<T: Send + 'static>(
    options: &PgOptions,
    work: impl FnOnce(&mut Harness) -> HarnessResult<T> + Send + 'static,
) -> Result<T, MigrationError>
where
    Harness: MigrationHarness<Pg>,
{
    let mut connection = connect(options, &options.database).await?.connection;
    let lock_timeout_ms = LOCK_TIMEOUT.as_millis();
    connection
        .batch_execute(&format!(
            "SET statement_timeout = 0; SET lock_timeout = {lock_timeout_ms}; \
             SELECT pg_advisory_lock({LOCK_KEY}); RESET lock_timeout"
        ))
        .await?;
    on_harness(connection, work).await
}

async fn on_harness<T: Send + 'static>(
    connection: AsyncPgConnection,
    work: impl FnOnce(&mut Harness) -> HarnessResult<T> + Send + 'static,
) -> Result<T, MigrationError>
where
    Harness: MigrationHarness<Pg>,
{
    // The harness blocks its thread.
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        work(&mut harness)
    })
    .await
    .map_err(|error| MigrationError::Failed(Box::new(error)))?
    .map_err(MigrationError::Failed)
}
