//! The program `order-aggregator-admin`: commands for the operator of a deployment.
//!
//! Each command has its own module.

mod api_key;
mod audit;
mod catalogue;
mod connection;
mod dead_letters;
mod dump;
mod export;
mod import;
mod migrate;
mod seed;
mod store;
mod vendor;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use wiring::program::{self, ConfigArgs};

/// Operates a deployment.
#[derive(Debug, Parser)]
#[command(name = connection::PROGRAM, version = wiring::build::VERSION_AND_COMMIT, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create the database if it is missing, and run pending migrations.
    Migrate,
    /// Add a deterministic catalogue to the stock of the vendor `seed`. Other stock is unchanged.
    Seed(seed::Args),
    /// Apply the configured vendors; rename, pause, resume, check or sync a vendor, or print its runs.
    Vendor(vendor::Args),
    /// Generate an API key.
    ApiKey(api_key::Args),
    /// Recompute every balance from orders and allocations, and report inconsistent rows.
    Audit(audit::Args),
    /// List, show, replay or discard dead-lettered orders and messages.
    DeadLetters(dead_letters::Args),
    /// Export a deployment, with its stock and orders, to one file.
    Export(export::Args),
    /// Import an exported deployment into the database in the settings. Run it again to resume an interrupted import.
    Import(import::Args),
}

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let settings = || arguments.config.load();
    match &arguments.command {
        Command::Migrate => migrate::run(&settings()?),
        Command::Seed(args) => seed::run(args, &settings()?),
        Command::Vendor(args) => vendor::run(args, &settings()?),
        Command::ApiKey(args) => api_key::run(args),
        Command::Audit(args) => audit::run(args, &settings()?),
        Command::DeadLetters(args) => dead_letters::run(args, &settings()?),
        Command::Export(args) => export::run(args, &settings()?),
        Command::Import(args) => import::run(args, &settings()?),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_recorded() {
        insta::assert_snapshot!(wiring::program::help::<super::Arguments>());
    }
}
