//! `cargo xtask migrate`: creates the database if it is missing and runs pending migrations.

use anyhow::Result;
use dev_env::connection;
use settings::Settings;
use storage_postgres::migrations;

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let options = connection::pg_options(&settings.database);
    tokio::runtime::Runtime::new()?.block_on(async {
        if migrations::ensure_database(&options).await? {
            println!("created database {}", options.database);
        }
        let applied = migrations::run(&options).await?;
        for name in &applied {
            println!("applied {name}");
        }
        if applied.is_empty() {
            println!("database {} is up to date", options.database);
        }
        Ok(())
    })
}
