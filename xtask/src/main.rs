//! `cargo xtask`: the tasks of this workspace for developers and CI, as one program.
//!
//! Each command has its own module. This program is not shipped, and no shipped program depends on it.

mod ci;
mod contracts;
mod deny;
mod forward;
mod fuzz_api;
mod openapi;
mod test_suite;
mod tidy;
mod up;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dev_env::services;
use forward::Forwarded;
use settings::Settings;

/// Development tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    /// Settings file. It overrides the defaults; `.env` and environment variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start or stop the PostgreSQL and RabbitMQ in the settings.
    Services(services::Args),
    /// Run the whole system (services, migrations, API, worker and mock vendors) until Ctrl-C.
    Up(up::Args),
    /// Run all tests against real servers.
    Test(test_suite::Args),
    /// Show the contracts that each adapter passed in the last full test run.
    Contracts,
    /// Write the OpenAPI document of the REST API, or check the committed one.
    Openapi(openapi::Args),
    /// Fuzz a running service with valid and invalid requests, and check the responses against the OpenAPI document.
    FuzzApi(fuzz_api::Args),
    /// Run all checks that a change must pass.
    Ci(ci::Args),
    /// Check project rules that the compiler and clippy do not cover.
    Tidy,
    #[command(flatten)]
    Forwarded(Forwarded),
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
    // A relative path is relative to the caller's directory; commands of this program run in the root directory.
    let config = cli.config.as_deref().map(std::path::absolute).transpose()?;
    let config = config.as_deref();
    // Arguments of other programs may contain paths that are relative to the caller's directory.
    if !matches!(cli.command, Command::Forwarded(_)) {
        let root = workspace::root();
        std::env::set_current_dir(&root)
            .with_context(|| format!("cannot enter {}", root.display()))?;
    }
    match &cli.command {
        Command::Services(args) => services::run(args, &load(config)?),
        Command::Up(args) => up::run(args, &load(config)?, config),
        Command::Test(args) => test_suite::run(args, &load(config)?),
        Command::Contracts => contracts::report(),
        Command::Openapi(args) => openapi::run(args),
        Command::FuzzApi(args) => fuzz_api::run(args, &load(config)?),
        Command::Ci(args) => ci::run(args, &load(config)?),
        Command::Tidy => tidy::run(),
        Command::Forwarded(command) => command.exec(config),
    }
}

fn load(config: Option<&Path>) -> Result<Settings> {
    Ok(Settings::load(config)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_definition_is_valid() {
        super::Cli::command().debug_assert();
    }
}
