//! `cargo xtask`: everything that a developer or a CI machine does with this workspace, as one program.
//!
//! Each command is a module of its own. Nothing here is shipped, and nothing that is shipped depends on it.

mod api_key;
mod audit;
mod bench;
mod catalogue;
mod children;
mod ci;
mod connection;
mod contracts;
mod data_file;
mod dead_letters;
mod deny;
mod dump;
mod endpoints;
mod export;
mod fresh_servers;
mod fuzz_api;
mod import;
mod migrate;
mod openapi;
mod process;
mod programs;
mod progress;
mod seed;
mod services;
mod stop_signals;
mod test_suite;
mod tidy;
mod up;
mod vendor;
mod workspace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use settings::Settings;

/// Tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    /// Read settings from this file, on top of the defaults; `.env` and the environment win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See to it that PostgreSQL and RabbitMQ answer where the settings say; stop what was started for that.
    Services(services::Args),
    /// Create the database if it is missing, and apply_if_new its schema up to date.
    Migrate,
    /// Enter a reproducible catalogue into the stock of the vendor `seed`; what it has beyond that stays.
    Seed(seed::Args),
    /// Change which vendors are configured.
    Vendor(vendor::Args),
    /// Make an API key.
    ApiKey(api_key::Args),
    /// Recompute every balance from orders and allocations, and name the rows that differ.
    Audit(audit::Args),
    /// Show the orders and messages that were given up, apply_if_new them back, or remove them.
    DeadLetters(dead_letters::Args),
    /// Write a whole deployment, its stock and its orders, into one file.
    Export(export::Args),
    /// Move a deployment that was exported into the database of the settings; interrupted, the same command goes on.
    Import(import::Args),
    /// Run the whole system: services, schema, API, worker and mock vendors, until Ctrl-C.
    Up(up::Args),
    /// Measure the whole system, beside what the same servers do at most, and write tables and plots.
    ///
    /// Writes benchmarks.md, with plots and all numbers in the folder benchmarks beside it. Release builds of the programs are
    /// made first. wrk is installed where it is missing and packages can be (Debian, as root); pgbench comes with PostgreSQL.
    /// PostgreSQL and RabbitMQ are those of the settings, and have to run on this machine for the cost of each to be told. A
    /// whole run takes some 40 minutes on a machine that has to be left alone meanwhile, and 8 GB of disk.
    Bench(bench::Args),
    /// Run all tests against real servers.
    Test(test_suite::Args),
    /// Show which adapter kept which contract in the last whole run of the tests.
    Contracts,
    /// Write the document of the REST API as the code has it, or check what is committed.
    Openapi(openapi::Args),
    /// Send a running service what its document allows and what it forbids, and hold the answers against the document.
    FuzzApi(fuzz_api::Args),
    /// Run every check that a change has to pass.
    Ci(ci::Args),
    /// Check the rules that neither the compiler nor clippy knows.
    Tidy,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    // A relative path is meant from where the caller stands; everything after this is run from the root.
    let config = cli.config.as_deref().map(std::path::absolute).transpose()?;
    let config = config.as_deref();
    let root = workspace::root();
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    match &cli.command {
        Command::Services(args) => services::run(args, &load(config)?),
        Command::Migrate => migrate::run(&load(config)?),
        Command::Seed(args) => seed::run(args, &load(config)?),
        Command::Vendor(args) => vendor::run(args, &load(config)?),
        Command::ApiKey(args) => api_key::run(args),
        Command::Audit(args) => audit::run(args, &load(config)?),
        Command::DeadLetters(args) => dead_letters::run(args, &load(config)?),
        Command::Export(args) => export::run(args, &load(config)?),
        Command::Import(args) => import::run(args, &load(config)?),
        Command::Up(args) => up::run(args, &load(config)?, config),
        Command::Bench(args) => bench::run(args, &load(config)?),
        Command::Test(args) => test_suite::run(args, &load(config)?),
        Command::Contracts => contracts::report(),
        Command::Openapi(args) => openapi::run(args),
        Command::FuzzApi(args) => fuzz_api::run(args, &load(config)?),
        Command::Ci(args) => ci::run(args, &load(config)?),
        Command::Tidy => tidy::run(),
    }
}

fn load(config: Option<&Path>) -> Result<Settings> {
    Ok(Settings::load(config)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
