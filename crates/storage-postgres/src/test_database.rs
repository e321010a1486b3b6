//! Temporary databases for tests, cloned from a template that is migrated once.
//!
//! The server is given by `DB_HOST`, `DB_PORT`, `DB_USER` and `DB_PASSWORD`, as for the programs. An unreachable server
//! fails the test.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use storage_sql::{FlagRow, Statement};

use crate::migrations::{self, MAINTENANCE_DATABASE, MigrationError};
use crate::options::PgOptions;
use crate::session::connect;
use crate::statement;

/// Advisory lock held while the template is created, so that concurrent tests create it once.
const TEMPLATE_LOCK_KEY: i64 = 0x7465_6d70_6c61;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A temporary, migrated, empty database, dropped with this value.
pub struct TestDatabase {
    options: PgOptions,
    is_left_behind: bool,
}

impl TestDatabase {
    /// Clones the template, and creates the template first if there is none for these migrations.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub async fn create() -> Result<Self, MigrationError> {
        Self::create_on(server_from_environment()).await
    }

    /// Creates a database like [`Self::create`], on the server and with the limits of these options; their database
    /// name is ignored.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub async fn create_on(mut options: PgOptions) -> Result<Self, MigrationError> {
        let template = format!("order_aggregator_template_{:016x}", fingerprint()?);
        let mut admin = connect(&options, MAINTENANCE_DATABASE).await?.connection;
        ensure_template(&options, &template, &mut admin).await?;

        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        options.database = format!("order_aggregator_test_{}_{number}", std::process::id());
        admin
            .batch_execute(&format!(
                "DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)",
                options.database
            ))
            .await?;
        admin
            .batch_execute(&format!(
                "CREATE DATABASE \"{}\" TEMPLATE \"{template}\"",
                options.database
            ))
            .await?;
        Ok(Self {
            options,
            is_left_behind: false,
        })
    }

    /// Keeps the database when this value is dropped, for a server that is stopped before.
    #[must_use]
    pub fn keep_on_drop(mut self) -> Self {
        self.is_left_behind = true;
        self
    }

    /// Returns the options for connecting to the database.
    #[must_use]
    pub fn options(&self) -> &PgOptions {
        &self.options
    }

    /// Runs SQL in the database, to change or read what the program cannot.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub async fn execute(&self, sql: &str) -> Result<(), MigrationError> {
        let session = connect(&self.options, &self.options.database).await?;
        let mut connection = session.connection;
        Ok(connection.batch_execute(sql).await?)
    }
}

/// A session that bypasses the program, as an administrator's would. Its transaction ends when it is dropped.
pub struct TestSession(AsyncPgConnection);

impl TestSession {
    /// Runs SQL in the session.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub async fn execute(&mut self, sql: &str) -> Result<(), MigrationError> {
        Ok(self.0.batch_execute(sql).await?)
    }
}

impl TestDatabase {
    /// Opens a session.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub async fn session(&self) -> Result<TestSession, MigrationError> {
        let session = connect(&self.options, &self.options.database).await?;
        Ok(TestSession(session.connection))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.is_left_behind {
            return;
        }
        let options = self.options.clone();
        // Uses a runtime of its own, because the runtime of the test may be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let mut admin = connect(&options, MAINTENANCE_DATABASE)
                    .await
                    .map_err(|error| error.to_string())?
                    .connection;
                admin
                    .batch_execute(&format!(
                        "DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)",
                        options.database
                    ))
                    .await
                    .map_err(|error| error.to_string())
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            tracing::warn!(%error, "cannot drop a test database");
        }
    }
}

/// Returns the connection options of the server, without a database.
#[must_use]
pub fn server_from_environment() -> PgOptions {
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    PgOptions {
        host: setting("DB_HOST", "127.0.0.1"),
        port: setting("DB_PORT", "5432").parse().unwrap_or(5432),
        user: setting("DB_USER", "postgres"),
        password: env::var("DB_PASSWORD").ok().filter(|text| !text.is_empty()),
        database: String::new(),
        tls: None,
        application_name: "order-aggregator-test".to_owned(),
        pool_size: 10,
        pool_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        commit_timeout: Duration::from_secs(10),
    }
}

/// Changes with the text of any migration.
fn fingerprint() -> Result<u64, MigrationError> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");
    hash_of_migrations(folder.as_ref()).map_err(|error| MigrationError::Failed(Box::new(error)))
}

fn hash_of_migrations(folder: &Path) -> io::Result<u64> {
    let mut folders = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    folders.sort();
    let mut hasher = DefaultHasher::new();
    for folder in folders {
        folder.file_name().hash(&mut hasher);
        fs::read_to_string(folder.join("up.sql"))?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

async fn ensure_template(
    options: &PgOptions,
    template: &str,
    admin: &mut AsyncPgConnection,
) -> Result<(), MigrationError> {
    const READY: &str =
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate) AS flag";
    admin
        .batch_execute(&format!(
            "SET lock_timeout = 0; SET statement_timeout = 0; \
             SELECT pg_advisory_lock({TEMPLATE_LOCK_KEY})"
        ))
        .await?;
    let ready: Vec<FlagRow> =
        statement::load(admin, &Statement::new(READY, vec![template.into()])).await?;
    if !storage_sql::flag(&ready) {
        // A database that is not a template yet was created only partly.
        admin
            .batch_execute(&format!(
                "DROP DATABASE IF EXISTS \"{template}\" WITH (FORCE)"
            ))
            .await?;
        let options = PgOptions {
            database: template.to_owned(),
            ..options.clone()
        };
        migrations::ensure_database(&options).await?;
        migrations::run(&options).await?;
        admin
            .batch_execute(&format!("ALTER DATABASE \"{template}\" IS_TEMPLATE true"))
            .await?;
    }
    admin
        .batch_execute(&format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK_KEY})"))
        .await?;
    Ok(())
}
