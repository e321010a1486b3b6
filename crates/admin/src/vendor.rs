//! `order-aggregator-admin vendor`: manages the vendors of a deployment.

mod check;
mod pause;
mod runs;
mod sync;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use clock_tokio::SystemClock;
use domain::identifiers::{InvalidId, VendorId};
use domain::services::{RenameVendor, VendorSets};
use settings::Settings;
use storage_sqlite::OpenError;
use tokio::runtime::Runtime;

use self::check::CheckArgs;
use self::pause::{PauseArgs, ResumeArgs};
use self::runs::RunsArgs;
use self::sync::SyncArgs;
use crate::store::{self, Access, AdminStore};

/// Manage the vendors of a deployment.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply the vendors in the settings, even if a newer vendor set superseded them.
    ///
    /// A process applies its settings automatically if their vendor set was never applied before. Use this command to restore
    /// a superseded set. Stock of a vendor that was not configured is not sold before its next report.
    Apply(ApplyArgs),
    /// Change the id of a vendor, with its stock, units in flight and allocations.
    ///
    /// Use this command to read the same source under another id: otherwise its stock would count twice, and the programs refuse
    /// to start with such settings. Stop the workers first, and start them with the new id afterwards. The rename is one
    /// transaction; orders wait until it is committed.
    Rename(RenameArgs),
    /// Print the newest runs of a vendor: what each sync read and changed, and why it failed.
    Runs(RunsArgs),
    /// Pause the scheduled syncs of a vendor, in every worker.
    ///
    /// Takes effect at the next sync that is due. A sync that is running ends normally, syncs on demand stay possible, and the
    /// vendor is sold from until its numbers are older than its `max_age`.
    Pause(PauseArgs),
    /// End the pause of a vendor. Its next sync begins within 10 seconds.
    Resume(ResumeArgs),
    /// Read a vendor's report once, and print what a sync would do with it. Nothing is changed.
    ///
    /// Prints the first records as they are read, the records that the settings do not cover, and the effect on the stock and on
    /// open orders. The exit code is 0 only if the report would be applied.
    Check(CheckArgs),
    /// Sync a vendor now, and print the result.
    ///
    /// Like a sync on demand through the API: the backoff after failures does not apply, the vendor's Retry-After does. The exit
    /// code is 0 only if the report was applied.
    Sync(SyncArgs),
}

#[derive(Debug, clap::Args)]
struct RenameArgs {
    /// Current id of the vendor.
    #[arg(value_parser = vendor_id)]
    old: VendorId,
    /// New id of the vendor. No vendor with this id may have stock.
    #[arg(value_parser = vendor_id)]
    new: VendorId,
    /// Data file of the embedded deployment, which must not be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

fn vendor_id(text: &str) -> Result<VendorId, InvalidId> {
    VendorId::parse(text)
}

#[derive(Debug, clap::Args)]
struct ApplyArgs {
    /// Data file of the embedded deployment, which must not be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    match &args.command {
        Command::Apply(args) => apply(args, settings),
        Command::Rename(args) => rename(args, settings),
        Command::Runs(args) => runs::runs(args, settings),
        Command::Pause(args) => pause::pause(args, settings),
        Command::Resume(args) => pause::resume(args, settings),
        Command::Check(args) => check::check(args, settings),
        Command::Sync(args) => sync::sync(args, settings),
    }
}

/// Opens the store of a command that an API call can replace. The error of a data file that another process uses names the
/// call, which is given by its path below the list of vendors.
fn open_for_writing(
    data: Option<&Path>,
    settings: &Settings,
    runtime: &Runtime,
    call: &str,
) -> Result<Arc<dyn AdminStore>> {
    let opened = store::open(data, Access::Write, settings, runtime);
    opened.map_err(|error| match error.downcast_ref() {
        Some(OpenError::InUse { .. }) => error.context(format!(
            "while the program runs, use its API: POST /api/v1/vendors/{call}"
        )),
        _ => error,
    })
}

/// Statement timeout of the rename, which updates the allocations of all orders.
const RENAME_TIMEOUT: Duration = Duration::from_mins(10);

fn rename(args: &RenameArgs, settings: &Settings) -> Result<()> {
    let mut settings = settings.clone();
    settings.database.statement_timeout = RENAME_TIMEOUT;
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Write, &settings, &runtime)?;
    let renaming = RenameVendor::new(store, Arc::new(SystemClock));
    let renamed = runtime.block_on(renaming.rename(&args.old, &args.new))?;
    println!(
        "renamed vendor {} to {}: {} products, {} allocations",
        args.old, args.new, renamed.positions, renamed.allocations
    );
    Ok(())
}

fn apply(args: &ApplyArgs, settings: &Settings) -> Result<()> {
    let set = wiring::vendor_set(settings)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Write, settings, &runtime)?;
    let sets = VendorSets::new(store.clone(), store, Arc::new(SystemClock));
    let applied = runtime.block_on(sets.apply(&set))?;
    let vendors = applied.configured.iter();
    let ids: Vec<&str> = vendors
        .map(|member| member.vendor.vendor_id.as_str())
        .collect();
    let state = if applied.applied {
        "is now current"
    } else {
        "was already current"
    };
    println!("vendor set {} {state}", set.digest());
    println!("configured vendors: {}", ids.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tempfile::TempDir;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn command_on_a_data_file_in_use_names_the_api_call() {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("shop.db");
        let settings = Settings::load_with(None, Path::new("/nowhere/.env")).unwrap();
        let runtime = Runtime::new().unwrap();
        let _running = store::open(Some(&data), Access::Create, &settings, &runtime).unwrap();
        for action in ["pause", "resume"] {
            let data = data.to_str().unwrap();
            let line = ["vendor", action, "acme", "--data", data];
            let line = CommandLine::try_parse_from(line).unwrap();
            let error = run(&line.args, &settings).unwrap_err();
            let error = format!("{error:#}");
            let call = format!("POST /api/v1/vendors/acme/{action}");
            assert!(
                error.contains(&call) && error.contains("is in use by"),
                "{error}"
            );
        }
    }
}
