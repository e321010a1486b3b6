//! `order-aggregator-admin export`: exports a deployment to one file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use progress::Progress;
use settings::Settings;

use crate::audit::fail_on_findings;
use crate::dump::{DumpWriter, Summary};
use crate::store::{self, Access, AdminStore};

/// Records per page.
const PAGE: u32 = 5_000;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to write. It must not exist.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Data file of an embedded deployment, which must be stopped [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Write, settings, &runtime)?;
    let summary = runtime.block_on(export(&*store, &args.out))?;
    println!("{}: {}", args.out.display(), contents(&summary));
    if args.data.is_some() {
        println!(
            "To import it into PostgreSQL:  order-aggregator-admin import {}",
            args.out.display()
        );
    }
    Ok(())
}

/// Returns the contents of a dump as text.
pub(crate) fn contents(summary: &Summary) -> String {
    format!(
        "{} products, {} orders, {} vendors, {} idempotency keys",
        summary.products, summary.orders, summary.vendors, summary.keys
    )
}

async fn export(source: &dyn AdminStore, out: &Path) -> Result<Summary> {
    fail_on_findings(&source.audit().await?)
        .context("an inconsistent deployment cannot be exported")?;
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
        progress.set_position(done);
    }
    writer.finish()
}
