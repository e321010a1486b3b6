//! The program `dev-env`: the commands of `cargo xtask` that need the settings or the code of the service.

mod fuzz_api;
mod generated_clients;
mod lint_openapi;
mod packages;
mod target;
mod up;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dev_env::services;
use wiring::program::ConfigArgs;

/// Development tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
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
    wiring::program::run(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let root = workspace::root();
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    let settings = || arguments.config.load();
    match &arguments.command {
        Command::Services(args) => services::run(args, &settings()?),
        Command::Up(args) => up::run(args, &settings()?, arguments.config.config.as_deref()),
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
