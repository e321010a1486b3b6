//! Bringing a database up to date. The migrations are part of the program.

use std::time::Duration;

use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use thiserror::Error;

use crate::options::PgOptions;
use crate::rows::FlagRow;
use crate::session::{ConnectError, connect};
use crate::statement::{self, Bind};
use crate::store::PgStore;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Database that every server has, from which others are created.
pub(crate) const MAINTENANCE_DATABASE: &str = "postgres";

/// Held while migrations run, so that two processes that start at once do not run them twice.
const LOCK_KEY: i64 = 0x6f72_6465_7273;

/// Waiting for another process's migrations ends here.
const LOCK_TIMEOUT: Duration = Duration::from_mins(5);

/// Why a database could not be brought up to date, or looked at.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// There is no session with the server.
    #[error(transparent)]
    Unreachable(#[from] ConnectError),
    /// The server refused.
    #[error("the database refused: {0}")]
    Refused(#[from] diesel::result::Error),
    /// A migration failed; what it did is undone.
    #[error("a migration failed: {0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Creates the database if there is none of its name. Returns whether it was created.
///
/// # Errors
/// [`MigrationError`].
pub async fn ensure_database(options: &PgOptions) -> Result<bool, MigrationError> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS flag";
    if connect(options, &options.database).await.is_ok() {
        return Ok(false);
    }
    let mut connection = connect(options, MAINTENANCE_DATABASE).await?.connection;
    let exists: Vec<FlagRow> = statement::load(
        &mut connection,
        SQL,
        vec![Bind::Text(options.database.clone())],
    )
    .await?;
    if exists.iter().any(|row| row.flag) {
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

/// The names of the migrations that have not run yet.
///
/// # Errors
/// [`MigrationError`].
pub async fn pending(options: &PgOptions) -> Result<Vec<String>, MigrationError> {
    // Without the lock, so that a program that starts while another one migrates is told so at once.
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

/// Runs the migrations that have not run yet, each in a transaction, and returns their names. A process that comes
/// second waits, and finds nothing to do.
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

/// Resets a change log that was restored from another cluster, and returns whether it was one.
///
/// # Errors
/// [`MigrationError`].
pub async fn reset_foreign_change_log(options: &PgOptions) -> Result<bool, MigrationError> {
    let failed = |error| MigrationError::Failed(Box::new(error));
    let store = PgStore::new(options).map_err(failed)?;
    store.reset_foreign_change_log().await.map_err(failed)
}

/// Undoes all migrations and runs them again: proves that each can be undone.
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
