//! PostgreSQL.

use std::time::Duration;

use anyhow::{Context as _, bail};
use settings::DatabaseSettings;
use storage_postgres::PgOptions;
use storage_postgres::migrations::{self, MigrationError};

/// How a program that calls itself `program` reaches the database.
#[must_use]
pub fn postgres(settings: &DatabaseSettings, program: &str) -> PgOptions {
    PgOptions {
        host: settings.host.clone(),
        port: settings.port,
        user: settings.user.clone(),
        password: settings
            .password
            .as_ref()
            .map(|password| password.reveal().to_owned()),
        database: settings.name.clone(),
        application_name: program.to_owned(),
        pool_size: settings.pool_size,
        pool_wait: settings.pool_wait,
        statement_timeout: settings.statement_timeout,
        lock_timeout: settings.lock_timeout,
    }
}

/// Ends the program when the database is behind it; one that cannot be reached is no reason to, it may come.
///
/// # Errors
/// If migrations are pending, or the database cannot be looked at for another reason than that it is away.
pub async fn check_migrations(options: &PgOptions) -> anyhow::Result<()> {
    /// Migrations are looked for at start only, so a database that hangs may not hold the start up for long.
    const PATIENCE: Duration = Duration::from_secs(10);
    match tokio::time::timeout(PATIENCE, migrations::pending(options)).await {
        Ok(Ok(pending)) if pending.is_empty() => {
            // Without it the sweeper does so, or the first reader of events.
            match tokio::time::timeout(PATIENCE, migrations::reset_foreign_change_log(options))
                .await
            {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(database = ?options, %error, "change log not checked; the sweeper will")
                }
                Err(_) => {
                    tracing::warn!(database = ?options, "change log not checked in time; the sweeper will")
                }
            }
            Ok(())
        }
        Ok(Ok(pending)) => bail!(
            "database {options:?} lacks {} migrations, the first is {}: run `cargo xtask migrate`",
            pending.len(),
            pending[0]
        ),
        Ok(Err(error @ MigrationError::Unreachable(_))) => {
            tracing::warn!(database = ?options, %error, "the database cannot be looked at yet; starting all the same");
            Ok(())
        }
        Ok(Err(error)) => Err(error).with_context(|| format!("database {options:?}")),
        Err(_) => {
            tracing::warn!(database = ?options, "the database does not answer yet; starting all the same");
            Ok(())
        }
    }
}
