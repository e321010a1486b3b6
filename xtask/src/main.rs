//! `cargo xtask`: the tasks of this workspace for developers and CI, as one program.
//!
//! Each command has its own module. This program has few dependencies, so that it builds quickly; other programs of this
//! workspace run the commands that need more. It is not shipped, and no shipped program depends on it.

mod ci;
mod contracts;
mod forward;
mod openapi;
mod packages;
mod test_suite;
mod tidy;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use forward::Forwarded;

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
    /// Run all checks that a change must pass.
    Ci(ci::Args),
    /// Run all tests against real servers.
    Test(test_suite::Args),
    /// Check project rules that the compiler and clippy do not cover.
    Tidy,
    /// Show the contracts that each adapter passed in the last full test run.
    Contracts,
    /// Write the OpenAPI document of the REST API, or check the committed one.
    Openapi(openapi::Args),
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
        Command::Ci(args) => ci::run(args, config),
        Command::Test(args) => test_suite::run(args, config),
        Command::Tidy => tidy::run(),
        Command::Contracts => contracts::report(),
        Command::Openapi(args) => openapi::run(args),
        Command::Forwarded(command) => command.exec(config),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_definition_is_valid() {
        super::Cli::command().debug_assert();
    }
}
