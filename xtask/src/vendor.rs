//! `cargo xtask vendor`: the vendors of a deployment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use clock_tokio::SystemClock;
use domain::identifiers::{InvalidId, VendorId};
use domain::services::{RenameVendor, VendorSets};
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
    /// Give a vendor another id, with its stock, what is in flight and the allocations of all orders.
    ///
    /// For a vendor that is to be read where it was, under another id: without this, its stock would count twice, and the
    /// programs refuse to start with such settings. Stop the workers first, and start them with the new id afterwards.
    /// Everything is moved in one transaction; orders wait for it.
    Rename(RenameArgs),
}

#[derive(Debug, clap::Args)]
struct RenameArgs {
    /// The id that the vendor has.
    #[arg(value_parser = vendor_id)]
    old: VendorId,
    /// The id that it gets; no vendor with this id may have stock.
    #[arg(value_parser = vendor_id)]
    new: VendorId,
    /// Rename it in this data file of the embedded deployment, which must not be running; without it, in the database of
    /// the settings.
    #[arg(long, value_name = "FILE", value_parser = data_file::path)]
    data: Option<PathBuf>,
}

fn vendor_id(text: &str) -> Result<VendorId, InvalidId> {
    VendorId::parse(text)
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
        Command::Rename(args) => rename(args, settings),
    }
}

/// Longest time for the rename of the allocations of all orders that there ever were.
const RENAME_TIMEOUT: Duration = Duration::from_mins(10);

fn rename(args: &RenameArgs, settings: &Settings) -> Result<()> {
    let clock = Arc::new(SystemClock);
    let runtime = tokio::runtime::Runtime::new()?;
    let renamed = if let Some(path) = &args.data {
        data_file::must_exist(path)?;
        let store = Arc::new(data_file::open(path, &settings.embedded)?);
        runtime.block_on(RenameVendor::new(store, clock).rename(&args.old, &args.new))?
    } else {
        let mut options = connection::pg_options(&settings.database);
        options.statement_timeout = RENAME_TIMEOUT;
        runtime.block_on(async {
            let store = Arc::new(PgStore::new(&options)?);
            let renaming = RenameVendor::new(store, clock);
            anyhow::Ok(renaming.rename(&args.old, &args.new).await?)
        })?
    };
    println!(
        "vendor {} is vendor {} now: {} products, {} allocations of orders",
        args.old, args.new, renamed.positions, renamed.allocations
    );
    Ok(())
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
