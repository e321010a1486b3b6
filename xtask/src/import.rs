//! `cargo xtask import`: a whole deployment from one file into PostgreSQL, resumable.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use domain::ports::{AuditQueries, TransferRecord, TransferTarget};
use settings::Settings;
use storage_postgres::PgStore;

use crate::audit::refuse_findings;
use crate::dump::{self, Summary};
use crate::export::contents;
use crate::progress::Progress;
use crate::{connection, data_file, migrate};

/// Records in one transaction.
const PAGE: usize = 5_000;

/// What to import.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File that `cargo xtask export` wrote.
    #[arg(value_name = "FILE", value_parser = data_file::path)]
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    // Before anything is touched: half a file is not half a deployment.
    let summary = dump::check(&args.file)?;
    migrate::run(settings)?;
    let options = connection::pg_options(&settings.database);
    let database = options.database.clone();
    tokio::runtime::Runtime::new()?.block_on(async {
        let store = PgStore::new(&options)?;
        import(&store, &args.file, &summary)
            .await
            .with_context(|| format!("nothing is lost; database {database} is not complete yet"))?;
        refuse_findings(&store.audit().await?).context("the database contradicts itself")
    })?;
    println!(
        "database {database} holds {}, audit clean",
        contents(&summary)
    );
    println!("start the API and a worker on it; orders that were PENDING are settled then");
    Ok(())
}

async fn import(target: &dyn TransferTarget, file: &Path, summary: &Summary) -> Result<()> {
    let name = summary.name();
    let mut done = target.resume(&name).await?;
    if done.finished {
        eprintln!("this file was imported before");
        return Ok(());
    }
    if done.records > 0 {
        eprintln!(
            "going on after {} of {} records",
            done.records,
            summary.records()
        );
    }
    let mut progress = Progress::bar("importing", summary.records());
    let mut records = dump::records(file, done.records)?;
    loop {
        let page: Vec<TransferRecord> = records.by_ref().take(PAGE).collect::<Result<_>>()?;
        if page.is_empty() {
            break;
        }
        let count = page.len() as u64;
        target.append(&name, done.records, page).await?;
        done.records += count;
        progress.at(done.records);
    }
    ensure!(
        done.records == summary.records(),
        "{} records were read, {} were expected",
        done.records,
        summary.records()
    );
    target.finish(&name).await?;
    Ok(())
}
