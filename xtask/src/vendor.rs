//! `cargo xtask vendor`: the vendors of a deployment.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use clock_tokio::SystemClock;
use domain::services::VendorSets;
use settings::Settings;
use storage_postgres::PgStore;

use crate::connection;
use crate::data_file;

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the vendors of the settings the configured ones, also if a newer set replaced them.
    ///
    /// A process applies its settings itself if their vendors were never applied before. This command is for vendors that
    /// were replaced and are to be brought back. A vendor that was not configured is not sold from before its next report.
    Apply(ApplyArgs),
}

#[derive(Debug, clap::Args)]
struct ApplyArgs {
    /// Apply them to this data file of the embedded deployment, which must not be running; without it, to the database of
    /// the settings.
    #[arg(long, value_name = "FILE", value_parser = data_file::path)]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    match &args.command {
        Command::Apply(args) => apply(args, settings),
    }
}

fn apply(args: &ApplyArgs, settings: &Settings) -> Result<()> {
    let set = wiring::vendor_set(settings)?;
    let clock = Arc::new(SystemClock);
    let runtime = tokio::runtime::Runtime::new()?;
    let applied = if let Some(path) = &args.data {
        data_file::must_exist(path)?;
        let store = Arc::new(data_file::open(path, &settings.embedded)?);
        let sets = VendorSets::new(store.clone(), store, clock);
        runtime.block_on(sets.apply(&set))?
    } else {
        let options = connection::pg_options(&settings.database);
        runtime.block_on(async {
            let store = Arc::new(PgStore::new(&options)?);
            let sets = VendorSets::new(store.clone(), store, clock);
            anyhow::Ok(sets.apply(&set).await?)
        })?
    };
    let vendors = applied.configured.iter();
    let ids: Vec<&str> = vendors
        .map(|member| member.vendor.vendor_id.as_str())
        .collect();
    let word = if applied.applied {
        "is the current one now"
    } else {
        "was the current one already"
    };
    println!("vendor set {} {word}", set.digest());
    println!("configured vendors: {}", ids.join(", "));
    Ok(())
}
