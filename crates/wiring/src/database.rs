//! Options and startup checks of PostgreSQL.

use std::time::Duration;

use anyhow::bail;
use settings::{DatabaseSettings, ExposeSecret as _, SslMode};
use storage_postgres::migrations::{self, MigrationError};
use storage_postgres::{ConnectError, PgOptions, PoolingMode, check_server, unfinished_import};
use tls_config::{ClientTls, ClientTlsOptions, Verification};

use crate::tls::identity;

/// Returns the database options of a program; `program` is its application name.
#[must_use]
pub fn postgres(settings: &DatabaseSettings, program: &str) -> PgOptions {
    PgOptions {
        host: settings.host.clone(),
        port: settings.port,
        user: settings.user.clone(),
        password: settings
            .password
            .as_ref()
            .map(|password| password.expose_secret().to_owned()),
        database: settings.name.clone(),
        tls: tls(settings),
        application_name: program.to_owned(),
        pool_size: settings.pool_size,
        pool_timeout: settings.pool_timeout,
        statement_timeout: settings.statement_timeout,
        lock_timeout: settings.lock_timeout,
        commit_timeout: settings.commit_timeout,
    }
}

fn tls(settings: &DatabaseSettings) -> Option<ClientTls> {
    let verification = match settings.sslmode {
        SslMode::Disable => return None,
        // As libpq does: a root certificate that is set is used.
        SslMode::Require if settings.sslrootcert.is_none() => Verification::None,
        SslMode::Require | SslMode::VerifyCa => Verification::Authority,
        SslMode::VerifyFull => Verification::Full,
    };
    Some(ClientTls::new(ClientTlsOptions {
        verification,
        root_certificates: settings.sslrootcert.clone(),
        identity: identity(settings.sslcert.as_ref(), settings.sslkey.as_ref()),
    }))
}

/// Timeout of each startup check, so that a database that hangs does not delay the start for long.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks that the program can work with the database: the login is accepted, no migration is missing, and no pooler in
/// transaction mode is in between. A database that is unreachable passes, because it may become available.
///
/// # Errors
/// If a check fails, or cannot be done for another reason than an unreachable database.
pub async fn check_database(options: &PgOptions) -> anyhow::Result<()> {
    match tokio::time::timeout(CHECK_TIMEOUT, run_checks(options)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => match error.downcast_ref::<ConnectError>() {
            Some(unreachable) if !unreachable.is_permanent() => {
                tracing::warn!(database = ?options, error = %unreachable, "the database is unreachable; starting without its checks");
                Ok(())
            }
            _ => Err(error.context(format!("database {options:?}"))),
        },
        Err(_) => {
            tracing::warn!(database = ?options, "the database does not respond; starting without its checks");
            Ok(())
        }
    }
}

async fn run_checks(options: &PgOptions) -> anyhow::Result<()> {
    let server = check_server(options).await?;
    if server.pooling == PoolingMode::Transaction {
        bail!(
            "a connection pooler assigns a server connection per transaction: set its pool_mode to session"
        );
    }
    if !server.fsync {
        tracing::warn!(database = ?options, "fsync is off: a crash of the database host loses accepted orders");
    }
    check_migrations(options).await
}

async fn check_migrations(options: &PgOptions) -> anyhow::Result<()> {
    match migrations::pending(options).await {
        Ok(pending) if pending.is_empty() => {
            // If this fails, the sweeper or the first event stream resets the change log.
            match tokio::time::timeout(CHECK_TIMEOUT, migrations::reset_foreign_change_log(options))
                .await
            {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(database = ?options, %error, "the change log cannot be checked; the sweeper checks it again");
                }
                Err(_) => {
                    tracing::warn!(database = ?options, "the change log was not checked in time; the sweeper checks it again");
                }
            }
            refuse_unfinished_import(options).await
        }
        Ok(pending) => bail!(
            "{} migrations are missing, the first is {}: run `order-aggregator-admin migrate`",
            pending.len(),
            pending[0]
        ),
        Err(MigrationError::Unreachable(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

/// Fails only if there is an unfinished import: a database that has become unreachable may recover.
async fn refuse_unfinished_import(options: &PgOptions) -> anyhow::Result<()> {
    if let Ok(Some(name)) = unfinished_import(options).await {
        bail!(
            "it contains part of the unfinished import {name:?}: run the import again to completion, or use another database"
        );
    }
    Ok(())
}
