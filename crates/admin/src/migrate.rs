//! `order-aggregator-admin migrate`: creates the database if it is missing and runs pending migrations.

use anyhow::Result;
use settings::Settings;
use storage_postgres::migrations;

use crate::connection;

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let options = connection::postgres(settings);
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
