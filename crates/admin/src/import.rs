//! `order-aggregator-admin import`: imports a deployment from one file into PostgreSQL. An interrupted import can be resumed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use domain::ports::{AuditQueries, TransferRecord, TransferTarget};
use progress::Progress;
use settings::Settings;
use storage_postgres::PgStore;

use crate::audit::fail_on_findings;
use crate::dump::{self, Summary};
use crate::export::contents;
use crate::{connection, migrate};

/// Records per transaction.
const PAGE: usize = 5_000;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File written by `order-aggregator-admin export`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    // Verify the file before the database is changed: an incomplete file must not be imported.
    let summary = dump::check(&args.file)?;
    migrate::run(settings)?;
    let options = connection::postgres(settings);
    let database = options.database.clone();
    tokio::runtime::Runtime::new()?.block_on(async {
        let store = PgStore::new(&options)?;
        import(&store, &args.file, &summary)
            .await
            .with_context(|| {
                format!("database {database} is incomplete; run the command again to resume")
            })?;
        fail_on_findings(&store.audit().await?).context("the imported database is inconsistent")
    })?;
    println!(
        "database {database} contains {}, audit clean",
        contents(&summary)
    );
    println!("Start the API and a worker; orders that are still PENDING will be settled.");
    Ok(())
}

async fn import(target: &dyn TransferTarget, file: &Path, summary: &Summary) -> Result<()> {
    let name = summary.name();
    let mut done = target.resume(&name).await?;
    if done.finished {
        eprintln!("this file is already imported");
        return Ok(());
    }
    if done.records > 0 {
        eprintln!(
            "resuming after {} of {} records",
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
        progress.set_position(done.records);
    }
    ensure!(
        done.records == summary.records(),
        "read {} records, expected {}",
        done.records,
        summary.records()
    );
    target.finish(&name).await?;
    Ok(())
}
