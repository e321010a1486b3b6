//! `cargo xtask export`: a whole deployment into one file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use domain::ports::{AuditQueries, TransferSource};
use settings::Settings;
use storage_postgres::PgStore;

use crate::audit::refuse_findings;
use crate::dump::{DumpWriter, Summary};
use crate::progress::Progress;
use crate::{connection, data_file};

/// Records read at a time.
const PAGE: u32 = 5_000;

/// What to export.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to write, which must not exist yet.
    #[arg(value_name = "OUT", value_parser = data_file::path)]
    out: PathBuf,
    /// The data file of an embedded deployment, which must be stopped; without it, the database of the settings is
    /// exported.
    #[arg(long, value_name = "FILE", value_parser = data_file::path)]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let summary = if let Some(path) = &args.data {
        data_file::must_exist(path)?;
        let store = data_file::open(path, &settings.embedded)?;
        runtime.block_on(export(&store, &store, &args.out))?
    } else {
        let options = connection::pg_options(&settings.database);
        runtime.block_on(async {
            let store = PgStore::new(&options)?;
            export(&store, &store, &args.out).await
        })?
    };
    println!("{}: {}", args.out.display(), contents(&summary));
    if args.data.is_some() {
        println!(
            "to move it to PostgreSQL:  cargo xtask import {}",
            args.out.display()
        );
    }
    Ok(())
}

/// What a dump holds, in words.
pub(crate) fn contents(summary: &Summary) -> String {
    format!(
        "{} products, {} orders, {} vendors, {} idempotency keys",
        summary.products, summary.orders, summary.vendors, summary.keys
    )
}

async fn export(
    source: &dyn TransferSource,
    audit: &dyn AuditQueries,
    out: &Path,
) -> Result<Summary> {
    refuse_findings(&audit.audit().await?).context("what contradicts itself is not exported")?;
    let mut writer = DumpWriter::create(out)?;
    let mut reader = source.read_all().await?;
    let mut progress = Progress::count("exporting");
    let mut done = 0;
    loop {
        let page = reader.next(PAGE).await?;
        if page.is_empty() {
            break;
        }
        for record in &page {
            writer.write(record)?;
        }
        done += page.len() as u64;
        progress.at(done);
    }
    writer.finish()
}
