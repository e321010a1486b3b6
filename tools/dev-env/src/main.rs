//! The program `dev-env`: the commands of `cargo xtask` that need the settings or the code of the service.

mod fuzz_api;
mod generated_clients;
mod lint_openapi;
mod packages;
mod target;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dev_env::services;
use settings::Settings;

/// Development tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
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
    /// Fuzz a running service with valid and invalid requests, and check the responses against the OpenAPI document.
    FuzzApi(fuzz_api::Args),
    /// Check the OpenAPI document of the code with redocly and spectral.
    LintOpenapi(packages::Args),
    /// Generate clients in Python and TypeScript from the OpenAPI document, and use them with a running service.
    GeneratedClients(packages::Args),
    /// Print the OpenAPI document of the code.
    PrintOpenapi,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    // A relative path is relative to the caller's directory; the rest of the program runs in the root directory.
    let config = arguments.config.as_deref();
    let config = config.map(std::path::absolute).transpose()?;
    let root = workspace::root();
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    let settings = || Settings::load(config.as_deref());
    match &arguments.command {
        Command::Services(args) => services::run(args, &settings()?),
        Command::Up(args) => up::run(args, &settings()?, config.as_deref()),
        Command::FuzzApi(args) => fuzz_api::run(args, &settings()?),
        Command::LintOpenapi(args) => lint_openapi::run(args),
        Command::GeneratedClients(args) => generated_clients::run(args, &settings()?),
        Command::PrintOpenapi => {
            println!("{}", api::openapi_document());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn command_line_definition_is_valid() {
        super::Arguments::command().debug_assert();
    }
}
