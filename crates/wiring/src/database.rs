//! PostgreSQL.

use std::time::Duration;

use anyhow::bail;
use settings::DatabaseSettings;
use storage_postgres::migrations::{self, MigrationError};
use storage_postgres::{ConnectError, PgOptions, PoolingMode, check_server, unfinished_import};

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
        pool_timeout: settings.pool_timeout,
        statement_timeout: settings.statement_timeout,
        lock_timeout: settings.lock_timeout,
        commit_timeout: settings.commit_timeout,
    }
}

/// Migrations and the server are looked at when a program starts only, so a database that hangs may not hold the start up
/// for long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends the program when the database is one that it cannot work with: it refuses the login, it is behind the program, or
/// a pooler is between that gives each transaction another connection. One that cannot be reached is no reason to end: it
/// may come.
///
/// # Errors
/// If one of these holds, or the database cannot be looked at for another reason than that it is away.
pub async fn check_database(options: &PgOptions) -> anyhow::Result<()> {
    match tokio::time::timeout(PATIENCE, look_at(options)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => match error.downcast_ref::<ConnectError>() {
            Some(away) if !away.is_permanent() => {
                tracing::warn!(database = ?options, error = %away, "the database cannot be looked at yet; starting all the same");
                Ok(())
            }
            _ => Err(error.context(format!("database {options:?}"))),
        },
        Err(_) => {
            tracing::warn!(database = ?options, "the database does not answer yet; starting all the same");
            Ok(())
        }
    }
}

async fn look_at(options: &PgOptions) -> anyhow::Result<()> {
    let server = check_server(options).await?;
    if server.pooling == PoolingMode::Transaction {
        bail!(
            "a connection pooler gives each transaction another connection to the server: set its pool_mode to session"
        );
    }
    if !server.fsync {
        tracing::warn!(database = ?options, "fsync is off: a crash of the database's machine loses accepted orders");
    }
    check_migrations(options).await
}

async fn check_migrations(options: &PgOptions) -> anyhow::Result<()> {
    match migrations::pending(options).await {
        Ok(pending) if pending.is_empty() => {
            // Without it the sweeper does so, or the first reader of events.
            match tokio::time::timeout(PATIENCE, migrations::reset_foreign_change_log(options))
                .await
            {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(database = ?options, %error, "change log not checked; the sweeper will");
                }
                Err(_) => {
                    tracing::warn!(database = ?options, "change log not checked in time; the sweeper will");
                }
            }
            refuse_unfinished_import(options).await
        }
        Ok(pending) => bail!(
            "it lacks {} migrations, the first is {}: run `cargo xtask migrate`",
            pending.len(),
            pending[0]
        ),
        Err(MigrationError::Unreachable(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

/// Only an import that is there counts: a database that has just gone away may come back.
async fn refuse_unfinished_import(options: &PgOptions) -> anyhow::Result<()> {
    if let Ok(Some(name)) = unfinished_import(options).await {
        bail!(
            "it holds a part of the import {name:?}, which has not ended: run the import again to its end, or use another \
             database"
        );
    }
    Ok(())
}
